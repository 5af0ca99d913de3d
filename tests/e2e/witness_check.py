#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Decrypts every option of a run with the witness and compares with what the agents report.

    witness_check.py volley LABEL DIRECTORY SECRET --kri N --window N
    witness_check.py probes LABEL DIRECTORY SECRET

`volley`: DIRECTORY holds server.pcap of one flow and, as client.json and server.json, its flows as
`pdmctl -j flows` shows them; --kri is how many must be seen each way. `probes`: DIRECTORY is what
tests/e2e/ping.sh leaves. SECRET is what the witness derives all from: `--aead NAME --key FILE`, a
pre-shared key, or `--transcript FILE`, of a primary. --late-share is for how many deltas the
machine may have been late, beside other tests.
"""
import argparse
import bisect
import json
import os
import statistics
from collections import Counter

import probes
from truth_check import MEASURED_SHARE, MEDIAN_MAX, WORST_MAX, demand, run_check

import holders  # noqa: E402, found by way of probes
import pdm_option as pdm  # noqa: E402
import pdm_witness  # noqa: E402
import registration as reg  # noqa: E402

NO_FLOW = ("no-agent", "no-flow")
PRSEQ_VALUES = 2**15 - 1
GLOBAL_POINTER_VALUES = 2**32
EARLY_SHARE = 0.2
LATE_SHARE = 0.001  # of deltas: the machine took the processor away between stamp and wire


class Host:
    """What one host sent on the flow: options in order, and how many packets came before each."""

    def __init__(self, name):
        self.name, self.rows, self.at, self.packets = name, [], [], 0

    def add(self, row):
        self.packets += 1
        if row is not None:
            self.rows.append(row)
            self.at.append(self.packets)

    def column(self, name):
        return [row[name] for row in self.rows]


def witness_of(packets, args):
    if args.transcript:
        primary = holders.Primary(reg.negotiations(args.transcript), packets)
        return holders.HolderWitness(primary)
    suite = pdm.Suite(aead_id=pdm.AEAD_NAMES[args.aead])
    return pdm_witness.Witness(pdm_witness.read_key_file(args.key), suite)


def decode(path, args):
    """(client, server) of a capture; every option must open."""
    packets = list(probes.capture.packets(path))
    witness = witness_of(packets, args)
    client, server = Host("client"), Host("server")
    for packet in packets:
        if packet.proto != 17 or probes.ECHO_PORT not in (packet.sport, packet.dport):
            continue
        row = witness.decode(packet)
        if row is not None:
            demand("error" not in row, "an option is refused:", row.get("error"))
            demand(row["format"] == "encrypted", "an option is", row["format"])
        (client if packet.dport == probes.ECHO_PORT else server).add(row)
    return client, server


def check_kri(host, least, left):
    """Each Kri is higher than the one before and follows when that is used up; no PRSEQ twice.
    A lease that the agent granted too late for its program is burnt, so Kri may be left out. As
    many as LEFT may be left before that: where two hosts agree on a key, crossing pairings do."""
    kris = host.column("kri")
    demand(kris == sorted(kris), host.name, "went back to an earlier Kri")
    used = Counter(kris)
    demand(len(used) >= least, host.name, "used only", len(used), "Kri")
    early = {kri: used[kri] for kri in used.keys() - {kris[-1]} if used[kri] != PRSEQ_VALUES}
    demand(len(early) <= left, host.name, "left Kri after so many:", early)
    demand(
        len(set(zip(kris, host.column("prseq")))) == len(kris),
        host.name, "used a PRSEQ twice",
    )  # fmt: skip
    demand(all(row["f"] == row["kri"] & 1 for row in host.rows), host.name, "f is not Kri mod 2")


def psn_after(psn):
    return 1 if psn == 65535 else psn + 1


def check_sequence(host):
    """PSNTP goes on without a gap, also where the Kri changes."""
    numbers = host.column("psntp")
    for before, after in zip(numbers, numbers[1:]):
        demand(after == psn_after(before), host.name, "PSNTP", after, "after", before)


def check_global_pointer(host):
    """It counts every packet of the flow, with an option or without."""
    pointers = host.column("global_pointer")
    for i in range(1, len(pointers)):
        step = (pointers[i] - pointers[i - 1]) % GLOBAL_POINTER_VALUES
        packets = host.at[i] - host.at[i - 1]
        demand(step == packets, host.name, "Global Pointer", step, "on for", packets, "packets")


def named_rows(host, peer):
    """For each option of HOST the one of PEER that its PSNLR names, or None. Checks that it is one
    that the capture shows before, and that the names never go back."""
    named, seen, latest = [], {}, -1
    arrivals = iter(enumerate(peer.rows))
    index, row = next(arrivals, (None, None))
    for own in host.rows:
        while row is not None and row["time_ns"] <= own["time_ns"]:
            seen[row["psntp"]] = index
            index, row = next(arrivals, (None, None))
        if own["psnlr"] == 0:
            demand(latest == -1, host.name, "forgot what it received")
            demand(own["delta_tlr"] == own["scale_dtlr"] == 0, host.name, "DELTATLR before receipt")
            named.append(None)
            continue
        demand(own["psnlr"] in seen, host.name, "names", own["psnlr"], "which was not yet sent")
        demand(seen[own["psnlr"]] >= latest, host.name, "names an older packet than before")
        latest = seen[own["psnlr"]]
        named.append(peer.rows[latest])
    return named


def judge(name, errors, args):
    errors = sorted(abs(error) for error in errors)
    demand(errors, name, "was never sent")
    median, high = statistics.median(errors), errors[int(len(errors) * (1 - args.late_share))]
    demand(median <= MEDIAN_MAX, name, "is off by", median, "ns in the median")
    demand(high <= WORST_MAX, name, "is off by", high, "ns")


def check_deltas(host, peer, args):
    """The deltas of the host at whose interface the capture was made, against its stamps."""
    sends = host.column("time_ns")
    received, sent = [], []
    for own, named in zip(host.rows, named_rows(host, peer)):
        if named is None:
            continue
        received.append(own["delta_tlr_ns"] - (own["time_ns"] - named["time_ns"]))
        before = bisect.bisect_right(sends, named["time_ns"])
        truth = named["time_ns"] - sends[before - 1] if before else 0
        sent.append(own["delta_tls_ns"] - truth)
    judge(host.name + " DELTATLR", received, args)
    judge(host.name + " DELTATLS", sent, args)


def check_fields(client, server, kri, left):
    for host in (client, server):
        check_kri(host, kri, left)
        check_sequence(host)
        check_global_pointer(host)


def flow_of(directory, side):
    """The flow's record as the agent of SIDE shows it."""
    flows = []
    with open(os.path.join(directory, side + ".json"), encoding="ascii") as source:
        for line in source:
            flow = json.loads(line)
            if flow["type"] == "flow" and flow["options_sent"] > 0:
                flows.append(flow)
    demand(len(flows) == 1, side, "has", len(flows), "flows")
    return flows[0]


