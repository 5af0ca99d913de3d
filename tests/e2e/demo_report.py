#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Shows one run of the demonstration: what was set, what was true, what was measured, and the
option as tshark saw it.

    demo_report.py PROTECT DIRECTORY --key FILE --network-set MS --server-set MS

DIRECTORY is what tests/e2e/ping.sh leaves. Fails if a delay is wrong, or if what tshark saw is not
what pdmping reports.
"""
import argparse
import os
import statistics
import subprocess
import sys

import probes
from truth_check import MEDIAN_MAX, MS, Failed, demand, network_figures, server_figures

import pdm_option as pdm  # noqa: E402, found by way of probes
import pdm_witness  # noqa: E402

HALF = 0.5
COMPARED_MIN = 10
WITNESSES = {
    "encrypted": "decrypted with the key alone",
    "plain": "read by an independent decoder",
    "rfc8250": "tshark's own dissector",
}
PER_LINE = 20  # octets of an option shown in one line
TSHARK_FIELDS = {
    "psntp": "ipv6.opt.pdm.psn_this_pkt",
    "psnlr": "ipv6.opt.pdm.psn_last_recv",
    "scale_dtlr": "ipv6.opt.pdm.scale_dtlr",
    "delta_tlr": "ipv6.opt.pdm.delta_last_recv",
    "scale_dtls": "ipv6.opt.pdm.scale_dtls",
    "delta_tls": "ipv6.opt.pdm.delta_last_sent",
}


def print_delays(run, args):
    """The table; both medians must be right."""
    print("  %-22s %14s %14s" % ("", "network", "server"))
    columns = []
    for figures in (network_figures(run), server_figures(run)):
        demand(len(figures) >= HALF * len(run), "only", len(figures), "probes were measured")
        measured, true = (statistics.median(column) for column in zip(*figures))
        error = statistics.median(abs(m - t) for m, t in figures)
        demand(error <= MEDIAN_MAX, "the median error is %.3f ms" % (error / MS))
        columns.append((true, measured, error))
    network, server = columns
    lines = ("true, by captures", "measured by pdmping", "median of the errors")
    print("  %-22s %11.3f ms %11.3f ms" % ("set", args.network_set, args.server_set))
    for label, *times in zip(lines, network, server):
        print("  %-22s %11.3f ms %11.3f ms" % (label, times[0] / MS, times[1] / MS))


def tshark(path, packets_filter, arguments):
    command = ["tshark", "-n", "-r", path, "-Y", packets_filter, *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    demand(done.returncode == 0, "tshark:", done.stderr.decode().strip())
    return done.stdout.decode()


def row_of_tshark(line):
    number, stamp, types, lengths, *values = line.split("\t")
    seconds, fraction = stamp.split(".")
    types = [int(kind, 0) for kind in types.split(",")]
    lengths = [int(length) for length in lengths.split(",")]
    row = {"number": number, "time_ns": int(seconds) * 10**9 + int(fraction)}
    row["length"] = dict(zip(types, lengths))[pdm.OPTION_TYPE]
    row.update((name, int(value)) for name, value in zip(TSHARK_FIELDS, values) if value)
    return row


def seen_by_tshark(path):
    """For each packet with Destination Options, by its stamp: the option's fields."""
    names = ["frame.number", "frame.time_epoch", "ipv6.opt.type", "ipv6.opt.length"]
    names += TSHARK_FIELDS.values()
    words = [word for name in names for word in ("-e", name)]
    lines = tshark(path, "ipv6.dstopts", ["-T", "fields", *words]).splitlines()
    return {row["time_ns"]: row for row in map(row_of_tshark, lines)}


def octets_by_tshark(path, number):
    """A packet as tshark dumps it: 16 octets a line, behind their offset."""
    dump = tshark(path, "frame.number == " + number, ["-x"])
    return bytes.fromhex("".join(line[6:53] for line in dump.splitlines() if line[:1] == "0"))


def check_dissector(seen, replies, exchanges):
    """RFC 8250 is what tshark's own dissector knows: its numbers must be ours."""
    for seq, (request, reply) in exchanges.items():
        server = replies[seq]["server"]["delay"]
        if server is None:
            continue
        row = seen[reply.time_ns]
        delay = pdm.unscale_ns(row["delta_tlr"], row["scale_dtlr"])
        demand(delay == server, "probe", seq, "took", delay, "for tshark,", server, "for pdmping")
        demand(row["psnlr"] == seen[request.time_ns]["psntp"], "probe", seq, "is misnamed")


def check_witness(rows, replies, exchanges):
    """What the tests' own decoder makes of the same octets."""
    compared = 0
    for seq, (_, reply) in exchanges.items():
        server, row = replies[seq]["server"]["delay"], rows.get(reply.time_ns)
        if server is None:
            continue
        demand(row is not None and "error" not in row, "the option of reply", seq, "is unreadable")
        delay = row["delta_tlr_ns"]
        demand(delay == server, "probe", seq, "took", delay, "in option,", server, "for pdmping")
        compared += 1
    demand(compared >= COMPARED_MIN, "only", compared, "replies could be compared")
    return compared


def print_option(path, number, row, seq):
    """One option: tshark's octets, and what they say."""
    option = bytes.fromhex(row["option"])
    demand(option in octets_by_tshark(path, number), "tshark shows other octets than decoded")
    lines = [option[i : i + PER_LINE].hex(" ", 2) for i in range(0, len(option), PER_LINE)]
    print("  tshark: reply %d, option type 0x%02x, length %d" % (seq, option[0], option[1]))
    for line in lines:
        print("    " + line)
    says = "PSNTP %d, PSNLR %d, DELTATLR %.3f ms, DELTATLS %.3f ms" % (
        row["psntp"], row["psnlr"], row["delta_tlr_ns"] / MS, row["delta_tls_ns"] / MS,
    )  # fmt: skip
    print("  = " + says)


def show(args):
    run, _ = probes.load(args.directory)
    path = os.path.join(args.directory, "server.pcap")
    replies, _ = probes.read_ping(os.path.join(args.directory, "ping.json"))
    exchanges = probes.exchanges(path)
    psk = pdm_witness.read_key_file(args.key)
    rows = pdm_witness.decode_packets(pdm_witness.packets(path), psk)
    rows = {row["time_ns"]: row for row in rows}

    print("\nprotect = %s: %d probes" % (args.protect, len(run)))
    print_delays(run, args)
    seen = seen_by_tshark(path)
    demand(seen.keys() == rows.keys(), "tshark sees", len(seen), "options of", len(rows))
    length = next(n for n, name in pdm.FORMATS.items() if name == args.protect)
    demand(all(r["length"] == length for r in seen.values()), "an option is not of length", length)
    seq = [p.seq for p in run if p.server is not None][-1]
    at = exchanges[seq][1].time_ns
    print_option(path, seen[at]["number"], rows[at], seq)
    compared = check_witness(rows, replies, exchanges)
    if args.protect == "rfc8250":
        check_dissector(seen, replies, exchanges)
    print("  %s: the same DELTATLR, %d of %d" % (WITNESSES[args.protect], compared, compared))


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("protect")
    parser.add_argument("directory")
    parser.add_argument("--key", required=True)
    parser.add_argument("--network-set", type=float, required=True)
    parser.add_argument("--server-set", type=float, required=True)
    return parser.parse_args()


def main():
    args = arguments()
    try:
        show(args)
    except Failed as why:
        sys.exit("demo: %s: %s" % (args.protect, why))


if __name__ == "__main__":
    main()
