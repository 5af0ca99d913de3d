# SPDX-License-Identifier: BSD-2-Clause
"""Hostile options into the flow of an honest program; run by test_hostile.sh.

    hostile.py --port PORT --count N --key FILE --pdmctl FILE --linksim FILE --link SOCKET
               --link-net FILE --client-agent SOCKET --server-agent SOCKET
               --mixed N --ordinary-port PORT CLIENT SERVER

Two sockets in one process: an ordinary one, connected to an echo server and measured by the
preloaded library, and a raw one that sends whatever it likes in the name of the first. A window of
unanswered packets keeps the queues short, so that nothing is lost unseen and counts are exact.
One line per check; exits 1 if one failed.
"""
import argparse
import json
import os
import random
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "witness"))

import pdm_option as pdm  # noqa: E402
from capture import parse_packet  # noqa: E402
from pdm_witness import Witness, read_key_file  # noqa: E402

WINDOW = 32
ANSWER_S = 5.0
SILENCE_S = 0.3
HONEST = 2500  # before the attack: more than the replay window of 1024
OLD, RECENT = 1000, 900  # of them: the first are behind the window, the last within it
PER_KRI = 32767  # options: 2^15 - 1 random numbers
HONEST_SHARE = 10  # in the mixed part, one packet in so many is honest
ETH_P_ALL, ETH_P_IPV6 = 0x0003, 0x86DD
OPTION_BITS = pdm.AAD_LEN * 8 + (pdm.PLAINTEXT_LEN + pdm.TAG_LEN) * 8
KNOWN_LENGTHS = (pdm.LEN_RFC8250, pdm.LEN_PLAIN, pdm.LEN_ENCRYPTED)
REFUSALS = (
    "auth_failures", "malformed", "bad_version", "repeated", "wrong_format", "duplicates",
    "outside_window",
)  # fmt: skip
UNMOVED = (
    "network_delay", "server_delay", "options_received", "lost", "reordered", "overlapped",
    "negative", "imprecise", "unstamped", "peer_kri",
)  # fmt: skip

failures = 0


def check(name, good, detail=""):
    global failures
    failures += not good
    print("%-4s %s%s" % ("ok" if good else "FAIL", name, ": %s" % detail if detail != "" else ""))


def same(name, found, expected):
    check(name, found == expected, found if found == expected else "%s, not %s" % (found, expected))


class Lost(Exception):
    """An answer did not come."""


# --- packets ---


def padding(size):
    """PadN as Linux accepts it: at most 7 octets in a row, zeros (RFC 8200 section 4.2)."""
    return b"" if size == 0 else b"\x00" if size == 1 else bytes([1, size - 2]) + bytes(size - 2)