def equal(name, reported, seen):
    demand(reported == seen, name, "is", reported, "for the agent,", seen, "for the witness")


def check_reports(host, peer, own, peer_flow, window):
    """What HOST sent, as its own agent and the peer's report it."""
    name = host.name
    # The pointer of the first option tells how many packets the agent had counted by then.
    unseen = host.at[0] - host.rows[0]["global_pointer"]
    demand(0 <= unseen <= EARLY_SHARE * host.packets, name, "sent", unseen, "before it took part")
    equal(name + " sends", own["sends"], host.packets - unseen)
    equal(name + " options sent", own["options_sent"], len(host.rows))
    equal(name + " Kri", own["own_kri"], host.rows[-1]["kri"])
    equal(name + " Kri at its peer", peer_flow["peer_kri"], host.rows[-1]["kri"])
    # A peer reads along once it takes part; an unconnected server from its second datagram on.
    early = bisect.bisect_left(host.column("time_ns"), peer.rows[0]["time_ns"])
    unread = len(host.rows) - peer_flow["options_received"]
    demand(0 <= unread <= early + window, unread, "options of the", name, "were not received")
    for counter in ("lost", "reordered", "duplicates", "outside_window", "auth_failures"):
        equal(name + " " + counter, peer_flow[counter], 0)


def check_volley(args):
    client, server = decode(os.path.join(args.directory, "server.pcap"), args)
    check_fields(client, server, args.kri, args.left)
    named_rows(client, server)
    check_deltas(server, client, args)
    flows = flow_of(args.directory, "client"), flow_of(args.directory, "server")
    check_reports(client, server, *flows, args.window)
    check_reports(server, client, *reversed(flows), 0)
    counts = tuple(len(host.rows) for host in (client, server))
    kris = tuple(len(set(host.column("kri"))) for host in (client, server))
    return "%d and %d options under %d and %d Kri" % (*counts, *kris)


def check_figures(replies, exchanges, rows, args):
    """pdmping's server delay is the witness's DELTATLR to the nanosecond; with the network's it
    makes up the time that the client's capture shows."""
    errors = []
    for seq, (request, reply) in sorted(exchanges.items()):
        network, server = replies[seq]["network"]["delay"], replies[seq]["server"]["delay"]
        row = rows.get(reply.time_ns)
        if row is None or server is None:
            continue
        equal("server delay of probe %d" % seq, server, row["delta_tlr_ns"])
        errors.append(network + server - (reply.time_ns - request.time_ns))
    compared = len(errors)
    demand(compared >= MEASURED_SHARE * len(replies), "only", compared, "server delays compared")
    judge("network delay", errors, args)
    return compared


def unread_options(replies, exchanges, rows):
    """Options that came while the client's agent had not yet said how to read them."""
    early = [seq for seq in replies if replies[seq]["network"].get("reason") in NO_FLOW]
    return sum(exchanges[seq][1].time_ns in rows for seq in early)


def check_probes(args):
    replies, summary = probes.read_ping(os.path.join(args.directory, "ping.json"))
    at_server = decode(os.path.join(args.directory, "server.pcap"), args)
    path = os.path.join(args.directory, "client.pcap")
    client, server = decode(path, args)
    for pair in (at_server, (client, server)):
        check_fields(*pair, 1, args.left)
    check_deltas(at_server[1], at_server[0], args)
    check_deltas(client, server, args)
    equal("options sent", summary["options"]["sent"], len(client.rows))
    exchanges, rows = probes.exchanges(path), {row["time_ns"]: row for row in server.rows}
    read = len(rows) - unread_options(replies, exchanges, rows)
    equal("options received", summary["options"]["received"], read)
    compared = check_figures(replies, exchanges, rows, args)
    options = len(client.rows) + len(server.rows)
    return "%d options, %d server delays to the nanosecond" % (options, compared)


def arguments():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    for name, check in (("volley", check_volley), ("probes", check_probes)):
        command = commands.add_parser(name)
        command.add_argument("label")
        command.add_argument("directory")
        command.add_argument("--aead")
        command.add_argument("--key")
        command.add_argument("--transcript")
        command.add_argument("--left", type=int, default=0)
        command.add_argument("--late-share", type=float, default=LATE_SHARE)
        command.set_defaults(check=check)
        if check is check_volley:
            command.add_argument("--kri", type=int, required=True)
            command.add_argument("--window", type=int, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    run_check(arguments())
