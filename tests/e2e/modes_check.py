#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Holds what hosts of two organisations saw and held against what their mode of operation says.

    modes_check.py ping LABEL DIRECTORY --network-set MS --server-set MS
    modes_check.py flow LABEL DIRECTORY --client ADDRESS --network-set MS --server-set MS
    modes_check.py options LABEL FORMAT CAPTURE... [--peer ADDRESS]
    modes_check.py who LABEL ROOT CAPTURE... --flow CLIENT,SERVER=HOST,... [--flow ...]
                   --host NAME=ADDRESS [--host ...]
    modes_check.py epochs LABEL TRANSCRIPT CAPTURE... --count N --flows FILE
    modes_check.py confirmed LABEL TRANSCRIPT...
    modes_check.py polled LABEL ROOT HOST... --by HOST,...
    modes_check.py refused LABEL FILE --peer ADDRESS

`ping`: DIRECTORY is what tests/e2e/ping.sh leaves; the delays are the captures'. `flow`: DIRECTORY
has such captures, and as client.json the flow of an unmodified client; likewise. `options`: there
are some, all of FORMAT, or none at all if that is `none`. `who`: prints which host can decrypt
which flow with what it holds, from the transcripts ROOT/HOST/transcript; it must be those HOSTs,
and no other. `epochs`: the options open under N negotiations' secrets, and the flows in FILE lost
none. `confirmed`: the HMACs and what the KEM made are the design's. `polled`: of the HOSTs those
after --by, and no other, asked their primary for a secret. `refused`: of the flows with PEER in
FILE all options were refused. Flows are as `pdmctl -j flows` shows them.
"""
import argparse
import json
import os
import statistics
from collections import Counter

import probes
from truth_check import (
    MEDIAN_MAX,
    MS,
    demand,
    errors_of,
    network_figures,
    run_check,
    server_figures,
)

import holders  # noqa: E402, found by way of probes
import pdm_witness  # noqa: E402
import registration as reg  # noqa: E402

PRIMARIES = ("pc", "ps")
SAMPLES_MIN = 10
OPTIONS_MIN = 10  # of a flow, each way
MEAN_ERROR_MAX = 3 * MS  # one preemption between the stamp and the wire moves a mean by this
LINK_MAX = 15 * MS  # that a loaded machine may add to what the link was set to
MEASURED_SHARE = 0.6


def transcript(root, host):
    return os.path.join(root, host, "transcript")


def packets_of(captures):
    return [packet for path in captures for packet in probes.capture.packets(path)]


# A flow as an agent shows it.


def flows_in(path):
    with open(path, encoding="ascii") as source:
        records = [json.loads(line) for line in source]
    return [record for record in records if record["type"] == "flow"]


def flow_of(path, peer_port):
    found = [f for f in flows_in(path) if f["peer"].endswith("]:%d" % peer_port)]
    demand(len(found) == 1, path, "has", len(found), "flows")
    return found[0]


def true_delays(directory, client):
    """Means, in nanoseconds, of the network's delay and the server's."""
    networks, servers = [], []
    pairs = [
        {
            request.payload: (request, reply)
            for request, reply in probes.truth.pair(probes.capture.packets(path), probes.ECHO_PORT)
            if reply and request.src == client
        }
        for path in (os.path.join(directory, side + ".pcap") for side in ("client", "server"))
    ]
    for payload in pairs[0].keys() & pairs[1].keys():
        total, server = (probes.time_between(side[payload]) for side in pairs)
        networks.append(total - server)
        servers.append(server)
    demand(len(servers) >= SAMPLES_MIN, "only", len(servers), "requests were answered")
    return statistics.mean(networks), statistics.mean(servers)


def judge(name, measured, true, error, error_max, args):
    """What is shown of one delay; beyond what was set, a server may be slow, but the link not."""
    planned = getattr(args, name + "_set") * MS
    demand(error <= error_max, name, "is off by %.3f ms" % (error / MS))
    demand(measured >= planned, name, "is only %.3f ms" % (measured / MS))
    demand(name == "server" or measured <= planned + LINK_MAX, name, "is", measured / MS, "ms")
    return "%s %.3f ms (true %.3f)" % (name, measured / MS, true / MS)


def check_ping(args):
    run, _ = probes.load(args.directory)
    words = []
    for name, figures in (("network", network_figures(run)), ("server", server_figures(run))):
        demand(len(figures) >= MEASURED_SHARE * len(run), "only", len(figures), name, "delays")
        measured, true = (statistics.median(column) for column in zip(*figures))
        error = statistics.median(errors_of(figures))
        words.append(judge(name, measured, true, error, MEDIAN_MAX, args))
    return ", ".join(words)


def check_flow(args):
    flow = flow_of(os.path.join(args.directory, "client.json"), probes.ECHO_PORT)
    demand(flow["protect"] == args.protect, "the flow is", flow["protect"])
    words = []
    for name, true in zip(("network", "server"), true_delays(args.directory, args.client)):
        delay = flow[name + "_delay"] or {"samples": 0}
        demand(delay["samples"] >= SAMPLES_MIN, name, "has only", delay["samples"], "samples")
        error = abs(delay["mean"] - true)
        words.append(judge(name, delay["mean"], true, error, MEAN_ERROR_MAX, args))
    return ", ".join(words)


# Options.


def check_options(args):
    rows = list(pdm_witness.decode_packets(packets_of(args.capture)))
    if args.peer:
        rows = [row for row in rows if args.peer in (row["src"], row["dst"])]
    errors = [row["error"] for row in rows if "error" in row]
    demand(not errors, "an option is malformed:", *errors[:1])
    if args.format == "none":
        demand(not rows, len(rows), "options were attached")
        return "no option attached"
    found = Counter(row["format"] for row in rows)
    demand(set(found) == {args.format}, "options are", dict(found))
    demand(len(rows) >= OPTIONS_MIN, "only", len(rows), "options")
    return "%d options, all %s" % (len(rows), args.format)


# Who can decrypt what.


def holders_of(root, packets, hosts):
    """name -> holder; each primary by its own transcript, each secondary by what it received."""
    found = {}
    for host in PRIMARIES:
        found[host] = holders.Primary(reg.negotiations(transcript(root, host)), packets)
        demand(found[host].negotiations, host, "has negotiated nothing")
    everything = found["pc"]
    for host in hosts:
        if host not in PRIMARIES:
            given = reg.given_to(transcript(root, host), everything.suites)
            found[host] = holders.Secondary(everything, given)
    return found


def rows_of_flow(witness, packets, one, other):
    rows = [witness.decode(p) for p in packets if {p.src, p.dst} == {one, other}]
    rows = [row for row in rows if row is not None]
    for src in (one, other):
        count = sum(row["src"] == src for row in rows)
        demand(count >= OPTIONS_MIN, src, "attached only", count, "options")
    for row in rows:
        demand("kri" in row, "the witness itself cannot open an option:", row.get("error"))
    return rows


def share_opened(holder, rows):
    opener = holders.Opener(holder)
    return sum(opener.opens(row) for row in rows), len(rows)


def verdict(opened, count):
    if opened in (0, count):
        return "can" if opened else "-"
    return "%d of %d" % (opened, count)


def check_who(args):
    hosts = dict(host.split("=") for host in args.host)
    packets = packets_of(args.capture)
    able = holders_of(args.root, packets, hosts)
    witness = holders.HolderWitness(able["pc"])
    flows, columns = [], []
    for flow in args.flow:
        ends, _, expected = flow.partition("=")
        one, other = ends.split(",")
        rows = rows_of_flow(witness, packets, hosts[one], hosts[other])
        flows.append((one, other, len(rows), set(expected.split(","))))
        columns.append({name: verdict(*share_opened(able[name], rows)) for name in hosts})
    print_who(flows, columns, hosts)
    for (one, other, _, expected), column in zip(flows, columns):
        found = {name for name, word in column.items() if word != "-"}
        demand(found == expected, one, other, "is opened by", *sorted(found))
        demand(set(column.values()) <= {"can", "-"}, "one host opens only some options")
    return "; ".join("%s-%s: %s" % (f[0], f[1], " ".join(sorted(f[3]))) for f in flows)


def print_who(flows, columns, hosts):
    heads = ["%s-%s" % flow[:2] for flow in flows]
    print("      %-14s%s" % ("can decrypt", "".join("%10s" % head for head in heads)))
    for name in hosts:
        print("      %-14s%s" % (name, "".join("%10s" % column[name] for column in columns)))
    print("      %-14s%s" % ("of options", "".join("%10d" % flow[2] for flow in flows)))


# Negotiations.


def check_epochs(args):
    packets = packets_of(args.capture)
    witness = holders.HolderWitness(holders.Primary(reg.negotiations(args.transcript), packets))
    found = Counter()
    for packet in packets:
        row = witness.decode(packet)
        if row is not None:
            demand("epoch" in row, "an option cannot be opened:", row.get("error"))
            found[row["epoch"]] += 1
    demand(len(found) == args.count, "options are of epochs", dict(found))
    for flow in flows_in(args.flows):
        for counter in ("lost", "auth_failures"):
            demand(flow[counter] == 0, flow[counter], "options counted as", counter)
    return ", ".join("%d options of epoch %d" % (found[e], e) for e in sorted(found))


def check_confirmed(args):
    counts = [reg.check_confirmed(path) for path in args.transcript]
    demand(sum(counts) > 0, "no primary confirmed anything")
    made = [n for path in args.transcript for n in reg.negotiations(path) if n.decapsulated]
    demand(made, "nobody decapsulated anything")
    return "%d confirmed, %d decapsulated" % (sum(counts), len(made))


def check_polled(args):
    polled = {
        host
        for host in args.host
        if any(m.command == reg.POLL for m in reg.received(transcript(args.root, host)))
    }
    demand(polled == set(args.by.split(",")), "those who polled are", *sorted(polled))
    return " ".join(sorted(polled))


def check_refused(args):
    flows = [f for f in flows_in(args.flows) if f["peer"].startswith("[%s]" % args.peer)]
    accepted, refused = (
        sum(flow[counter] for flow in flows) for counter in ("options_received", "auth_failures")
    )
    demand(refused > 0, "none was looked at")
    demand(accepted == 0, accepted, "were accepted")
    return "%d of them" % refused


def arguments():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)

    def command(name, check, *words):
        one = commands.add_parser(name)
        one.add_argument("label")
        for word in words:
            one.add_argument(word)
        one.set_defaults(check=check)
        return one

    ping = command("ping", check_ping, "directory")
    flow = command("flow", check_flow, "directory")
    flow.add_argument("--client", required=True)
    flow.add_argument("--protect", default="encrypted")
    for one in (ping, flow):
        one.add_argument("--network-set", type=float, required=True)
        one.add_argument("--server-set", type=float, required=True)
    options = command("options", check_options, "format")
    options.add_argument("capture", nargs="+")
    options.add_argument("--peer")
    who = command("who", check_who, "root")
    who.add_argument("capture", nargs="+")
    who.add_argument("--flow", action="append", required=True)
    who.add_argument("--host", action="append", required=True)
    epochs = command("epochs", check_epochs, "transcript")
    epochs.add_argument("capture", nargs="+")
    epochs.add_argument("--count", type=int, required=True)
    epochs.add_argument("--flows", required=True)
    confirmed = command("confirmed", check_confirmed)
    confirmed.add_argument("transcript", nargs="+")
    polled = command("polled", check_polled, "root")
    polled.add_argument("host", nargs="+")
    polled.add_argument("--by", required=True)
    refused = command("refused", check_refused, "flows")
    refused.add_argument("--peer", required=True)
    return parser.parse_args()


if __name__ == "__main__":
    run_check(arguments())
