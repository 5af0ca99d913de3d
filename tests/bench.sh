#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# make bench: one line a figure, `name value unit`. Times are ratios to a floor measured in the same run,
# the two in turns, medians; instruction counts are valgrind's. In network namespaces of its own.
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
disk=$(mktemp -d "$BUILD/bench.XXXXXX") # where a temporary directory may be memory
ns=pdm-bench-$$
far=$ns-far
scale=$ns-scale
agents=()
clean_up() {
    local pid
    for pid in "${agents[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait
    ip netns del "$ns" 2>/dev/null || true
    ip netns del "$far" 2>/dev/null || true
    if [ -e "/run/netns/$scale" ]; then
        ip netns pids "$scale" | xargs -r kill
        ip netns del "$scale"
    fi
    rm -rf "$work" "$disk"
}
trap clean_up EXIT

ip netns add "$ns"
ip -n "$ns" link set lo up
ip -n "$ns" addr add 2001:db8::1/128 dev lo nodad
ip -n "$ns" -6 route add local 2001:db8:1::/64 dev lo
ip netns exec "$ns" sysctl -qw net.ipv6.ip_nonlocal_bind=1 net.ipv6.route.max_size=1000000

"$BUILD/pdmctl" keygen "$work/key" >/dev/null
ip netns add "$far"
ip link add link0 netns "$ns" type veth peer name link0 netns "$far"
ip -n "$ns" addr add 2001:db8:2::1/64 dev link0 nodad
ip -n "$far" addr add 2001:db8:2::2/64 dev link0 nodad
ip -n "$ns" link set link0 up
ip -n "$far" link set link0 up
ip -n "$far" link set lo up

# For figures that what an agent may cost must not limit.
patient=('max_flows = 131072' 'max_slots = 131072' 'max_ledger = 1048576' 'flows_per_client = 131072'
    'requests_per_client = 0' 'share = 100' 'request_budget_us = 100000' 'flow_idle = 1h')
start_agent() { # NAME PEER SETTING...
    mkdir "$work/$1"
    cat >"$work/$1/conf" <<EOF
[agent]
state = $work/$1/state
$(printf '%s\n' "${@:3}")
[association $1]
peer = $2
key = $work/key
lifetime = 0
path = trust
EOF
    taskset -c 0 ip netns exec "$ns" "$BUILD/pdmkeyagent" -c "$work/$1/conf" -s "$work/$1/sock" 2>"$work/$1/log" &
    agents+=($!)
}
start_agent loopback ::1 "${patient[@]}"
start_agent many 2001:db8::/32 "${patient[@]}"
start_agent other 2001:db8:ffff::/48 "${patient[@]}" # names no peer of any program here
start_agent web 2001:db8:2::/64 # of both ends of the link
for name in loopback many other web; do
    for _ in $(seq 100); do [ -S "$work/$name/sock" ] && break; sleep 0.05; done
done

# On one processor: between two, waking the other up costs several times what is measured.
run() { taskset -c 0 ip netns exec "$ns" "$@"; }
run "$PYTHON" -B tests/bench/bench.py "$BUILD" "$work"
run "$PYTHON" -B tests/bench/bench_tcp.py "$BUILD" "$work" "$far"
run "$PYTHON" -B tests/bench/bench_perf.py "$BUILD" "$work" "$far"
run "$PYTHON" -B tests/bench/decode.py "$BUILD" "$work"
run "$PYTHON" -B tests/bench/bench_ping.py "$BUILD" "$work"
run "$BUILD/tests/bench/crypto"
run "$BUILD/tests/bench/open" "$work/loopback/sock"
run "$BUILD/tests/bench/policy"
run "$BUILD/tests/bench/hpke"
run "$BUILD/tests/bench/ibc"

# Those measured are not on the processor of those that measure.
ip netns add "$scale"
ip netns exec "$scale" "$PYTHON" -B tests/bench/scale.py "$BUILD" "$disk" rate agents=10000 list=1000000
