#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What few programs do: filters that kill, threads that share a connection, ends in the middle of a
# send, privilege dropped while options go, handlers that send, servers of unusual kinds. Each runs
# without the library and with it and sees the same, and no option is left where none belongs. As
# root.
#
#   tests/e2e/test_corners.sh [CASE...]
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/net/netns.sh
. tests/net/netns.sh
# shellcheck source=tests/e2e/agents.sh
. tests/e2e/agents.sh
# shellcheck source=tests/tally.sh
. tests/tally.sh

PORT=7500
CASES=(exchange seccomp-prctl seccomp-syscall seccomp-threads threads cancel kill jump signals drop
    forks network datagrams multicast mapped prefork activate)
CORNERS=$AGENTS_BIN/tests/apps/corners

options() { tcpdump -r "$NET_DIR/pcap" -n "$1" 2>/dev/null | wc -l; }

# SIDE: what a program of it is started with.
preload() {
    [ "$RUN" = absent ] ||
        echo "LD_PRELOAD=$AGENTS_BIN/libpdmv2.so PDMV2_AGENT=$NET_DIR/$1/agent.sock"
}

# CASE: its output goes to $NET_DIR/$RUN.
run_case() {
    local how=serve what=$1 pid
    case $1 in prefork | activate) how=$1 what=exchange ;; esac
    # shellcheck disable=SC2046 # words
    start_in_server env $(preload server) "$CORNERS" "$how" "$SERVER_ADDR" $PORT
    pid=$STARTED
    wait_for "in_server ss -Hlnt 'sport = :$PORT' | grep -q ." 5
    : >"$NET_DIR/dropped"
    # shellcheck disable=SC2046
    in_client env $(preload client) timeout -k 1 30 setsid "$CORNERS" "$what" "$SERVER_ADDR" $PORT \
        2>&1 | while IFS= read -r line; do
        [ "$line" != 'dropped: 1' ] || echo "$EPOCHREALTIME" >"$NET_DIR/dropped"
        echo "$line"
    done >"$NET_DIR/$RUN"
    echo "exit ${PIPESTATUS[0]}" >>"$NET_DIR/$RUN"
    pkill -TERM -P "$pid"
    kill "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
}

# Of a client that dropped its privilege, none goes any more; a connection's first could still, if a
# request to the agent was under way.
after_drop() {
    local since
    since=$(cat "$NET_DIR/dropped")
    tcpdump -r "$NET_DIR/pcap" -n -tt "src host $CLIENT_ADDR" 2>/dev/null |
        awk -v since="$since" '$1 > since' | wc -l
}

check_case() {
    local up down
    RUN=absent
    run_case "$1"
    if ! grep -qx 'exit 0' "$NET_DIR/absent" && [ "$1" != mapped ]; then
        say FAIL "$1: does not work without the library"
        cat "$NET_DIR/absent"
        return
    fi
    RUN=flowing
    capture_start "$NET_DIR/pcap" 'ip6[6] = 60 and ip6[44] = 15' || exit 1
    run_case "$1"
    capture_stop
    up=$(options "src host $CLIENT_ADDR")
    down=$(options "src host $SERVER_ADDR")
    if ! diff "$NET_DIR/absent" "$NET_DIR/flowing" >"$NET_DIR/diff"; then
        say FAIL "$1: other than without the library"
        cat "$NET_DIR/diff"
    elif [ "$1" = multicast ] || [ "$1" = mapped ]; then
        if [ "$up" -eq 0 ]; then say ok "$1: no option"; else say FAIL "$1: $up options"; fi
    elif [ "$1" = drop ] && [ "$(after_drop)" -ne 0 ]; then
        say FAIL "$1: $(after_drop) options without privilege"
    elif [ "$up" -lt 3 ] || [ "$down" -lt 1 ]; then
        say FAIL "$1: only $up and $down options"
    else
        say ok "$1: the same ($up and $down options)"
    fi
}

AGENTS_SETTINGS=("${AGENTS_PATIENT[@]}")
net_up 1 || exit 1
in_client ip -6 route add ff00::/8 dev "$NET_DEV" table local 2>/dev/null
in_client ip link set lo up
agents_up encrypted || exit 1
[ $# -gt 0 ] || set -- "${CASES[@]}"
for name in "$@"; do
    check_case "$name"
done
agents_down
tally
