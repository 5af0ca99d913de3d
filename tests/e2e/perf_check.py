#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Holds what pdmperf --json told against what was set. FILE is its output.

    perf_check.py schema FILE...               every line is as the schema says, the last a summary
    perf_check.py interrupted FILE...          the same of runs that were cut short; counts agree
    perf_check.py truth FILE NETWORK SERVER LEAST   in ms; LEAST requests have both delays
    perf_check.py verdict FILE PARTY BASIS PERCENT  at least so many percent
    perf_check.py compare FILE SLOWER MS PARTY PERCENT
    perf_check.py late FILE MS LEAST MOST      so many requests answered over MS after they were due
    perf_check.py reason FILE TOKEN            no request has a delay, and why
    perf_check.py curl OURS CURLS EXACT        lines of -w; EXACT words of both are the same, and about
                                               the same are the seconds behind them
    perf_check.py mask FILE                    the text of a report with its figures made T, counts
                                               that may vary N, and without what the verdict is about
"""
import json
import re
import statistics
import sys

import jsonschema

MS = 1_000_000
SCHEMA = "conf/schema/pdmperf-1.json"
NETWORK_OFF = 2 * MS  # at most, of medians, on a busy machine
SERVER_OFF = 5 * MS
# What the socket's stamps do not see of the wait for an answer: this host's work.
HOST_MIN, HOST_MAX = -MS // 2, 8 * MS
# Seconds between the least of ours and of curl's: on each new connection ours asks the agent for keys,
# for which the tests give it more time than it has otherwise.
TIMES_OFF = 0.015


class Failed(Exception):
    """A check did not hold; the text says which."""


def demand(holds, *words):
    if not holds:
        raise Failed(" ".join(str(word) for word in words))


def read(name):
    with open(name, encoding="ascii") as f:
        text = f.read()
    demand(text.endswith("}\n"), name, "does not end with a whole line")
    return [json.loads(line) for line in text.splitlines()]


def of_type(events, kind):
    return [event for event in events if event["type"] == kind]


def summary_of(events):
    return of_type(events, "summary")[0]


def check_schema(*names):
    with open(SCHEMA, encoding="ascii") as f:
        schema = json.load(f)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    lines = 0
    for name in names:
        events = read(name)
        for event in events:
            problem = jsonschema.exceptions.best_match(validator.iter_errors(event))
            demand(problem is None, name, event, problem)
        demand(events[0]["type"] == "start", name, "begins with", events[0])
        demand(events[-1]["type"] in ("summary", "comparison"), name, "ends with", events[-1])
        lines += len(events)
    return f"{lines} lines"


def check_interrupted(*names):
    check_schema(*names)
    cut = 0
    for name in names:
        events = read(name)
        summary = summary_of(events)
        demand(summary["answered"] == len(of_type(events, "response")), name, "answered", summary["answered"])
        demand(summary["failed"] == len(of_type(events, "error")), name, "failed", summary["failed"])
        cut += summary["interrupted"]
    demand(cut == len(names), "only", cut, "were interrupted")
    return f"{cut} runs"


def measured(events):
    return [r for r in of_type(events, "response")
            if r["network"]["delay"] is not None and r["server"]["delay"] is not None and
            not r["server"]["overlapped"]]


def check_truth(name, network, server, least):
    rows = measured(read(name))
    demand(len(rows) >= int(least), "only", len(rows), "requests were measured")
    off = statistics.median(abs(r["network"]["delay"] - float(network) * MS) for r in rows)
    demand(off <= NETWORK_OFF, "the network's delay is off by", off / MS, "ms")
    off = statistics.median(r["server"]["delay"] - float(server) * MS for r in rows)
    demand(0 <= off <= SERVER_OFF, "the server's delay is off by", off / MS, "ms")
    # Together they are what curl saw, less what this host took.
    host = statistics.median(r["first"] - r["network"]["delay"] - r["server"]["delay"] for r in rows)
    demand(HOST_MIN <= host <= HOST_MAX, "the wait is longer than both by", host / MS, "ms")
    curls = statistics.median(r["times"]["starttransfer"] - r["times"]["pretransfer"] -
                              r["network"]["delay"] - r["server"]["delay"] for r in rows)
    demand(HOST_MIN <= curls <= HOST_MAX, "curl's wait is longer than both by", curls / MS, "ms")
    return f"{len(rows)} requests"


def check_verdict(name, party, basis, percent):
    verdict = summary_of(read(name))["verdict"]
    demand(verdict["party"] == party and verdict["basis"] == basis and verdict["percent"] >= int(percent), verdict)
    return verdict


def check_compare(name, slower, ms, party, percent):
    comparison = of_type(read(name), "comparison")[0]
    demand(comparison["slower"] == slower, comparison)
    if slower != "neither":
        demand(abs(abs(comparison["difference"]) - float(ms) * MS) <= SERVER_OFF, comparison)
        verdict = comparison["verdict"]
        demand(verdict["party"] == party and verdict["percent"] >= int(percent), comparison)
    return comparison["difference"]


def check_late(name, ms, least, most):
    late = sum(r["queue"] + r["times"]["total"] > float(ms) * MS for r in of_type(read(name), "response"))
    demand(int(least) <= late <= int(most), late, "requests were late")
    return f"{late} requests"


def check_reason(name, token):
    responses = of_type(read(name), "response")
    demand(responses, "no response")
    reasons = {r[side].get("reason") for r in responses for side in ("network", "server")}
    demand(reasons == {token}, reasons)
    return token


# What each line has: words, then seconds.
def columns(name, exact):
    with open(name, encoding="ascii") as f:
        rows = [line.split() for line in f]
    demand(rows, name, "is empty")
    # The least, since a busy machine adds to the others.
    return [row[:exact] for row in rows], [min(map(float, column)) for column in
                                          zip(*(row[exact:] for row in rows))]


def check_curl(ours, curls, exact):
    our_words, our_times = columns(ours, int(exact))
    their_words, their_times = columns(curls, int(exact))
    demand(our_words == their_words, our_words[0], "is not", their_words[0])
    off = max(abs(a - b) for a, b in zip(our_times, their_times))
    demand(off <= TIMES_OFF, "a time is off by", off, "s:", our_times, their_times)
    return f"{len(our_words)} requests"


ROW = re.compile(r"(resolve|connect|tls|first byte|  network|  server|transfer|total|queue|response) ")
MASKS = [
    (r"([=+-]|by |time )-?[0-9.]+", lambda m: m.group(1).replace("-", "+") + "T"),
    (r" +-?[0-9]+\.[0-9]{3}", lambda m: "T".rjust(len(m.group()))),
    (r"[0-9.]+ requests/s", lambda m: "T requests/s"),
    (r"[0-9]+%", lambda m: "P%"),
    (r"\[[NSTH]+\]", lambda m: "[BAR]"),
    (r"(its [A-Z]+|THIS HOST|[A-Z]+) causes", lambda m: "PARTY causes"),
    (r"P% of the .*", lambda m: "P% of the ..."),
    (r"[0-9]+ connections?, (?=[0-9]+ bytes)", lambda m: "N connections, "),
]


def check_mask(name):
    with open(name, encoding="ascii") as f:
        lines = f.read().split("\n")
    for i, line in enumerate(lines):
        if ROW.match(line) and "=" not in line:
            line = line[:10] + "N".rjust(8) + line[18:]
        if not line.startswith("---") and not line.startswith("PDMPERF"):
            for pattern, masked in MASKS:
                line = re.sub(pattern, masked, line)
        lines[i] = line
    return "\n".join(lines).rstrip("\n")


def main():
    try:
        print(globals()["check_" + sys.argv[1]](*sys.argv[2:]))
    except Failed as why:
        sys.exit(f"{sys.argv[1]}: {why}")


if __name__ == "__main__":
    main()
