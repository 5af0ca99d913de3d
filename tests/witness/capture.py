# SPDX-License-Identifier: BSD-2-Clause
"""Reads pcap and pcapng files and takes IPv6 packets apart."""
import ipaddress
import struct
from collections import namedtuple

import pdm_option as pdm

DLT_EN10MB, DLT_SLL, DLT_IPV6, DLT_SLL2 = 1, 113, 229, 276
DLT_RAW = (12, 14, 101)  # LINKTYPE_RAW is 101; the kernel's own numbers appear in old files
ETHERTYPE_IPV6, ETHERTYPE_VLAN = 0x86DD, (0x8100, 0x88A8)
HOPOPTS, ROUTING, FRAGMENT, AH, DSTOPTS = 0, 43, 44, 51, 60
IPV6_HEADER = 40

Frame = namedtuple("Frame", "time_ns linktype data")
Packet = namedtuple("Packet", "time_ns src sport dst dport proto payload dstopts transport")


class CaptureError(ValueError):
    """The file is no capture that this reader knows."""


def read_pcap(path):
    """Yields a Frame for each packet of a pcap or pcapng file."""
    with open(path, "rb") as source:
        magic = source.read(4)
        source.seek(0)
        if magic == b"\x0a\x0d\x0d\x0a":
            yield from _read_pcapng(source)
        else:
            yield from _read_classic(source)


def _exactly(source, size):
    octets = source.read(size)
    if len(octets) != size:
        raise CaptureError("the file ends in the middle of a record")
    return octets


CLASSIC = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}


def _read_classic(source):
    header = source.read(24)
    if len(header) != 24 or header[:4] not in CLASSIC:
        raise CaptureError("no pcap file")
    order, unit = CLASSIC[header[:4]]
    linktype = struct.unpack(order + "I", header[20:])[0] & 0xFFFF
    while True:
        record = source.read(16)
        if not record:
            return
        if len(record) != 16:
            raise CaptureError("the file ends in the middle of a record")
        seconds, fraction, size, _ = struct.unpack(order + "IIII", record)
        yield Frame(seconds * 10**9 + fraction * unit, linktype, _exactly(source, size))


def _pcapng_options(octets, order):
    """code -> value of a block's options."""
    options, at = {}, 0
    while at + 4 <= len(octets):
        code, size = struct.unpack(order + "HH", octets[at : at + 4])
        if code == 0:
            break
        options[code] = octets[at + 4 : at + 4 + size]
        at += 4 + (size + 3) // 4 * 4
    return options


def _ticks_per_second(options):
    """if_tsresol, option 9: a power of ten, or of two with the high bit set."""
    resolution = options.get(9, b"\x06")[0]
    return 2 ** (resolution & 0x7F) if resolution & 0x80 else 10**resolution


def _read_pcapng(source):
    order, interfaces = "<", []
    while True:
        head = source.read(8)
        if not head:
            return
        if len(head) != 8:
            raise CaptureError("the file ends in the middle of a block")
        if head[:4] == b"\x0a\x0d\x0d\x0a":
            magic = _exactly(source, 4)
            order = "<" if magic == b"\x4d\x3c\x2b\x1a" else ">"
            interfaces = []
            _exactly(source, struct.unpack(order + "I", head[4:])[0] - 12)
            continue
        kind, size = struct.unpack(order + "II", head)
        if size < 12:
            raise CaptureError("a block is too short")
        body = _exactly(source, size - 8)[:-4]
        if kind == 1:
            options = _pcapng_options(body[8:], order)
            interfaces.append(
                (struct.unpack(order + "H", body[:2])[0], _ticks_per_second(options))
            )
        elif kind == 6:
            interface, high, low, caught = struct.unpack(order + "IIII", body[:16])
            if interface >= len(interfaces):
                raise CaptureError("a packet of no interface")
            linktype, ticks = interfaces[interface]
            time_ns = (high << 32 | low) * 10**9 // ticks
            yield Frame(time_ns, linktype, body[20 : 20 + caught])


def ipv6_of(frame):
    """The IPv6 packet in a frame, or None."""
    data, kind = frame.data, None
    if frame.linktype == DLT_EN10MB:
        at = 12
        while len(data) >= at + 2 and struct.unpack_from(">H", data, at)[0] in ETHERTYPE_VLAN:
            at += 4
        kind, data = data[at : at + 2], data[at + 2 :]
    elif frame.linktype == DLT_SLL:
        kind, data = data[14:16], data[16:]
    elif frame.linktype == DLT_SLL2:
        kind, data = data[:2], data[20:]
    elif frame.linktype not in DLT_RAW + (DLT_IPV6,):
        return None
    if kind is not None and kind != struct.pack(">H", ETHERTYPE_IPV6):
        return None
    if len(data) < IPV6_HEADER or data[0] >> 4 != 6:
        return None
    return data[: IPV6_HEADER + struct.unpack_from(">H", data, 4)[0]]


def _ports(proto, octets):
    """(sport, dport, payload): what the 5-tuple uses, and what follows the transport header."""
    if proto == pdm.PROTO_ICMPV6 and len(octets) >= 8:
        identifier = struct.unpack_from(">H", octets, 4)[0]
        if octets[0] == pdm.ECHO_REQUEST:
            return identifier, 0, octets[8:]
        if octets[0] == pdm.ECHO_REPLY:
            return 0, identifier, octets[8:]
        return 0, 0, octets[4:]
    if proto not in pdm.PORT_PROTOS or len(octets) < 8:
        return 0, 0, octets
    sport, dport = struct.unpack_from(">HH", octets)
    if proto == 6 and len(octets) >= 20:
        return sport, dport, octets[(octets[12] >> 4) * 4 :]
    if proto == 17:
        return sport, dport, octets[8 : max(8, struct.unpack_from(">H", octets, 4)[0])]
    return sport, dport, octets[12 if proto == 132 else 8 :]


def parse_packet(time_ns, data):
    """A Packet from an IPv6 packet; its Destination Options headers are in dstopts, whole.

    A later fragment has no ports. None if the header chain runs past the packet's end.
    """
    src, dst = str(ipaddress.IPv6Address(data[8:24])), str(ipaddress.IPv6Address(data[24:40]))
    kind, at, dstopts, fragment = data[6], IPV6_HEADER, [], False
    while kind in (HOPOPTS, ROUTING, FRAGMENT, AH, DSTOPTS) and not fragment:
        if at + 8 > len(data):
            return None
        size = {FRAGMENT: 8, AH: (data[at + 1] + 2) * 4}.get(kind, (data[at + 1] + 1) * 8)
        if at + size > len(data):
            return None
        if kind == DSTOPTS:
            dstopts.append(data[at : at + size])
        fragment = kind == FRAGMENT and struct.unpack_from(">H", data, at + 2)[0] & 0xFFF8 != 0
        kind, at = data[at], at + size
    sport, dport, payload = (0, 0, data[at:]) if fragment else _ports(kind, data[at:])
    return Packet(time_ns, src, sport, dst, dport, kind, payload, dstopts, data[at:])


def packets(path):
    """Yields a Packet for each IPv6 packet of a capture."""
    for frame in read_pcap(path):
        data = ipv6_of(frame)
        packet = parse_packet(frame.time_ns, data) if data is not None else None
        if packet is not None:
            yield packet
