# SPDX-License-Identifier: BSD-2-Clause
"""Whether memory and descriptors grew: of each program, the second half of its time against the first.

Usage: soak_check.py LOOKS, lines `second name KiB descriptors`. The first fifth does not count: tables
fill up. A median forgives a moment in which more connections were open; a leak it does not.
"""

import statistics
import sys
from collections import defaultdict

KIB = 512 # that a median may grow, and a twentieth of it
DESCRIPTORS = 2


def halves(looks, column):
    end = max(look[0] for look in looks)
    begin = end / 5
    middle = (begin + end) / 2
    return (statistics.median([look[column] for look in looks if begin <= look[0] < middle]),
            statistics.median([look[column] for look in looks if look[0] >= middle]))


def main(path):
    programs = defaultdict(list)
    with open(path, encoding="ascii") as f:
        for line in f:
            second, name, memory, descriptors = line.split()
            programs[name].append((int(second), int(memory), int(descriptors)))
    if not programs:
        raise SystemExit("nothing was looked at")
    grew = False
    for name, looks in sorted(programs.items()):
        memory, descriptors = halves(looks, 1), halves(looks, 2)
        bad = (memory[1] > memory[0] * 1.05 + KIB or descriptors[1] > descriptors[0] + DESCRIPTORS)
        grew = grew or bad
        print(f"{'FAIL' if bad else '    '} {name}: {memory[0]:.0f} then {memory[1]:.0f} KiB, "
              f"{descriptors[0]:.0f} then {descriptors[1]:.0f} descriptors")
    return grew


sys.exit(main(sys.argv[1]))
