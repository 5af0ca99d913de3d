#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Registration in the large: two primaries, a thousand agents at once (ten thousand: CHECK_LONG=1),
# who are all given their secrets and all told of a change of the list, and stay; and a list of
# 10^5 prefixes (10^6), a change of which is told as one change, to a primary, to an agent and, by
# its policy, to the library. As root, in a network namespace of its own.
set -u
cd "$(dirname "$0")/../.." || exit 1

: "${BUILD:=build}" "${PYTHON:=/usr/bin/python3}"
if [ "${CHECK_LONG:-0}" = 1 ]; then
    AGENTS=10000 ENTRIES=1000000
else
    AGENTS=1000 ENTRIES=100000
fi
NS=pdm-$$-scale

make -s say= BUILD="$BUILD" "$BUILD"/pdm{primary,keyagent,ctl} \
    "$BUILD"/tests/bench/{registrations,named} || exit 1
WORK=$(mktemp -d "$BUILD/scale.XXXXXX") || exit 1
clean_up() {
    ip netns pids "$NS" | xargs -r kill
    ip netns del "$NS"
    rm -rf "$WORK"
}
ip netns add "$NS" || exit 1
trap clean_up EXIT

ip netns exec "$NS" "$PYTHON" -B tests/bench/scale.py "$BUILD" "$WORK" "agents=$AGENTS" \
    "list=$ENTRIES" >"$WORK/figures" || tail -n 20 "$WORK"/*/*/log
cat "$WORK/figures"
# Octets that a list of its own would not fit in; seconds, for a machine with other work to do.
"$PYTHON" -B - "$WORK/figures" "$AGENTS" "$ENTRIES" <<'END'
import sys

with open(sys.argv[1], encoding="ascii") as f:
    figures = {name: float(value) for name, value, _ in map(str.split, f)}
agents, entries = map(int, sys.argv[2:])
expected = (
    ("agents_connected", agents, agents),
    ("agents_still_connected", agents, agents),
    ("agents_told_octets", 1, 200),
    ("agents_told_s", 0, 10),
    ("memory_per_secondary_kib", 1, 48),
    ("list_entries", entries + 1, entries + 100),
    ("list_change_octets_to_agent", 1, 1000),
    ("list_change_octets_to_primary", 1, 1000),
    ("list_change_ms", 0, 2000),
)
failed = 0
for name, least, most in expected:
    value = figures.get(name)
    good = value is not None and least <= value <= most
    failed += not good
    print("ok  " if good else "FAIL", f"{name}: {value}, from {least} to {most}")
print(f"{len(expected) - failed} passed, {failed} failed")
sys.exit(failed > 0)
END
