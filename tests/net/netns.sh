# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Sourced by the tests: two network namespaces joined by the link simulator, and nothing of it left
# afterwards, however the test ends. LINKSIM names the simulator's binary.
#
#   net_up [SEED]          both namespaces, addresses, routes, the link (no delay, no fault)
#   net_begin              the namespaces alone, for a link of one's own called $NET_DEV
#   in_client CMD...       run in the client's namespace; $CLIENT_ADDR is its address
#   in_server CMD...       run in the server's; $SERVER_ADDR
#   start_in_client CMD..., start_in_server CMD...   in the background; $STARTED is the process that
#                          CMD is (after `in_server CMD &`, $! would be a shell around it)
#   link_set DIR NAME=VALUE...   see linksim.c; DIR is up (to the server), down or both
#   link_stats             counters, one `name value` a line; with what the TUN queues
#                          dropped since net_up (packets that the simulator never saw)
#   link_stat NAME         one of them
#   link_reset             counters to zero
#   capture_start FILE [FILTER]  capture at the server's interface, nanosecond stamps
#   capture_stop           fails if the capture lost packets
#   wait_for CMD SECONDS   until CMD succeeds; fails after SECONDS
#   end_service PID        ends it and its children; what it returned. socat lets a signal pass that
#                          comes between two looks for one, so it is asked until it goes
#   net_on_exit CMD        run CMD before the namespaces go; the last one first
#   net_down               at once what exit does anyway

CLIENT_ADDR=2001:db8:1::1
SERVER_ADDR=2001:db8:2::1
CLIENT_NS=pdm-$$-client
SERVER_NS=pdm-$$-server
NET_DEV=pdm0
: "${LINKSIM:=${BUILD:-build}/tests/net/linksim}"

NET_DIR=
NET_AT_EXIT=()
LINKSIM_PID=
CAPTURE_PID=
STARTED=

in_client() { ip netns exec "$CLIENT_NS" "$@"; }
in_server() { ip netns exec "$SERVER_NS" "$@"; }

start_in_client() {
    ip netns exec "$CLIENT_NS" "$@" &
    STARTED=$!
}

start_in_server() {
    ip netns exec "$SERVER_NS" "$@" &
    STARTED=$!
}

link_set() { "$LINKSIM" --ctl "$NET_DIR/link.sock" set "$@" >/dev/null; }
link_reset() { "$LINKSIM" --ctl "$NET_DIR/link.sock" reset >/dev/null; }

link_stats() {
    "$LINKSIM" --ctl "$NET_DIR/link.sock" stats || return
    echo "up_tun_dropped $(in_client cat /sys/class/net/$NET_DEV/statistics/tx_dropped)"
    echo "down_tun_dropped $(in_server cat /sys/class/net/$NET_DEV/statistics/tx_dropped)"
}

link_stat() {
    link_stats | awk -v name="$1" '$1 == name { print $2; found = 1 } END { exit !found }'
}

wait_for() {
    local end=$((${EPOCHREALTIME/./} + $2 * 1000000))
    until eval "$1"; do
        [ "${EPOCHREALTIME/./}" -lt "$end" ] || return 1
        sleep 0.05
    done
}

has_ended() { [[ $(ps -o stat= -p "$1") =~ ^(Z.*)?$ ]]; }

end_service() {
    local tries
    pkill -TERM -P "$1"
    for ((tries = 0; tries < 5; tries++)); do
        kill "$1" 2>/dev/null
        wait_for "has_ended $1" 1 && break
    done
    kill -KILL "$1" 2>/dev/null
    wait "$1" 2>/dev/null
}

net_on_exit() { NET_AT_EXIT=("$1" "${NET_AT_EXIT[@]}"); }

# Ends what runs in a namespace of ours: asked first, forced after two seconds.
net_end_processes() {
    local pids
    pids=$(ip netns pids "$1" 2>/dev/null) || return 0
    # shellcheck disable=SC2086
    [ -z "$pids" ] || kill $pids 2>/dev/null
    if ! wait_for "[ -z \"\$(ip netns pids $1 2>/dev/null)\" ]" 2; then
        # shellcheck disable=SC2046
        kill -KILL $(ip netns pids "$1") 2>/dev/null
    fi
    return 0
}

net_down() {
    local command ns
    trap '' INT TERM HUP
    for command in "${NET_AT_EXIT[@]}"; do
        eval "$command" || :
    done
    NET_AT_EXIT=()
    CAPTURE_PID=
    for ns in "$CLIENT_NS" "$SERVER_NS"; do
        net_end_processes "$ns"
    done
    if [ -n "$LINKSIM_PID" ]; then
        kill "$LINKSIM_PID" 2>/dev/null || :
        wait "$LINKSIM_PID" 2>/dev/null || :
        LINKSIM_PID=
    fi
    for ns in "$CLIENT_NS" "$SERVER_NS"; do
        if [ -e "/run/netns/$ns" ]; then
            ip netns del "$ns" || :
        fi
    done
    if [ -n "$NET_DIR" ]; then
        rm -rf "$NET_DIR"
        NET_DIR=
    fi
    trap - INT TERM HUP
}

# NAMESPACE ADDRESS PEER_PREFIX
net_address() {
    ip -n "$1" link set lo up &&
        ip -n "$1" link set $NET_DEV mtu 1500 up &&
        ip -n "$1" addr add "$2/64" dev $NET_DEV nodad &&
        ip -n "$1" route add "$3" dev $NET_DEV src "$2"
}

# A test may have its own way to make one.
net_namespace() { ip netns add "$1"; }

net_begin() {
    trap net_down EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    NET_DIR=$(mktemp -d) && net_namespace "$CLIENT_NS" && net_namespace "$SERVER_NS"
}

net_up() {
    net_begin || return
    "$LINKSIM" --seed "${1:-1}" "$CLIENT_NS" "$SERVER_NS" "$NET_DIR/link.sock" \
        >"$NET_DIR/link.out" &
    LINKSIM_PID=$!
    # shellcheck disable=SC2016 # wait_for expands them
    if ! wait_for '[ -S "$NET_DIR/link.sock" ]' 5; then
        echo "netns.sh: $LINKSIM did not start" >&2
        return 1
    fi
    net_address "$CLIENT_NS" "$CLIENT_ADDR" 2001:db8:2::/64 &&
        net_address "$SERVER_NS" "$SERVER_ADDR" 2001:db8:1::/64
}

capture_start() {
    # A slot of the kernel's ring holds -s octets: with the default, 256 KiB, few packets fit.
    start_in_server tcpdump -Z root -n -U --immediate-mode -s 2048 -B 65536 \
        --time-stamp-precision=nano -i $NET_DEV -w "$1" "${2:-ip6}" 2>"$NET_DIR/capture.log"
    CAPTURE_PID=$STARTED
    # shellcheck disable=SC2016
    wait_for 'grep -q "^tcpdump: listening" "$NET_DIR/capture.log"' 5
}

capture_stop() {
    sleep 0.2 # what the kernel has queued for the capture is read before the signal
    kill "$CAPTURE_PID" && wait "$CAPTURE_PID"
    CAPTURE_PID=
    if ! grep -q '^0 packets dropped by kernel' "$NET_DIR/capture.log"; then
        cat "$NET_DIR/capture.log" >&2
        return 1
    fi
}
