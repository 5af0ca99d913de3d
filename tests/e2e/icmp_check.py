#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Holds what the agents show of raw sockets' flows against captures of the same run.

    icmp_check.py delays LABEL DIRECTORY [--proto N] [--total-alone] [--server-at-least MS]
    icmp_check.py options LABEL CAPTURE FORMAT [--key FILE]
    icmp_check.py flows LABEL FILE IDENTIFIER... --total-at-least MS

`delays`: DIRECTORY holds client.pcap, server.pcap and polls, lines of "BEFORE AFTER FLOW": when the
client's agent was asked, when it answered, its one flow as `pdmctl -j flows` shows it.
`options`: every echo of the capture that has an option is decoded without the product's code, no
key stream is used twice, and the server's DELTATLR is the time that the capture, made there, shows.
`flows`: as many as identifiers, each with its own and of a process of its own.
"""
import argparse
import collections
import json
import os
import statistics

import probes
from truth_check import MEDIAN_MAX, MS, demand, run_check

import pdm_witness  # noqa: E402, found by way of probes

ICMPV6 = 58
ECHO_REQUEST, ECHO_REPLY = 128, 129
CLIENT = "2001:db8:1::1"
LEAST = 10  # replies of a run that a poll must have told of
SETTLED_NS = MS  # a reply so shortly before a poll may not be read yet

Exchange = collections.namedtuple("Exchange", "asked answered")


def key_of(packet, proto):
    """What a request and its reply have in common; None if it is neither."""
    if packet is None or packet.proto != proto or len(packet.transport) < 8:
        return None
    if proto != ICMPV6:
        return packet.transport[:8]
    return packet.transport[4:8] if packet.transport[0] in (ECHO_REQUEST, ECHO_REPLY) else None


def exchanges(path, proto):
    """{key: Exchange} of what was answered; of duplicates the first counts."""
    asked, found = {}, {}
    for packet in probes.capture.packets(path):
        key = key_of(packet, proto)
        if key is None:
            continue
        if packet.src == CLIENT:
            asked.setdefault(key, packet.time_ns)
        elif key in asked:
            found.setdefault(key, Exchange(asked[key], packet.time_ns))
    return found


def truths(directory, proto):
    """(arrival of the reply, {delay: truth}) of each exchange, in that order."""
    at_client = exchanges(os.path.join(directory, "client.pcap"), proto)
    at_server = exchanges(os.path.join(directory, "server.pcap"), proto)
    rows = []
    for key, (asked, answered) in at_client.items():
        if key in at_server:
            total, server = answered - asked, at_server[key].answered - at_server[key].asked
            truth = {"total_delay": total, "server_delay": server, "network_delay": total - server}
            rows.append((answered, truth))
    return sorted(rows, key=lambda row: row[0])


def nanoseconds(seconds):
    whole, part = seconds.split(".")
    return int(whole) * 10**9 + int(part.ljust(9, "0"))


def read_polls(path):
    with open(path, encoding="ascii") as source:
        for line in source:
            before, after, flow = line.split(" ", 2)
            if flow.strip():
                yield nanoseconds(before), nanoseconds(after), json.loads(flow)


def measured(polls, rows, name):
    """(measured, true) of one delay. Which reply the latest sample is of, its number tells, once a
    poll that no reply came close to has shown how many replies made none."""
    pairs, without, samples = [], None, 0
    for before, after, flow in polls:
        delay = flow[name]
        if delay is None:
            continue
        came = sum(row[0] < before - SETTLED_NS for row in rows)
        if came == sum(row[0] < after for row in rows):
            without = came - delay["samples"]
        if without is not None and delay["samples"] > samples:
            at = min(delay["samples"] - 1 + without, len(rows) - 1)
            pairs.append((delay["last"], rows[at][1][name]))
        samples = delay["samples"]
    return pairs


def median_error(name, pairs):
    demand(len(pairs) >= LEAST, name, "told for only", len(pairs), "replies")
    median = statistics.median(abs(figure - true) for figure, true in pairs)
    demand(median <= MEDIAN_MAX, name, "median error is %.3f ms" % (median / MS))
    return "%s %.3f" % (name.split("_")[0], median / MS)


def check_delays(args):
    rows, polls = truths(args.directory, args.proto), list(read_polls(args.directory + "/polls"))
    demand(polls, "no flow was seen")
    last = polls[-1][2]
    demand(last["total_delay"] is not None, "no total was seen")
    if args.total_alone:
        for name in ("network_delay", "server_delay"):
            demand(last[name] is None, name, "is", last[name])
        demand(last["total_delay"]["samples"] <= len(rows), "more totals than replies")
        return "median error in ms: " + median_error(
            "total_delay", measured(polls, rows, "total_delay")
        )
    names = ("network_delay", "server_delay", "total_delay")
    words = [median_error(name, measured(polls, rows, name)) for name in names]
    least = last["server_delay"]["min"]
    demand(least >= args.server_at_least * MS, "server took %.3f ms once" % (least / MS))
    demand(last["total_delay"]["samples"] <= len(rows), "more totals than replies")
    return "median error in ms: " + ", ".join(words)


def check_sealing(rows):
    names = ("src", "sport", "dst", "dport", "kri", "prseq")
    used = collections.Counter(tuple(row[name] for name in names) for row in rows)
    demand(max(used.values()) == 1, "a PRSEQ is used twice")


def check_options(args):
    key = pdm_witness.read_key_file(args.key) if args.key else None
    rows, arrived, late = [], {}, []
    witness = pdm_witness.Witness(key)
    for packet in probes.capture.packets(args.capture):
        row = witness.decode(packet)
        if row is None:
            continue
        demand("error" not in row, "an option is refused:", row.get("error"))
        demand(row["format"] == args.format, "an option is", row["format"])
        demand(packet.proto == ICMPV6 and packet.transport[0] in (ECHO_REQUEST, ECHO_REPLY),
               "an option beside", packet.proto, packet.transport[:1].hex())  # fmt: skip
        rows.append(row)
        if packet.src == CLIENT:
            arrived[row["psntp"]] = packet.time_ns
        elif row["psnlr"] in arrived:
            late.append(abs(row["delta_tlr_ns"] - (packet.time_ns - arrived[row["psnlr"]])))
    demand(len(late) >= LEAST, "only", len(late), "replies name a request")
    median = statistics.median(late)
    demand(median <= MEDIAN_MAX, "DELTATLR is off by %.3f ms" % (median / MS))
    if key is not None:
        check_sealing(rows)
    return "%d options, DELTATLR's median error %.3f ms" % (len(rows), median / MS)


def check_flows(args):
    with open(args.file, encoding="ascii") as source:
        flows = [json.loads(line) for line in source]
    found = sorted(int(flow["local"].rsplit(":", 1)[1]) for flow in flows)
    demand(found == sorted(args.identifiers), "flows of identifiers", found)
    demand(len({flow["pid"] for flow in flows}) == len(flows), "flows of one process")
    for flow in flows:
        demand(flow["protocol"] == "icmpv6" and flow["peer"].endswith(":0"), flow["peer"])
        total = flow["total_delay"]
        # Two with one identifier see each other's replies, and those that could be either's make none.
        if total is None and len(set(args.identifiers)) < len(args.identifiers):
            continue
        demand(total is not None, "one without a total:", flow["local"])
        demand(total["min"] >= args.total_at_least * MS, "a total of", total["min"])
    return "%d flows" % len(flows)


def arguments():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("delays")
    one.add_argument("label")
    one.add_argument("directory")
    one.add_argument("--proto", type=int, default=ICMPV6)
    one.add_argument("--total-alone", action="store_true")
    one.add_argument("--server-at-least", type=float, default=0)
    one.set_defaults(check=check_delays)
    two = commands.add_parser("options")
    two.add_argument("label")
    two.add_argument("capture")
    two.add_argument("format")
    two.add_argument("--key")
    two.set_defaults(check=check_options)
    three = commands.add_parser("flows")
    three.add_argument("label")
    three.add_argument("file")
    three.add_argument("identifiers", type=int, nargs="+")
    three.add_argument("--total-at-least", type=float, required=True)
    three.set_defaults(check=check_flows)
    return parser.parse_args()


if __name__ == "__main__":
    run_check(arguments())
