#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Holds what pdmping measured against the truth of two captures.

    truth_check.py probes LABEL COUNT DIRECTORY [--burst] [--server-at-least MS]
    truth_check.py moved LABEL BEFORE AFTER --network MS

`probes`: all COUNT probes were answered, most measured, the median error of either delay is at most
0.5 ms, and no figure without a mark is off by more than 5 ms. A --burst has more probes under
way than one: marks are what it is about. `moved`: from run BEFORE to run AFTER the network's delay
moved by so much, and the server's did not.
"""
import argparse
import statistics
import sys

import probes

MS = 1_000_000
MEDIAN_MAX = MS // 2
WORST_MAX = 5 * MS
# The first probes of a flow have no figures, and on a busy machine some overlap.
MEASURED_SHARE = 0.6
BURST_MARKED_MIN = 10


class Failed(Exception):
    """A check did not hold; the text says which."""


def demand(holds, *words):
    if not holds:
        raise Failed(" ".join(str(word) for word in words))


def run_check(args):
    """A line for the check that ARGS name, which is the end of the program if it does not hold."""
    try:
        print("ok    %s: %s" % (args.label, args.check(args)))
    except Failed as why:
        sys.exit("FAIL  %s: %s" % (args.label, why))


def errors_of(figures):
    return [abs(measured - true) for measured, true in figures]


def judge(name, figures, count):
    """Median and worst error of one delay, in ms."""
    demand(len(figures) >= MEASURED_SHARE * count, name, "measured for only", len(figures))
    errors = errors_of(figures)
    median, worst = statistics.median(errors), max(errors)
    demand(median <= MEDIAN_MAX, name, "median error is %.3f ms" % (median / MS))
    demand(worst <= WORST_MAX, name, "is off by %.3f ms without a mark" % (worst / MS))
    return "%s %.3f (worst %.3f)" % (name, median / MS, worst / MS)


def network_figures(run):
    return [(p.network, p.true_network) for p in run if p.network is not None]


def server_figures(run):
    return [(p.server, p.true_server) for p in run if p.server is not None and not p.overlapped]


def check_probes(args):
    run, summary = probes.load(args.directory)
    demand(summary["transmitted"] == args.count, "sent", summary["transmitted"])
    demand(len(run) == args.count, "answered:", len(run))
    marked = sum(p.overlapped for p in run)
    network = judge("network", network_figures(run), args.count)
    if args.burst:
        demand(marked >= BURST_MARKED_MIN, "only", marked, "probes are marked as overlapped")
        worst = max(errors_of(server_figures(run)), default=0)
        demand(worst <= WORST_MAX, "server is off by %.3f ms without a mark" % (worst / MS))
        return "%s; server: %d marked, worst of the rest %.3f ms" % (network, marked, worst / MS)
    server = judge("server", server_figures(run), args.count)
    least = min(measured for measured, _ in server_figures(run))
    demand(least >= args.server_at_least * MS, "server took %.3f ms once" % (least / MS))
    return "median error in ms: %s, %s; %d marked" % (network, server, marked)


def medians(directory):
    """(network, true network, server, true server), medians."""
    run, _ = probes.load(directory)
    columns = [*zip(*network_figures(run)), *zip(*server_figures(run))]
    return [statistics.median(column) for column in columns]


def check_moved(args):
    moved = [after - before for before, after in zip(medians(args.before), medians(args.after))]
    network, true_network, server, true_server = moved
    demand(abs(true_network - args.network * MS) <= MS, "the link itself moved by", true_network)
    demand(abs(true_server) <= MS, "the server itself moved by", true_server)
    demand(abs(network - true_network) <= MEDIAN_MAX, "network moved by", network)
    demand(abs(server - true_server) <= MEDIAN_MAX, "server moved by", server)
    return "network by %+.3f ms, server by %+.3f ms" % (network / MS, server / MS)


def arguments():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("probes")
    one.add_argument("label")
    one.add_argument("count", type=int)
    one.add_argument("directory")
    one.add_argument("--burst", action="store_true")
    one.add_argument("--server-at-least", type=float, default=0)
    one.set_defaults(check=check_probes)
    two = commands.add_parser("moved")
    two.add_argument("label")
    two.add_argument("before")
    two.add_argument("after")
    two.add_argument("--network", type=float, required=True)
    two.set_defaults(check=check_moved)
    return parser.parse_args()


if __name__ == "__main__":
    run_check(arguments())
