# SPDX-License-Identifier: BSD-2-Clause
"""Hostile options on the segments of an honest TCP connection, and forged ICMPv6 echo replies; run
by test_hostile.sh.

    hostile_tcp.py --port PORT --count N --key FILE --pdmctl FILE --client-ns NAME --server-ns NAME
                   --client-agent SOCKET --server-agent SOCKET --library FILE CLIENT SERVER
    hostile_tcp.py talk PORT CLIENT SERVER

The first is the link: it forwards between two TUN devices, and gives the segment it is told to
other Destination Options headers than it had. No checksum covers them, so the payload arrives; what
else the connection carries is its own. The second is the honest end under the library: for each
line `turn N` it asks its echo server something, for each `ping N` the server's kernel, and says ok.
One line per check; exits 1 if one failed.
"""
import argparse
import ctypes
import fcntl
import os
import queue
import random
import select
import socket
import struct
import subprocess
import sys
import threading
import time

import hostile
from hostile import (  # isort: skip
    REFUSALS, Attacks, Lost, World, check, header, moved, refusals_match, same, tlv, unmoved,
)  # fmt: skip

import pdm_option as pdm
from capture import parse_packet
from pdm_witness import read_key_file

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
CLONE_NEWNET = 0x40000000
IPV6_DSTOPTS = 59
IPV6, TCP_FLAGS, SYN, FIN, ACK = 40, 13, 0x02, 0x01, 0x10
HEADER_BITS = 40 * 8
PAD_AT, TYPE_AT, OPTION_AT, CHECKED_AT = 2, 4, 4, 6  # octets of the header
HONEST = 60
ENDS = (True, "server"), (False, "client")  # by the direction of what comes there
PACE_S = 0.011  # between two options of one end (DESIGN section 6)
ANSWER_S = 5.0
SCARCE = 150  # octets of socket memory: an option can be set, but not cleared in the usual way
LARGE = (7, 250)  # options beside ours, of so many octets: about what one header holds
GUESSES = 200
BATCH = 20  # of them, or the queue of the socket is full


# --- the honest end ---


def make_echo(identifier, number):
    return struct.pack(">BBHHH", 128, 0, 0, identifier, number) + b"payload %012d" % number


class Honest:
    def __init__(self, port, client, server):
        self.where = (client, server, port)
        self.stream = self.connect()
        self.raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        self.raw.connect((server, 0))
        self.raw.settimeout(ANSWER_S)

    def connect(self):
        client, server, port = self.where
        stream = socket.create_connection((server, port), ANSWER_S, (client, 0))
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return stream

    def turn(self, number):
        payload, got = b"payload %012d" % number, b""
        self.stream.sendall(payload)
        while len(got) < len(payload):
            part = self.stream.recv(2048)
            if not part:
                return "end"
            got += part
        return "ok" if got == payload else "wrong"

    def bare(self, number):
        """A turn, and how much of Destination Options it left on the socket."""
        said = self.turn(number)
        return "%s %d" % (said, len(self.stream.getsockopt(socket.IPPROTO_IPV6, IPV6_DSTOPTS, 256)))

    def ping(self, number):
        identifier, until = os.getpid() & 0xFFFF, time.monotonic() + ANSWER_S
        request = make_echo(identifier, number)
        self.raw.send(request)
        while time.monotonic() < until:
            reply = self.raw.recv(2048)
            if reply[0] == 129 and reply[4:] == request[4:]:
                return "ok"
        return "none"

    def again(self, _):
        self.stream.close()
        self.stream = self.connect()
        return "ok %d" % self.stream.getsockname()[1]


def talk(port, client, server):
    honest = Honest(int(port), client, server)
    print("ok", honest.stream.getsockname()[1], os.getpid() & 0xFFFF, flush=True)
    for line in sys.stdin:
        what, number = line.split()
        try:
            print(getattr(honest, what)(int(number)), flush=True)
        except OSError as error:
            print(error, flush=True)


