#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# make bench: one line a figure, `name value unit`. Times are ratios to a floor measured in the same run,
# the two in turns, medians; instruction counts are valgrind's. In a network namespace of its own.
set -euo pipefail
cd "$(dirname "$0")/.."
BUILD=${BUILD:-build}
PYTHON=${PYTHON:-/usr/bin/python3}

if [ "$(id -u)" -ne 0 ]; then
    echo "bench: needs root, for a network namespace and CAP_NET_RAW" >&2
    exit 1
fi
make -s BUILD="$BUILD" all bench-programs

work=$(mktemp -d)
ns=pdm-bench-$$
agents=()
clean_up() {
    local pid
    for pid in "${agents[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait
    ip netns del "$ns" 2>/dev/null || true
    rm -rf "$work"
}
trap clean_up EXIT

ip netns add "$ns"
ip -n "$ns" link set lo up
ip -n "$ns" addr add 2001:db8::1/128 dev lo nodad
ip -n "$ns" -6 route add local 2001:db8:1::/64 dev lo
ip netns exec "$ns" sysctl -qw net.ipv6.ip_nonlocal_bind=1 net.ipv6.route.max_size=1000000

"$BUILD/pdmctl" keygen "$work/key" >/dev/null
start_agent() { # NAME PEER
    mkdir "$work/$1"
    cat >"$work/$1/conf" <<EOF
[agent]
state = $work/$1/state
max_flows = 131072
max_slots = 131072
max_ledger = 1048576
flows_per_client = 131072
requests_per_client = 0
share = 100
request_budget_us = 100000
flow_idle = 1h
[association $1]
peer = $2
key = $work/key
lifetime = 0
EOF
    taskset -c 0 ip netns exec "$ns" "$BUILD/pdmkeyagent" -c "$work/$1/conf" -s "$work/$1/sock" 2>"$work/$1/log" &
    agents+=($!)
}
start_agent loopback ::1
start_agent many 2001:db8::/32
start_agent other 2001:db8:ffff::/48 # names no peer of any program here
for name in loopback many other; do
    for _ in $(seq 100); do [ -S "$work/$name/sock" ] && break; sleep 0.05; done
done

# On one processor: between two, waking the other up costs several times what is measured.
run() { taskset -c 0 ip netns exec "$ns" "$@"; }
run "$PYTHON" tests/bench/bench.py "$BUILD" "$work"
run "$BUILD/tests/bench/crypto"
run "$BUILD/tests/bench/open" "$work/loopback/sock"
