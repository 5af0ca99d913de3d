# SPDX-License-Identifier: BSD-2-Clause
"""What the figures of make bench are made with: programs that do slices of work, in turns.

A script that imports this is called with BUILD and WORK, where WORK/NAME/sock are the agents that
tests/bench.sh started.
"""

import os
import statistics
import subprocess
import sys

BUILD, WORK = sys.argv[1], sys.argv[2]
SHIM = os.path.abspath(f"{BUILD}/libpdmv2.so")
PAIRS = 41


def shim_env(**more):
    return {**os.environ, "LD_PRELOAD": SHIM, **more}


def agent_env(name):
    return shim_env(PDMV2_AGENT=f"{WORK}/{name}/sock")


def figure(name, value, unit):
    print(f"{name} {value:.3f} {unit}" if isinstance(value, float) else f"{name} {value} {unit}", flush=True)


class Slices:
    """A program that does as much as a line on its standard input says, and prints how long it took."""

    def __init__(self, args, env=None):
        self.process = subprocess.Popen(
            args, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, line):
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return [int(n) for n in self.process.stdout.readline().split()]

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def median_ratio(first, second, pairs=PAIRS):
    return statistics.median(first() / second() for _ in range(pairs))