class Client:
    """Tells the honest end what to do."""

    def __init__(self, args):
        # The agent of a network namespace of its own, the library, and no other difference.
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", args.client_ns, "env", "PDMV2_AGENT=" + args.client_agent,
             "LD_PRELOAD=" + args.library, sys.executable, __file__, "talk", str(args.port),
             args.client, args.server],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        )  # fmt: skip
        self.serial = self.answered = 0
        _, port, identifier = self.answer().split()
        self.port, self.identifier = int(port), int(identifier)

    def answer(self):
        line = self.process.stdout.readline().strip()
        if not line.startswith("ok"):
            raise Lost("the honest end says %r (%s)" % (line, self.process.poll()))
        return line

    def tell(self, what):
        """The honest end's answer, which is that what it sent came back as it was."""
        self.serial += 1
        self.process.stdin.write("%s %d\n" % (what, self.serial))
        answer = self.answer()
        self.answered += 1
        return answer

    def again(self):
        self.port = int(self.tell("again").split()[1])


# --- the link ---


def open_tun(namespace):
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/self/ns/net", "rb") as own, open("/run/netns/" + namespace, "rb") as other:
        if libc.setns(other.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
        tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", b"pdm0", IFF_TUN | IFF_NO_PI))
        libc.setns(own.fileno(), CLONE_NEWNET)
    return tun


class Link(threading.Thread):
    """Forwards. ONCE: a test for packets, and what becomes of the first that meets it."""

    def __init__(self, client_ns, server_ns):
        super().__init__(daemon=True)
        self.tun = [open_tun(client_ns), open_tun(server_ns)]
        self.once = None
        self.seen = {True: queue.Queue(), False: queue.Queue()}  # options that passed, by direction
        self.segments = {True: 0, False: 0}  # with data, and what followed before the other's
        self.speaking = None

    def change(self, packet, up):
        once = self.once
        if once is None or not once[0](packet, up):
            return [packet]
        self.once = None
        return once[1](packet)

    def note(self, packet, up):
        try:
            for option in options_of(packet):
                self.seen[up].put(option)
        except (IndexError, pdm.OptionError):
            pass  # what was changed is what it was changed to

    def run(self):
        while True:
            for tun in select.select(self.tun, [], [])[0]:
                up = tun == self.tun[0]
                packet = os.read(tun, 65535)
                if packet[0] >> 4 != 6:
                    continue
                if is_data(up)(packet, up):
                    self.speaking = up
                self.segments[up] += self.speaking == up and transport_of(packet)[0] == 6
                for out in self.change(packet, up):
                    self.note(out, up)
                    os.write(self.tun[1 if up else 0], out)

    def inject_down(self, packet):
        os.write(self.tun[0], packet)

    def passed(self, up=True):
        options = []
        while not self.seen[up].empty():
            options.append(self.seen[up].get())
        return options


def transport_of(packet):
    """(protocol, header and payload)"""
    kind, at = packet[6], IPV6
    while kind == socket.IPPROTO_DSTOPTS:
        kind, at = packet[at], at + (packet[at + 1] + 1) * 8
    return kind, packet[at:]


def with_headers(packet, headers):
    """The packet with HEADERS for its Destination Options headers, whatever is wrong in them."""
    kind, rest = transport_of(packet)
    first = socket.IPPROTO_DSTOPTS if headers else kind
    size = struct.pack(">H", len(headers) + len(rest))
    return packet[:4] + size + bytes([first]) + packet[7:IPV6] + headers + rest


def options_of(packet):
    """Those of a TCP segment."""
    parsed = parse_packet(0, packet)
    if parsed is None or parsed.proto != socket.IPPROTO_TCP:
        return []
    return [option for found in parsed.dstopts for option in pdm.find_options(found)]


def for_tcp(headers, protocol=socket.IPPROTO_TCP):
    """The same headers in front of another protocol."""
    changed, at = bytearray(headers), 0
    while changed and changed[at] == socket.IPPROTO_DSTOPTS:
        at += (changed[at + 1] + 1) * 8
    if changed:
        changed[at] = protocol
    return bytes(changed)


def checksum(packet, rest):
    pseudo = packet[8:IPV6] + struct.pack(">LL", len(rest), transport_of(packet)[0]) + rest
    pseudo += b"\0" * (len(pseudo) % 2)
    total = sum(struct.unpack(">%dH" % (len(pseudo) // 2), pseudo))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def is_data(want_up):
    def test(packet, up):
        kind, rest = transport_of(packet)
        return up == want_up and kind == 6 and len(rest) > (rest[12] >> 4) * 4

    return test


def has_flag(flag):
    def test(packet, up):
        kind, rest = transport_of(packet)
        return up and kind == 6 and rest[TCP_FLAGS] & flag != 0

    return test


def pure_ack_behind(packet):
    """The acknowledgement that could follow the segment, which acknowledges nothing new."""
    rest = transport_of(packet)[1]
    size = (rest[12] >> 4) * 4
    number = struct.unpack(">L", rest[4:8])[0] + len(rest) - size
    ack = bytearray(rest[:size])
    ack[4:8] = struct.pack(">L", number & 0xFFFFFFFF)
    ack[TCP_FLAGS] = ACK
    ack[16:18] = b"\0\0"
    bare = with_headers(packet, b"")[:IPV6] + bytes(ack)
    ack[16:18] = struct.pack(">H", checksum(bare, bytes(ack)))
    return with_headers(bare[:IPV6] + bytes(ack), b"")


# --- the parts ---


class Lab:
    """The world, the link and the honest end together."""

    def __init__(self, args):
        self.args, self.world = args, World(args)
        self.link = Link(args.client_ns, args.server_ns)
        self.link.start()
        self.client = Client(args)

    def end(self, at_server):
        agent = self.args.server_agent if at_server else self.args.client_agent
        return self.world.flow(agent, self.client.port)

    def turn(self, headers=None, up=True, change=None):
        """One exchange in which the segment to the one end is changed. Whether it went alone: if
        it was sent again, or an acknowledgement followed, a read may find the options of either."""
        time.sleep(PACE_S)
        segments = self.link.segments[up]
        if headers is not None:
            change = lambda packet: [with_headers(packet, for_tcp(headers))]  # noqa: E731
        self.link.once = None if change is None else (is_data(up), change)
        self.client.tell("turn")
        if self.link.once is not None:
            raise Lost("there was no segment to change")
        return self.link.segments[up] == segments + 1

    def stolen_option(self):
        """An honest option that the server never saw; on the way its segment lost it."""
        stolen = []

        def steal(packet):
            stolen.extend(options_of(packet))
            return [with_headers(packet, b"")]

        for _ in range(10):
            self.turn(change=steal)
            if stolen:
                return stolen[-1]
        raise Lost("no option in ten turns")


class StreamAttacks(Attacks):
    def every(self):
        """Of fewer honest options than a window has, none is behind it."""
        return [kind for kind in super().every() if kind != self.replayed]


def samples_of(flow, delay):
    return flow[delay]["samples"] if flow[delay] is not None else 0


def begin(lab):
    """Honest turns; the options that each end received, and no others."""
    for _ in range(HONEST):
        lab.turn()
        if lab.link.passed(True) and lab.link.passed(False):
            break
    before, taken = {up: lab.end(up) for up in (True, False)}, {True: [], False: []}
    after = dict(before)
    for _ in range(HONEST):
        for up in taken:
            lab.link.passed(up)
        lab.turn()
        for up, options in taken.items():
            count, passed = after[up]["options_received"], lab.link.passed(up)
            after[up] = lab.end(up)
            if len(passed) == 1 and after[up]["options_received"] == count + 1:
                options.append(passed[0])
    for up, name in ENDS:
        check("TCP start: options to the %s" % name, len(taken[up]) >= HONEST / 2, len(taken[up]))
        samples = samples_of(after[up], "network_delay") - samples_of(before[up], "network_delay")
        check("TCP start: the %s measures" % name, samples > 0, samples)
    return taken


def refused_within(name, before, after, sure, perhaps):
    """Counters moved as they must; PERHAPS are those whose segment did not go alone."""
    found = moved(before, after)
    for counter in sorted(set(found) | set(sure)):
        low = sure.get(counter, 0)
        high = low + perhaps.get(counter, 0)
        check("%s: %s" % (name, counter), low <= found.get(counter, 0) <= high,
              "%d of %d to %d" % (found.get(counter, 0), low, high))  # fmt: skip


def flood(lab, attacks, count, up):
    """Every kind in turn on the data towards the one end, which had its own options before."""
    name = "TCP, to the %s" % dict(ENDS)[up]
    lab.turn(b"", up)
    before, kinds, sure, perhaps = lab.end(up), attacks.every(), {}, {}
    answered = lab.client.answered
    for i in range(count):
        headers, counter = kinds[i % len(kinds)]()
        tally = sure if lab.turn(headers, up) else perhaps
        if counter is not None:
            tally[counter] = tally.get(counter, 0) + 1
    after = lab.end(up)
    same("%s: every payload was delivered" % name, lab.client.answered - answered, count)
    refused_within(name, before, after, sure, perhaps)
    unmoved(name, before, after)


def repeats(lab):
    """An honest segment twice, and again when its time is over: the kernel takes its data once."""
    kept = []
    before = lab.end(True)
    lab.link.passed()
    lab.turn(change=lambda packet: [kept.append(packet) or packet, packet])
    for _ in range(3):
        lab.turn(change=lambda packet: [with_headers(packet, b""), kept[0]])
    taken, after = len(set(lab.link.passed())), lab.end(True)
    same("TCP, segments again: options received",
         after["options_received"] - before["options_received"], taken)  # fmt: skip
    refusals_match("TCP, segments again", before, after, {})


def acknowledgements(lab, attacks, count):
    """Options on pure ACKs, of which a read may find one or not: only authentic ones count."""
    lab.turn(b"")
    before = lab.end(True)
    kinds = [attacks.forged, attacks.flipped, attacks.sealed_elsewhere]
    for i in range(count):
        headers = for_tcp(kinds[i % len(kinds)]()[0])
        lab.turn(change=lambda packet, headers=headers: [
            with_headers(packet, b""), with_headers(pure_ack_behind(packet), headers)])  # fmt: skip
    lab.turn(b"")
    after = lab.end(True)
    unmoved("TCP, on pure ACKs", before, after)
    refused = {n: after[n] - before[n] for n in REFUSALS if after[n] != before[n]}
    check("TCP, on pure ACKs: refused, if found", set(refused) <= {"auth_failures"}
          and sum(refused.values()) <= count, refused)  # fmt: skip


def scarce(lab):
    """Where the socket's memory is used up, an option that was set is cleared all the same."""
    setting = "/proc/sys/net/core/optmem_max"
    inside = ("ip", "netns", "exec", lab.args.client_ns, "sh", "-c")
    usual = int(lab.world.run(*inside, "cat " + setting))
    left = []
    lab.world.run(*inside, "echo %d >%s" % (SCARCE, setting))
    lab.client.again() # on a connection that had an option before, there is room for a clear one
    lab.link.passed()
    for _ in range(5):
        time.sleep(PACE_S)
        left.append(int(lab.client.tell("bare").split()[1]))
    lab.world.run(*inside, "echo %d >%s" % (usual, setting))
    passed = lab.link.passed()
    check("TCP, short of memory: options are attached", passed, len(passed))
    same("TCP, short of memory: what a send leaves on the socket", left, [0] * len(left))


def large(lab):
    """An honest option at the end of a header as large as the kernel takes."""
    option, before = lab.stolen_option(), lab.end(True)
    beside = [tlv(bytes(LARGE[1]), 0x1E)] * LARGE[0]
    lab.turn(header(beside + [option]))
    after = lab.end(True)
    same("TCP, in a large header: the option is taken",
         after["options_received"] - before["options_received"], 1)  # fmt: skip
    refusals_match("TCP, in a large header", before, after, {})


def fate_of(flipped, bit):
    """What becomes of the header with that bit flipped: the kernel drops the segment, the library
    counts it under a name, takes the option all the same, or sees none; None: that depends on what
    the ciphertext looks like, read as options."""
    octet = bit // 8
    if octet < PAD_AT:
        return "dropped"  # another protocol, or a header that ends elsewhere
    if octet in (PAD_AT, TYPE_AT) and flipped[octet] & 0xC0:
        return "dropped"  # RFC 8200 section 4.2: an unknown type that forbids delivery
    if octet == PAD_AT:
        return "taken"  # a skippable option of no octets, or Pad1 twice
    if octet == PAD_AT + 1:
        return "dropped"  # padding that is not zero
    if octet == TYPE_AT:
        return "none"
    if octet == TYPE_AT + 1:
        return None
    return "bad_version" if octet == CHECKED_AT and bit % 8 < 4 else "auth_failures"


def every_bit(lab):
    """Each bit of a whole header with a good option; those that end the honest options, for the
    segment comes again, last."""
    option = lab.stolen_option()
    whole, cases = bytes([6, 4, 1, 0]) + option, {}
    for bit in range(HEADER_BITS):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 0x80 >> bit % 8
        cases.setdefault(fate_of(flipped, bit), []).append(bytes(flipped))
    give = lambda flipped: lambda packet: [with_headers(packet, flipped)]  # noqa: E731

    for fate, expected in (
        ("auth_failures", None), ("bad_version", None), ("none", {}), (None, None), ("dropped", {}),
    ):  # fmt: skip
        before, alone = lab.end(True), 0
        for flipped in cases[fate]:
            alone += lab.turn(change=give(flipped))
        after, name = lab.end(True), "TCP bits: %d %s" % (len(cases[fate]), fate or "of the length")
        unmoved(name, before, after)
        if expected is None and fate is not None:
            refused_within(name, before, after, {fate: alone}, {fate: len(cases[fate]) - alone})
        elif fate is not None:
            refusals_match(name, before, after, expected)
    before = lab.end(True)
    for flipped in cases["taken"]:
        lab.turn(change=give(flipped))
    after = lab.end(True)
    same("TCP bits: with others in the padding, the option itself is taken once",
         after["options_received"] - before["options_received"], 1)  # fmt: skip


def begin_and_end(lab, attacks):
    """Options on SYN and FIN."""
    for flag, name in (SYN, "SYN"), (FIN, "FIN"):
        headers = for_tcp(attacks.forged()[0])
        give = lambda packet, headers=headers: [with_headers(packet, headers)]  # noqa: E731
        lab.link.once = (has_flag(flag), give)
        lab.client.again()
        check("TCP, on a %s: it was there" % name, lab.link.once is None)
        for _ in range(4):
            lab.turn()
        same("TCP, on a %s: refused" % name, [lab.end(True)[n] for n in REFUSALS],
             [0] * len(REFUSALS))  # fmt: skip


def forged_reply(packet, identifier, number, headers):
    """An echo reply as the server's kernel would send it; PACKET is a true one."""
    rest = b"\x81\0\0\0" + make_echo(identifier, number)[4:]
    bare = packet[:4] + struct.pack(">H", len(rest)) + b"\x3a" + packet[7:IPV6] + rest
    rest = rest[:2] + struct.pack(">H", checksum(bare, rest)) + rest[4:]
    return with_headers(bare[:IPV6] + rest, for_tcp(headers, socket.IPPROTO_ICMPV6))


def is_reply(packet, up):
    kind, rest = transport_of(packet)
    return not up and kind == socket.IPPROTO_ICMPV6 and rest[0] == 129


def echo_flow(lab):
    return lab.world.flow(lab.args.client_agent, lab.client.identifier)


def replies(lab, attacks, luck):
    """Guessed and known identifiers and numbers, with and without options, none of them of a
    request that waits."""
    kinds = [attacks.forged, attacks.flipped, attacks.truncated, attacks.versioned,
             attacks.other_format, attacks.repeated, attacks.foreign]  # fmt: skip
    true = []
    for _ in range(5):
        lab.link.once = (is_reply, lambda packet: true.append(packet) or [packet])
        lab.client.tell("ping")
        time.sleep(PACE_S)
    before, expected, own, true_replies = echo_flow(lab), {}, lab.client.identifier, 0
    check("ICMPv6: options are attached", before["options_sent"] > 0, before["options_sent"])
    for i in range(GUESSES):
        headers, counter = kinds[i % len(kinds)]()
        known = i % 2 == 0
        identifier = own if known else luck.choice([n for n in range(1 << 16) if n != own])
        if known and counter is not None:
            expected[counter] = expected.get(counter, 0) + 1
        number = luck.randrange(lab.client.serial + GUESSES, 1 << 16)
        lab.link.inject_down(forged_reply(true[-1], identifier, number, headers))
        lab.link.inject_down(forged_reply(true[-1], own, max(0, lab.client.serial - i), b""))
        if i % BATCH == BATCH - 1:
            lab.client.tell("ping")
            true_replies += 1
    after = echo_flow(lab)
    refusals_match("ICMPv6, forged replies", before, after, expected)
    unmoved("ICMPv6, forged replies", before, after)
    totals = samples_of(after, "total_delay") - samples_of(before, "total_delay")
    same("ICMPv6, forged replies: totals, of the true ones alone", totals, true_replies)


def parse_arguments():
    parser = argparse.ArgumentParser()
    for name in ("key", "pdmctl", "client-ns", "server-ns", "client-agent", "server-agent",
                 "library"):  # fmt: skip
        parser.add_argument("--" + name, required=True)
    for name in "port", "count":
        parser.add_argument("--" + name, type=int, required=True)
    parser.add_argument("client")
    parser.add_argument("server")
    return parser.parse_args()


def attacks_on(lab, honest, up):
    """The keys are of this connection under another secret, and another's."""
    args, suite = lab.args, pdm.Suite()

    def tuple_of(port):
        ends = (args.client, port, args.server, args.port)
        return pdm.tuple_bytes(*(ends if up else ends[2:] + ends[:2]), 6)

    here, there = tuple_of(lab.client.port), tuple_of(lab.client.port ^ 1)
    return StreamAttacks(
        args.count, honest, pdm.derive(suite, read_key_file(args.key), there, 0),
        pdm.derive(suite, bytes(32), here, 0),
    )  # fmt: skip


def main():
    if sys.argv[1:2] == ["talk"]:
        return talk(*sys.argv[2:])
    args = parse_arguments()
    lab = Lab(args)
    honest = begin(lab)
    attacks = attacks_on(lab, honest[True], True)
    flood(lab, attacks, args.count, True)
    flood(lab, attacks_on(lab, honest[False], False), args.count // 4, False)
    repeats(lab)
    large(lab)
    acknowledgements(lab, attacks, args.count // 4)
    replies(lab, attacks, random.Random(args.count))
    begin_and_end(lab, attacks)
    scarce(lab)
    every_bit(lab)
    lab.client.process.stdin.close()
    same("TCP: the honest end ends well", lab.client.process.wait(ANSWER_S), 0)
    return 1 if hostile.failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Lost as error:
        check("run", False, error)
        sys.exit(1)