def header(options, lead=2, following=socket.IPPROTO_UDP):
    """A well-formed Destination Options header around any options."""
    body = padding(lead) + b"".join(options)
    body += padding(-(len(body) + 2) % 8)
    return bytes([following, (len(body) + 2) // 8 - 1]) + body


def tlv(data, option_type=pdm.OPTION_TYPE):
    return bytes([option_type, len(data)]) + data


class Forger:
    """Makes whole IPv6 packets in the name of one UDP flow."""

    def __init__(self, src, sport, dst, dport):
        self.addresses = socket.inet_pton(socket.AF_INET6, src) + socket.inet_pton(
            socket.AF_INET6, dst
        )
        self.ports = struct.pack(">HH", sport, dport)
        self.to = (dst, 0)
        self.raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)

    def packet(self, headers, payload):
        size = 8 + len(payload)
        udp = self.ports + struct.pack(">HH", size, 0) + payload
        pseudo = self.addresses + struct.pack(">LL", size, socket.IPPROTO_UDP) + udp
        pseudo += b"\0" * (len(pseudo) % 2)
        total = sum(struct.unpack(">%dH" % (len(pseudo) // 2), pseudo))
        total = (total & 0xFFFF) + (total >> 16)
        total = ~(total + (total >> 16)) & 0xFFFF
        body = headers + udp[:6] + struct.pack(">H", total or 0xFFFF) + payload
        following = socket.IPPROTO_DSTOPTS if headers else socket.IPPROTO_UDP
        return struct.pack(">LHBB", 6 << 28, len(body), following, 64) + self.addresses + body

    def send(self, packet):
        self.raw.sendto(packet, self.to)


class Tap:
    """Sees the packets of this end's interface."""

    def __enter__(self):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.socket.bind(("pdm0", ETH_P_ALL))
        self.socket.settimeout(ANSWER_S)
        return self

    def __exit__(self, *_):
        self.socket.close()

    def next(self, payload, kind=socket.PACKET_OUTGOING):
        """The packet with that payload."""
        while True:
            octets, where = self.socket.recvfrom(2048)
            if where[2] != kind or where[1] != ETH_P_IPV6:
                continue
            packet = parse_packet(0, octets)
            if packet is not None and packet.payload == payload:
                return packet


def option_of(packet):
    found = [o for h in packet.dstopts for o in pdm.find_options(h)]
    return found[0] if found else None


# --- the two ends ---


class Line:
    """The honest socket, and what is unanswered of all that was sent in its name."""

    def __init__(self, args, port):
        self.socket = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self.socket.bind((args.client, 0))
        self.socket.connect((args.server, port))
        self.socket.settimeout(ANSWER_S)
        self.port = self.socket.getsockname()[1]
        self.forger = Forger(args.client, self.port, args.server, port)
        self.serial = 0
        self.waiting = set()

    def payload(self):
        self.serial += 1
        return b"payload %012d" % self.serial

    def take(self):
        try:
            answer = self.socket.recv(2048)
        except TimeoutError:
            raise Lost("%d packets went unanswered" % len(self.waiting)) from None
        if answer not in self.waiting:
            raise Lost("an answer to nothing that was sent: %r" % answer)
        self.waiting.remove(answer)

    def room(self):
        while len(self.waiting) >= WINDOW:
            self.take()

    def drain(self):
        while self.waiting:
            self.take()

    def hostile(self, headers):
        self.room()
        payload = self.payload()
        self.waiting.add(payload)
        self.forger.send(self.forger.packet(headers, payload))

    def honest(self, answered=True):
        """Sends an ordinary datagram, and waits for the answer; returns the payload."""
        self.drain()
        payload = self.payload()
        self.socket.send(payload)
        if answered:
            self.waiting.add(payload)
            self.drain()
        return payload

    def honest_many(self, count):
        for _ in range(count):
            self.room()
            payload = self.payload()
            self.waiting.add(payload)
            self.socket.send(payload)
        self.drain()

    def unanswered(self, headers):
        """True if the packet was not answered at all."""
        self.drain()
        payload = self.payload()
        self.forger.send(self.forger.packet(headers, payload))
        self.socket.settimeout(SILENCE_S)
        try:
            return self.socket.recv(2048) != payload
        except (TimeoutError, OSError):
            return True
        finally:
            self.socket.settimeout(ANSWER_S)


class World:
    def __init__(self, args):
        self.args = args
        self.environment = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}

    def run(self, *command):
        return subprocess.run(
            command, env=self.environment, stdout=subprocess.PIPE, check=True, text=True
        ).stdout

    def flow(self, agent, port):
        """The agent's record of the honest flow."""
        for line in self.run(self.args.pdmctl, "-j", "-s", agent, "flows").splitlines():
            flow = json.loads(line)
            ends = flow["local"] + flow["peer"]
            if "]:%d" % port in ends and flow["options_sent"] > 0:
                return flow
        raise Lost("the agent knows no flow of port %d" % port)

    def server(self, line):
        return self.flow(self.args.server_agent, line.port)

    def client(self, line):
        return self.flow(self.args.client_agent, line.port)

    def link(self, *command):
        # The link answers to a socket of its own network namespace.
        inside = ("nsenter", "--net=" + self.args.link_net)
        return self.run(*inside, self.args.linksim, "--ctl", self.args.link, *command)

    def entered(self, direction):
        stats = dict(line.split() for line in self.link("stats").splitlines())
        return int(stats[direction + "_entered"])


# --- the kinds of attack: each gives headers and the counter that they belong to ---


class Attacks:
    def __init__(self, seed, honest, keys, wrong):
        self.luck = random.Random(seed)
        self.honest = honest  # options that were received, oldest first
        self.keys = keys  # a key of another flow under the right secret
        self.wrong = wrong  # the key of this flow under another secret

    def lead(self):
        return self.luck.randrange(6)

    def random_option(self):
        prseq, f = self.luck.getrandbits(15), self.luck.getrandbits(1)
        clear = pdm.clear_part(pdm.LEN_ENCRYPTED, prseq, f)
        return clear + self.luck.randbytes(pdm.PLAINTEXT_LEN + pdm.TAG_LEN)

    def random_fields(self):
        r = self.luck.getrandbits
        return pdm.Fields(r(6), r(6), r(32), r(16) or 1, r(16), r(16), r(16))

    def forged(self):
        return header([self.random_option()], self.lead()), "auth_failures"

    def sealed_elsewhere(self):
        key = self.luck.choice((self.keys, self.wrong))
        prseq = self.luck.randrange(1, 1 << 15)
        option = pdm.seal_option(pdm.Suite(), key, self.random_fields(), prseq)
        return header([option], self.lead()), "auth_failures"

    def flipped(self):
        option = bytearray(self.luck.choice(self.honest))
        for bit in self.luck.sample(range(20, OPTION_BITS), self.luck.randrange(1, 4)):
            option[bit // 8] ^= 0x80 >> bit % 8
        return header([bytes(option)], self.lead()), "auth_failures"

    def spliced(self):
        a, b = self.luck.sample(self.honest, 2)
        cut = self.luck.randrange(pdm.AAD_LEN, 36 - 8)
        return header([a[:cut] + b[cut:]], self.lead()), "auth_failures"

    def truncated(self):
        size = self.luck.choice([n for n in range(pdm.LEN_ENCRYPTED) if n not in KNOWN_LENGTHS])
        option = self.luck.choice(self.honest)[2 : 2 + size]
        return header([tlv(option)], self.lead()), "malformed"

    def lengthened(self):
        size = self.luck.randrange(pdm.LEN_ENCRYPTED + 1, 250)
        option = self.luck.choice(self.honest)[2:] + self.luck.randbytes(size - pdm.LEN_ENCRYPTED)
        return header([tlv(option)], self.lead()), "malformed"

    def versioned(self):
        version = self.luck.choice([v for v in range(16) if v != pdm.VERSION])
        size = self.luck.choice((pdm.LEN_PLAIN, pdm.LEN_ENCRYPTED))
        option = bytearray(self.luck.choice(self.honest)[2 : 2 + size])
        option[0] = version << 4 | option[0] & 0x0F
        return header([tlv(bytes(option))], self.lead()), "bad_version"

    def other_format(self):
        if self.luck.getrandbits(1):
            option = pdm.rfc8250_option(self.random_fields())
        else:
            option = pdm.plain_option(self.random_fields(), self.luck.getrandbits(15))
        return header([option], self.lead()), "wrong_format"

    def repeated(self):
        options = [self.luck.choice(self.honest), self.random_option()]
        self.luck.shuffle(options)
        return header(options, self.lead()), "repeated"

    def repeated_in_two_headers(self):
        first = header([self.random_option()], self.lead(), socket.IPPROTO_DSTOPTS)
        return first + header([self.luck.choice(self.honest)], self.lead()), "repeated"

    def duplicated(self):
        return header([self.luck.choice(self.honest[-RECENT:])], self.lead()), "duplicates"

    def replayed(self):
        return header([self.luck.choice(self.honest[:OLD])], self.lead()), "outside_window"

    def foreign(self):
        """Options of another type are none of ours: no counter."""
        return header([tlv(self.luck.randbytes(self.luck.randrange(40)), 0x1E)], self.lead()), None

    def padding_only(self):
        return header([], 6), None

    def every(self):
        return [
            self.forged, self.sealed_elsewhere, self.flipped, self.spliced, self.truncated,
            self.lengthened, self.versioned, self.other_format, self.repeated,
            self.repeated_in_two_headers, self.duplicated, self.replayed, self.foreign,
            self.padding_only,
        ]  # fmt: skip

    def lasting(self):
        """Those that stay what they are while honest options move the window on."""
        return [kind for kind in self.every() if kind != self.duplicated]


def moved(before, after):
    return {name: after[name] - before[name] for name in REFUSALS if after[name] != before[name]}


def unmoved(name, before, after):
    changed = [n for n in UNMOVED if before[n] != after[n]]
    check("%s: no metric of the flow moved" % name, not changed, " ".join(changed))


def refusals_match(name, before, after, expected):
    found = moved(before, after)
    for counter in sorted(set(found) | set(expected)):
        same("%s: %s" % (name, counter), found.get(counter, 0), expected.get(counter, 0))


# --- the parts ---


def honest_start(line):
    """Gets the flow going; returns its options, oldest first, all received by the server."""
    for _ in range(20):
        line.honest()
        time.sleep(0.02)
    options = []
    with Tap() as tap:
        for _ in range(HONEST):
            option = option_of(tap.next(line.honest()))
            if option is not None:
                options.append(option)
    return options


def last_named(witness, line):
    """PSNLR of the server's answer to a datagram without an option."""
    with Tap() as tap:
        line.hostile(b"")
        payload = next(iter(line.waiting))
        line.drain()
        packet = tap.next(payload, socket.PACKET_HOST)
    return witness.decode(packet)["psnlr"]


def flood(world, line, attacks, count, witness):
    before, named = world.server(line), last_named(witness, line)
    world.link("reset")
    kinds, expected = attacks.every(), {}
    began, started = time.monotonic(), line.serial
    for i in range(count):
        headers, counter = kinds[i % len(kinds)]()
        if counter is not None:
            expected[counter] = expected.get(counter, 0) + 1
        line.hostile(headers)
    line.drain()
    spent = time.monotonic() - began
    after, answers = world.server(line), world.entered("down")
    sent = line.serial - started
    check("flood: every payload was delivered", sent == count, "%d in %.1f s" % (sent, spent))
    same("flood: nothing was sent back but the server's own answers", answers, count)
    refusals_match("flood", before, after, expected)
    unmoved("flood", before, after)
    same("flood: the server still names the last honest packet", last_named(witness, line), named)


def mixed(world, line, attacks, count):
    before, client_before = world.server(line), world.client(line)
    kinds, expected, honest = attacks.lasting(), {}, 0
    for i in range(count):
        if i % HONEST_SHARE == 0:
            line.honest()
            honest += 1
        headers, counter = kinds[i % len(kinds)]()
        if counter is not None:
            expected[counter] = expected.get(counter, 0) + 1
        line.hostile(headers)
    line.drain()
    after, client = world.server(line), world.client(line)
    refusals_match("mixed", before, after, expected)
    same("mixed: honest options", after["options_received"] - before["options_received"], honest)
    same("mixed: lost and reordered", [after[n] - before[n] for n in ("lost", "reordered")], [0, 0])
    for name, old, new in ("server", before, after), ("client", client_before, client):
        samples = new["network_delay"]["samples"] - old["network_delay"]["samples"]
        check("mixed: network samples at the %s" % name, samples >= honest * 0.9,
              "%d of %d honest packets" % (samples, honest))  # fmt: skip
    same("mixed: refused by the client", [client[n] for n in REFUSALS], [0] * len(REFUSALS))


def lost_option(world, line):
    """An honest option that the server never saw."""
    world.link("set", "up", "loss=100")
    with Tap() as tap:
        option = option_of(tap.next(line.honest(answered=False)))
    world.link("set", "up", "loss=0")
    return option


def expected_of_bit(bit):
    if bit < 8:
        return None  # another type: nothing of ours
    if bit < 16:
        return "malformed"  # a length of no format
    return "bad_version" if bit < 20 else "auth_failures"


def flip(option, bit):
    flipped = bytearray(option)
    flipped[bit // 8] ^= 0x80 >> bit % 8
    if 8 <= bit < 16:
        # In a header that is whole: else the kernel would drop the packet.
        flipped = flipped[:2] + (bytes(flipped[2:]) + bytes(256))[: flipped[1]]
    return bytes(flipped)


def every_bit(world, line):
    """Each bit of an option that is good: the last step shows that it was."""
    option, before = lost_option(world, line), world.server(line)
    expected, kernel = {}, []
    for bit in range(OPTION_BITS):
        flipped, counter = flip(option, bit), expected_of_bit(bit)
        if flipped[0] & 0xC0:
            kernel.append(flipped)  # RFC 8200 section 4.2: an unknown type that forbids delivery
            continue
        if counter is not None:
            expected[counter] = expected.get(counter, 0) + 1
        line.hostile(header([flipped]))
    line.drain()
    after = world.server(line)
    same("bits: flipped in turn, refused or none of ours", OPTION_BITS - len(kernel), 286)
    refusals_match("bits", before, after, expected)
    unmoved("bits", before, after)
    line.hostile(header([option]))
    line.drain()
    taken = world.server(line)["options_received"] - after["options_received"]
    same("bits: the option itself is taken", taken, 1)
    return kernel


def kernels_own(world, line, ordinary, kernel, attacks):
    """What the kernel drops before any program sees it, with the library as without."""
    overrun = bytearray(header([attacks.random_option()]))
    overrun[5] += 8
    cases = [header([option]) for option in kernel] + [bytes(overrun)]
    before = world.server(line)
    for name, to in ("with the library", line), ("without", ordinary):
        dropped = sum(to.unanswered(case) for case in cases)
        same("dropped by the kernel, %s" % name, dropped, len(cases))
    after = world.server(line)
    refusals_match("dropped by the kernel", before, after, {})
    unmoved("dropped by the kernel", before, after)


def next_kri(world, line, options):
    """Replays under a Kri that is still live, but no longer in use."""
    first = world.server(line)["peer_kri"]
    line.honest_many(PER_KRI + PER_KRI // 10)
    before = world.server(line)
    same("next Kri: in use", before["peer_kri"], first + 1)
    for option in options:
        line.hostile(header([option]))
    line.drain()
    after = world.server(line)
    refusals_match("next Kri", before, after, {"outside_window": len(options)})
    unmoved("next Kri", before, after)


def parse_arguments():
    parser = argparse.ArgumentParser()
    for name in "key", "pdmctl", "linksim", "link", "link-net", "client-agent", "server-agent":
        parser.add_argument("--" + name, required=True)
    for name in "port", "ordinary-port", "count", "mixed":
        parser.add_argument("--" + name, type=int, required=True)
    parser.add_argument("client")
    parser.add_argument("server")
    return parser.parse_args()


def main():
    args = parse_arguments()
    world, line, ordinary = World(args), Line(args, args.port), Line(args, args.ordinary_port)
    psk = read_key_file(args.key)
    elsewhere = pdm.tuple_bytes(args.client, line.port ^ 1, args.server, args.port, 17)
    here = pdm.tuple_bytes(args.client, line.port, args.server, args.port, 17)
    suite = pdm.Suite()

    options = honest_start(line)
    check("start: honest options", len(options) >= HONEST * 0.95, len(options))
    attacks = Attacks(
        args.count, options, pdm.derive(suite, psk, elsewhere, 0),
        pdm.derive(suite, bytes(32), here, 0),
    )  # fmt: skip
    flood(world, line, attacks, args.count, Witness(psk))
    kernel = every_bit(world, line)
    kernels_own(world, line, ordinary, kernel, attacks)
    mixed(world, line, attacks, args.mixed)
    next_kri(world, line, options)
    return 1 if failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Lost as error:
        check("run", False, error)
        sys.exit(1)
