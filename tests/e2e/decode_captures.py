#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Captures that are made, not caught.

    decode_captures.py golden FILE          a short one, always the same
    decode_captures.py hostile FILE KEY     options that are changed in all sorts of ways, some sealed
                                            under the key in the file KEY
    decode_captures.py links DIRECTORY      the same packets on each kind of link, and as pcapng
    decode_captures.py large MEBIBYTES      on standard output, many flows, most of them short;
                                            prints on standard error how many options it has
    decode_captures.py exchanges FILE N     N packets of RFC 8250 between few hosts
"""
import os
import random
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "witness"))

import pdm_option as pdm  # noqa: E402
import pdm_witness  # noqa: E402

RAW, ETHERNET, NULL, LOOP, SLL, SLL2, IPV6, WIFI = 101, 1, 0, 108, 113, 276, 229, 105
UDP, ICMPV6, DSTOPTS = 17, 58, 60
CLIENT, SERVER = "2001:db8::1", "2001:db8::2"
MS = 1_000_000
BLOCK_PACKETS = 60000


def udp(sport, dport):
    return struct.pack(">HHHH", sport, dport, 8, 0)


def ipv6(src, dst, kind, payload):
    addresses = pdm.tuple_bytes(src, 0, dst, 0, 0)
    return (
        struct.pack(">IHBB", 6 << 28, len(payload), kind, 64)
        + addresses[:16] + addresses[18:34] + payload
    )  # fmt: skip


def packet(option, sport=4242, dport=7, src=CLIENT, dst=SERVER):
    return ipv6(src, dst, DSTOPTS, pdm.dstopts_header(option, UDP) + udp(sport, dport))


def file_header(linktype):
    return struct.pack("<IHHIIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, linktype)


def record(time_ns, data):
    return struct.pack("<IIII", *divmod(time_ns, 10**9), len(data), len(data)) + data


def write_capture(path, frames, linktype=RAW, begin=10**9, apart=30 * MS):
    with open(path, "wb") as out:
        out.write(file_header(linktype))
        for number, data in enumerate(frames):
            out.write(record(begin + number * apart, data))


def exchange(number, option, think_ns, total_ns):
    """A request and its answer, as their NUMBERth."""
    tlr, tls = pdm.scale_ns(think_ns), pdm.scale_ns(total_ns)
    first = number == 0
    asked = pdm.Fields(
        0, 0 if first else tls[1], 2 * number + 1, 100 + number, 0 if first else 199 + number,
        0, 0 if first else tls[0],
    )  # fmt: skip
    answer = pdm.Fields(tlr[1], 0, 2 * number + 2, 200 + number, 100 + number, tlr[0], 0)
    return option(asked, CLIENT), option(answer, SERVER)


# Golden.


def golden():
    """RFC 8250, clear and sealed; a loss, a copy, and what is faulty."""
    frames = []
    key = {
        src: pdm.derive(pdm.Suite(), bytes(32), pdm.tuple_bytes(*ends, UDP), 0)
        for src, ends in (
            (CLIENT, (CLIENT, 4002, SERVER, 7)), (SERVER, (SERVER, 7, CLIENT, 4002)),
        )
    }  # fmt: skip
    makers = (
        lambda fields, src: pdm.rfc8250_option(fields),
        lambda fields, src: pdm.plain_option(fields, fields.psntp, 0),
        lambda fields, src: pdm.seal_option(pdm.Suite(), key[src], fields, fields.psntp),
    )
    for port, maker in enumerate(makers, 4000):
        for number in range(5):
            asked, answer = exchange(number, maker, 20 * MS, 50 * MS)
            frames.append(packet(asked, port, 7))
            if (port, number) != (4000, 3):
                frames.append(packet(answer, 7, port, SERVER, CLIENT))
    frames.append(frames[0])
    some = pdm.plain_option(pdm.Fields(psntp=1))
    frames.append(packet(pdm.plain_option(pdm.Fields(psntp=1), version=1), 4003))
    frames.append(packet(some[:1] + b"\x11" + some[2:], 4003))
    double = pdm.dstopts_header(some, DSTOPTS) + pdm.dstopts_header(some, UDP)
    frames.append(ipv6(CLIENT, SERVER, DSTOPTS, double + udp(4003, 7)))
    frames.append(packet(some)[:60])
    return frames


# Hostile.


def hostile_options(psk, count):
    """Well-formed ones of all formats, of a flow each, changed at one place or none."""
    chance = random.Random(8250)
    for port in range(1, count):
        fields = pdm.Fields(
            *(chance.randrange(61) for _ in range(2)), chance.randrange(2**32),
            chance.randrange(1, 2**16), *(chance.randrange(2**16) for _ in range(3)),
        )  # fmt: skip
        ends = pdm.tuple_bytes(CLIENT, port, SERVER, 7, UDP)
        kind = chance.randrange(3)
        if kind == 0:
            option = pdm.rfc8250_option(fields)
        elif kind == 1:
            option = pdm.plain_option(fields, chance.randrange(2**15), chance.randrange(2))
        else:
            key = pdm.derive(pdm.Suite(), psk, ends, chance.randrange(4))
            option = pdm.seal_option(pdm.Suite(), key, fields, chance.randrange(1, 2**15))
        data = bytearray(packet(option, port, 7))
        # What is no PSN and no key: not behind the first six octets of a clear option.
        end = 40 + 2 + (6 if kind < 2 else len(option))
        if kind == 0:
            end = 40 + 4
        if chance.randrange(2):
            data[chance.randrange(40 + 2, end)] ^= 1 << chance.randrange(8)
        yield bytes(data)


def hostile(path, key):
    write_capture(path, hostile_options(pdm_witness.read_key_file(key), 1500))


# Links.


def link_frames(frames):
    """(name, link type, frames)"""
    address = bytes(12)
    headers = {
        "ethernet": (ETHERNET, address + b"\x86\xdd"),
        "vlan": (ETHERNET, address + b"\x81\x00\x00\x05\x86\xdd"),
        "double-vlan": (ETHERNET, address + b"\x88\xa8\x00\x05\x81\x00\x00\x06\x86\xdd"),
        "sll": (SLL, bytes(14) + b"\x86\xdd"),
        "sll2": (SLL2, b"\x86\xdd" + bytes(18)),
        "raw": (RAW, b""),
        "ipv6": (IPV6, b""),
        "null": (NULL, b"\x0a\x00\x00\x00"),
        "loop": (LOOP, b"\x00\x00\x00\x1e"),
        "wifi": (WIFI, bytes(32)),
    }
    for name, (linktype, header) in headers.items():
        yield name, linktype, [header + frame for frame in frames]


def block(kind, body):
    body += bytes(-len(body) % 4)
    size = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + size + body + size


def write_pcapng(path, frames, begin=10**9):
    with open(path, "wb") as out:
        out.write(block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)))
        resolution = struct.pack("<HHB3xHH", 9, 1, 9, 0, 0)  # nanoseconds
        out.write(block(1, struct.pack("<HHI", RAW, 0, 0) + resolution))
        for number, data in enumerate(frames):
            high, low = divmod(begin + number * 30 * MS, 2**32)
            out.write(block(6, struct.pack("<IIIII", 0, high, low, len(data), len(data)) + data))


def links(directory):
    for name, linktype, frames in link_frames(golden()):
        write_capture(os.path.join(directory, name + ".pcap"), frames, linktype)
    write_pcapng(os.path.join(directory, "raw.pcapng"), golden())


# Many.


def large(mebibytes):
    option = pdm.rfc8250_option(pdm.Fields(psntp=1))
    short = b"".join(record(10**9, packet(option, port, 7)) for port in range(BLOCK_PACKETS))
    busy = b"".join(
        record(10**9, packet(option, port % 1000, 9)) for port in range(BLOCK_PACKETS)
    )
    out, written, blocks = sys.stdout.buffer, 0, 0
    out.write(file_header(RAW))
    while written < mebibytes * 2**20:
        written += out.write(short if blocks % 20 == 0 else busy)
        blocks += 1
    out.flush()
    print(blocks * BLOCK_PACKETS, file=sys.stderr)


def exchanges(path, count):
    with open(path, "wb") as out:
        out.write(file_header(ETHERNET))
        for number in range(count // 2):
            asked, answer = exchange(
                number // 100 % 60000, lambda fields, src: pdm.rfc8250_option(fields), MS, 2 * MS
            )
            port = 1000 + number % 100
            for data in (packet(asked, port, 7), packet(answer, 7, port, SERVER, CLIENT)):
                out.write(record(10**9 + number * 1000, bytes(12) + b"\x86\xdd" + data))


if __name__ == "__main__":
    command, *operands = sys.argv[1:]
    if command == "golden":
        write_capture(operands[0], golden())
    elif command == "hostile":
        hostile(*operands)
    elif command == "links":
        links(operands[0])
    elif command == "large":
        large(int(operands[0]))
    else:
        exchanges(operands[0], int(operands[1]))
