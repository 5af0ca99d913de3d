# SPDX-License-Identifier: BSD-2-Clause
"""The figures of make bench for TCP, and what each should be:

    tcp_pingpong_vs_floor          at most 1.15, of time, as those of UDP
    tcp_bulk_up_vs_none, _down_    at least 0.97, of throughput, as all that follow
    nginx_wrk_vs_none              at least 0.95
    nginx_wrk_idle_vs_none         at least 0.98: the agent names no peer of theirs

Usage: bench_tcp.py BUILD WORK FAR, where WORK/NAME/sock are the agents that tests/bench.sh started,
and FAR is the namespace at the other end of its link.
"""

import json
import os
import re
import statistics
import subprocess
import sys

from far import FAR_ADDR, make_page, start_far, start_nginx, wait_for_far
from slices import BUILD, WORK, Slices, agent_env, figure, median_ratio

PAIRS = 61
ROUNDS = 4000
BULK_MIB = 64
WRK_RUNS = 9 # of a second each, of every kind
WRK_CONNECTIONS = 20
CLOSE = ("-H", "Connection: close") # a connection for each request


def ask_agent(name, what):
    text = subprocess.run([f"{BUILD}/pdmctl", "--json", "--socket", f"{WORK}/{name}/sock", what],
                          capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in text.splitlines()]


def must_flow(name):
    """A flow without options would be measured in vain."""
    if not any(f.get("options_sent", 0) > 1 for f in ask_agent(name, "flows")):
        raise SystemExit("bench: no options were sent")


def pingpong():
    ours = Slices([f"{BUILD}/tests/bench/stream", "bare"], agent_env("loopback"))
    floor = Slices([f"{BUILD}/tests/bench/stream", "40"])
    plain = Slices([f"{BUILD}/tests/bench/stream", "bare"])
    for program in (ours, floor, plain):
        program.run(ROUNDS)
    for name, other in (("floor", floor), ("none", plain)):
        figure(f"tcp_pingpong_vs_{name}",
               median_ratio(lambda: ours.run(ROUNDS)[0], lambda p=other: p.run(ROUNDS)[0], PAIRS), "ratio")
    must_flow("loopback")
    for program in (ours, floor, plain):
        program.end()


class Bulk:
    """Both ends of one connection over the link."""

    def __init__(self, port, env=None):
        self.server = start_far([f"{BUILD}/tests/bench/bulk", "serve", FAR_ADDR, str(port)], env)
        wait_for_far(port)
        self.client = Slices([f"{BUILD}/tests/bench/bulk", FAR_ADDR, str(port)], env)
        for direction in ("up", "down"):
            self.time(direction)

    def time(self, direction):
        return self.client.run(f"{direction} {BULK_MIB}")[0]

    def end(self):
        self.client.end()
        self.server.terminate()
        self.server.wait()


def bulk():
    plain, ours = Bulk(9002), Bulk(9003, agent_env("web"))
    for direction in ("up", "down"):
        ratio = median_ratio(lambda d=direction: plain.time(d), lambda d=direction: ours.time(d), PAIRS)
        figure(f"tcp_bulk_{direction}_vs_none", ratio, "ratio")
    must_flow("web")
    for connection in (plain, ours):
        connection.end()


def run_time(pids):
    """Nanoseconds of processor time of each of those processes."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/schedstat", encoding="ascii") as f:
            total += int(f.read().split()[0])
    return total


def idle_time():
    """Nanoseconds in which the processor that all this runs on had nothing to do."""
    with open("/proc/stat", encoding="ascii") as f:
        fields = re.search(rf"^cpu{min(os.sched_getaffinity(0))} (.*)", f.read(), re.M).group(1).split()
    return int(fields[3]) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def agent_pid(name):
    return ask_agent(name, "status")[0]["pid"]


class Web:
    """nginx at the far end and wrk here, both on one processor that they keep busy."""

    def __init__(self, port, agent=None):
        self.url = f"http://[{FAR_ADDR}]:{port}/page"
        self.env = agent_env(agent) if agent else None
        self.server = start_nginx(port, self.env)
        with open(f"/proc/{self.server.pid}/task/{self.server.pid}/children", encoding="ascii") as f:
            self.helpers = f.read().split() + ([agent_pid(agent)] if agent else [])

    def rate(self, *options):
        """Requests per second in which the processor did not work for anybody else."""
        helped, idle = run_time(self.helpers), idle_time()
        with subprocess.Popen(["wrk", "-t", "1", "-c", str(WRK_CONNECTIONS), "-d", "1s", *options, self.url],
                              env=self.env, stdout=subprocess.PIPE, text=True) as wrk:
            said = wrk.stdout.read()
            usage = os.wait4(wrk.pid, 0)[2]
        requests = re.search(r"([1-9]\d*) requests in", said)
        if requests is None or "Socket errors" in said or "Non-2xx" in said:
            raise SystemExit(f"bench: {said}")
        took = (run_time(self.helpers) - helped + idle_time() - idle) / 1e9 + usage.ru_utime + usage.ru_stime
        return int(requests.group(1)) / took

    def end(self):
        self.server.terminate()
        self.server.wait()


def leases():
    return ask_agent("web", "status")[0]["leases"]


def must_flow_on_all(web):
    """Both ends of each connection of a run must get a key, but a busy machine's agent may answer late."""
    for _ in range(3):
        before = leases()
        web.rate()
        if leases() - before >= 2 * WRK_CONNECTIONS:
            return
    raise SystemExit("bench: not every connection of wrk had options")


def nginx():
    make_page()
    plain, ours, idle = Web(9004), Web(9005, "web"), Web(9006, "other")
    must_flow_on_all(ours)
    ratios = {kind: [] for kind in ("wrk", "wrk_idle", "wrk_close", "wrk_close_idle")}
    for _ in range(WRK_RUNS):
        for close, options in (("", ()), ("_close", CLOSE)):
            without = plain.rate(*options)
            ratios[f"wrk{close}"].append(ours.rate(*options) / without)
            ratios[f"wrk{close}_idle"].append(idle.rate(*options) / without)
    for kind, values in ratios.items():
        figure(f"nginx_{kind}_vs_none", statistics.median(values), "ratio")
    for server in (plain, ours, idle):
        server.end()


pingpong()
bulk()
nginx()
