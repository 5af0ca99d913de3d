#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Holds what a TCP client's library measured against the truth of two captures.

    tcp_check.py turns LABEL DIRECTORY --plan PLAN --count N [--sizes SIZES] [--network SHARE]
                 [--server SHARE] [--key FILE] [--tls] [--paced]
    tcp_check.py total LABEL FILE --least MS

DIRECTORY holds client.pcap, server.pcap and out, what tests/apps/turns.py ask printed. `turns`: of
the exchanges whose request's size is in SIZES (default: all), a share of at least so much has a
network and a server sample (default: none need have one); their median errors are at most 0.5 ms,
and no sample of any exchange is off by more than 5 ms. Options are on segments with data alone (the
kernel may put one on an acknowledgement that it sends at the same moment, too), on none that was
sent before, on no SYN, from the end that connected not more often than every 10 ms; each one opens,
and each that the library counts as sent was (but not in a --paced run).

`total`: FILE is what `pdmctl -j flows` showed; the longest total delay is at least so much.
"""
import argparse
import json
import os
import statistics
import struct
from collections import defaultdict

import probes
from truth_check import MEDIAN_MAX, MS, WORST_MAX, demand, run_check

import pdm_option as pdm  # noqa: E402, found by way of probes
import pdm_witness  # noqa: E402

TCP = 6
SYN = 2
SEQUENCES = 2**32
INTERVAL_MIN = 9_900_000  # 10 ms, but for the time from the decision to the wire
TLS_HEADER, TLS_APPLICATION, TLS_MORE = 5, 23, 17  # more: the content's type and the tag


class Segment:
    def __init__(self, packet):
        self.time, self.packet = packet.time_ns, packet
        self.sequence, _, offset, self.flags = struct.unpack_from(">IIBB", packet.transport, 4)
        self.data = packet.transport[(offset >> 4) * 4 :]
        self.has_option = any(pdm.find_options(h, pdm.OPTION_TYPE) for h in packet.dstopts)


class Stream:
    """One direction of a connection as one capture shows it."""

    def __init__(self):
        self.segments, self.start, self.high = [], None, 0

    def add(self, segment):
        if segment.flags & SYN:
            self.start = segment.sequence + 1
        at = (segment.sequence - (self.start or 0)) % SEQUENCES
        at -= SEQUENCES if at > SEQUENCES // 2 else 0
        segment.first, segment.end = at, at + len(segment.data)
        segment.again = bool(segment.data) and at < self.high
        if segment.data:
            self.high = max(self.high, segment.end)
        self.segments.append(segment)

    def octets(self):
        """All of it, from the segments in the order of their octets."""
        whole = bytearray(self.high)
        for segment in self.segments:
            whole[max(0, segment.first) : max(0, segment.end)] = segment.data
        return bytes(whole)

    def records(self):
        """(length, end) of each TLS record with application data."""
        octets, at, found = self.octets(), 0, []
        while at + TLS_HEADER <= len(octets):
            kind, _, length = struct.unpack_from(">BHH", octets, at)
            at += TLS_HEADER + length
            if kind == TLS_APPLICATION:
                found.append((length, at))
        return found

    def telling(self, begin, end):
        """Of the message in these octets, the segment with its option, or else its last; as it went
        first."""
        inside = [s for s in self.segments if s.data and begin <= s.first < end and not s.again]
        marked = [segment for segment in inside if segment.has_option]
        last = [segment for segment in self.segments if segment.first < end <= segment.end]
        return (marked or last or [None])[0]


def streams(path, port):
    """{client's port: (up, down)} of a capture."""
    found = defaultdict(lambda: (Stream(), Stream()))
    for packet in probes.capture.packets(path):
        if packet.proto == TCP and port in (packet.sport, packet.dport):
            up = packet.dport == port
            found[packet.sport if up else packet.dport][0 if up else 1].add(Segment(packet))
    return dict(found)


# --- where options are ---


def options_of(stream):
    """Its segments with an option, less acknowledgements that share one with data."""
    found = [segment for segment in stream.segments if segment.has_option]
    with_data = {tuple(segment.packet.dstopts) for segment in found if segment.data}
    return [s for s in found if s.data or tuple(s.packet.dstopts) not in with_data]


def check_places(client, server, key):
    """As each end's own capture shows what it sent. How many options there were up and down."""
    counts = [0, 0]
    witness = pdm_witness.Witness(pdm_witness.read_key_file(key)) if key else pdm_witness.Witness()
    for port in client:
        for way, stream in enumerate((client[port][0], server[port][1])):
            last = None
            for segment in options_of(stream):
                row = witness.decode(segment.packet)
                demand("error" not in row, "an option is refused:", row.get("error"))
                demand(segment.data, "an option on a segment without data")
                demand(not segment.flags & SYN, "an option on a SYN")
                demand(not segment.again, "an option on octets that were sent before")
                demand(
                    way == 1 or last is None or segment.time - last >= INTERVAL_MIN,
                    "two options within %.3f ms" % ((segment.time - (last or 0)) / MS),
                )
                last = segment.time
                counts[way] += 1
    return counts


# --- the truth ---


def messages(plan, count, ports, client, tls):
    """[((begin, end) of the request, of the response)] of each exchange, in its streams' octets."""
    found, ends, records = [], defaultdict(int), {}
    for k in range(count):
        pair = []
        for way, size in enumerate(plan[k % len(plan)][:2]):
            at = (ports[k], way)
            begin = ends[at]
            if tls:
                left = records.setdefault(at, iter(client[ports[k]][way].records()))
                ends[at] = next((end for n, end in left if n == size + TLS_MORE), 0)
                begin = ends[at] - TLS_HEADER - TLS_MORE - int(size)
            else:
                ends[at] += int(size)
            pair.append((begin, ends[at]))
        found.append(pair)
    return found


def crossing(sender, receiver):
    """How long a segment took from one capture to the other."""
    return receiver.time - sender.time


def latest_option(stream, time):
    """Of the segments with an option that came before TIME the last, or None."""
    came = [s for s in stream.segments if s.has_option and s.data and s.time < time]
    return came[-1] if came else None


def exchanges(client, server, found, ports):
    """[(network, server)] of each exchange. The network's is of the segments with options, of which
    the first may be an earlier request's."""
    truths = []
    for port, (request, response) in zip(ports, found):
        asked = server[port][0].telling(*request)
        answered = [side[port][1].telling(*response) for side in (client, server)]
        demand(None not in [asked, *answered], "the captures lack exchange", len(truths))
        named = latest_option(server[port][0], answered[1].time) or asked
        left = client[port][0].telling(named.first, named.end)
        demand(left is not None, "the captures lack octet", named.first)
        network = crossing(left, named) + crossing(answered[1], answered[0])
        truths.append((network, answered[1].time - asked.time))
    return truths


FEW = 6


def judge(name, errors):
    worst = max((abs(e) for e in errors), default=0)
    demand(worst <= WORST_MAX, name, "is off by %.3f ms" % (worst / MS))
    median = statistics.median([abs(e) for e in errors]) if errors else 0
    # Of a few, the one whose sender lost the processor at the wrong moment is the median.
    demand(median <= MEDIAN_MAX or len(errors) < FEW, name, "median error is %.3f ms" % (median / MS))
    return "%s %.3f (worst %.3f, %d)" % (name, median / MS, worst / MS, len(errors))


def read_out(directory, count):
    with open(os.path.join(directory, "out"), encoding="ascii") as source:
        rows = [json.loads(line) for line in source]
    demand(len(rows) == count, "answered:", len(rows), "of", count)
    demand(sum(row.get("auth_failures", 0) for row in rows[-1:]) == 0, "options did not open")
    demand(max((row.get("negative", 0) for row in rows), default=0) == 0, "negative delays")
    return rows


def check_counts(rows, up):
    """What the library counts as sent was on the wire."""
    sent = defaultdict(int)
    for row in rows:
        sent[row["port"]] = max(sent[row["port"]], row.get("options_sent", 0))
    demand(sum(sent.values()) == up, "counts", sum(sent.values()), "options sent, but", up, "were")


def check_turns(args):
    rows = read_out(args.directory, args.count)
    client, server = (
        streams(os.path.join(args.directory, side + ".pcap"), args.port)
        for side in ("client", "server")
    )
    up, down = check_places(client, server, args.key)
    if not args.paced:
        check_counts(rows, up)
    ports = [row["port"] for row in rows]
    found = messages(args.plan, args.count, ports, client, args.tls)
    truths = exchanges(client, server, found, ports)
    sizes = args.sizes or [int(request) for request, _, _ in args.plan]
    expected = [row for row in rows if int(args.plan[row["k"] % len(args.plan)][0]) in sizes]
    words = []
    for which, name, share in ((0, "network", args.network), (1, "server", args.server)):
        have = sum(name in row for row in expected)
        demand(have >= share * len(expected), name, "measured", have, "of", len(expected))
        errors = [row[name] - truths[row["k"]][which] for row in rows if name in row]
        words.append(judge(name, errors))
    return "%s; %d and %d options" % ("; ".join(words), up, down)


def check_total(args):
    with open(args.file, encoding="ascii") as source:
        flows = [json.loads(line) for line in source]
    longest = max((f["total_delay"]["max"] for f in flows if f.get("total_delay")), default=0)
    demand(longest >= args.least * MS, "the longest total delay is %.3f ms" % (longest / MS))
    return "up to %.3f ms" % (longest / MS)


def parse_plan(text):
    return [tuple(float(word) for word in entry.split(":")) for entry in text.split(",")]


def arguments():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    turns = commands.add_parser("turns")
    turns.add_argument("label")
    turns.add_argument("directory")
    turns.add_argument("--port", type=int, required=True)
    turns.add_argument("--plan", type=parse_plan, required=True)
    turns.add_argument("--count", type=int, required=True)
    turns.add_argument("--sizes", type=lambda text: [int(word) for word in text.split(",")])
    turns.add_argument("--network", type=float, default=0)
    turns.add_argument("--server", type=float, default=0)
    turns.add_argument("--key")
    turns.add_argument("--tls", action="store_true")
    turns.add_argument("--paced", action="store_true")
    turns.set_defaults(check=check_turns)
    total = commands.add_parser("total")
    total.add_argument("label")
    total.add_argument("file")
    total.add_argument("--least", type=float, required=True)
    total.set_defaults(check=check_total)
    return parser.parse_args()


if __name__ == "__main__":
    run_check(arguments())
