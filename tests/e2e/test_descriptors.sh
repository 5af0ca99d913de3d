#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What programs do with descriptors (numbers reused unseen, duplicates, closing everything, a limit
# of 1048576 of them, fork of every kind, exec, passing, signal handlers, threads, seccomp) comes
# out the same without the library, with it and encrypted PDM flowing, with it and no agent, and
# with it and plain PDMv2. As root.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/net/netns.sh
. tests/net/netns.sh
# shellcheck source=tests/e2e/agents.sh
. tests/e2e/agents.sh

PORT=7200
FEWEST=500 # options each way in a run with PDM
NOT_ALL_TRIED=77
FAILED=0

say() {
    printf '%-4s %s\n' "$1" "$2"
    [ "$1" = ok ] || FAILED=1
}

# RUN [NAME=VALUE...]: what the program says and how it ends, in $NET_DIR/RUN; the options' count in
# each direction in UP and DOWN.
run() {
    local name=$1 echo status
    shift
    capture_start "$NET_DIR/options.pcap" 'ip6[6] = 60 and ip6[44] = 15' || exit
    start_in_server env PDMV2_AGENT="$NET_DIR/server/agent.sock" "$@" \
        "$AGENTS_BIN/tests/apps/slowecho" "$SERVER_ADDR" "$PORT"
    echo=$STARTED
    wait_for "in_server ss -Hlnu 'sport = :$PORT' | grep -q ." 5
    in_client env PDMV2_AGENT="$NET_DIR/client/agent.sock" "$@" timeout 60 \
        "$AGENTS_BIN/tests/apps/descriptors" "$SERVER_ADDR" "$PORT" >"$NET_DIR/$name" 2>&1
    status=$?
    echo "exit $status" >>"$NET_DIR/$name"
    kill "$echo"
    wait "$echo"
    capture_stop
    UP=$(options_from "$CLIENT_ADDR")
    DOWN=$(options_from "$SERVER_ADDR")
    return "$status"
}

options_from() {
    tcpdump -r "$NET_DIR/options.pcap" -n "src host $1" 2>/dev/null | wc -l
}

# RUN FEWEST
check() {
    if ! diff "$NET_DIR/absent" "$NET_DIR/$1" >"$NET_DIR/diff"; then
        say FAIL "descriptors, $1: other than without the library"
        head -n 40 "$NET_DIR/diff"
    elif [ "$UP" -lt "$2" ] || [ "$DOWN" -lt "$2" ]; then
        say FAIL "descriptors, $1: only $UP and $DOWN options"
    else
        say ok "descriptors, $1: the same ($UP and $DOWN options)"
    fi
}

net_up 1 || exit 1
run absent
status=$?
case $status in
0) say ok 'descriptors, absent: as they should be' ;;
"$NOT_ALL_TRIED")
    say ok "descriptors, absent: as they should be; $(grep '^NOT TRIED' "$NET_DIR/absent")"
    ;;
*)
    say FAIL "descriptors, absent: exit $status"
    tail -n 20 "$NET_DIR/absent"
    ;;
esac

preload=LD_PRELOAD=$AGENTS_BIN/libpdmv2.so
agents_up encrypted || exit 1
run flowing "$preload"
check flowing "$FEWEST"
agents_down
run 'no agent' "$preload"
check 'no agent' 0
run plain "$preload" PDMV2_MODE=plain
check plain "$FEWEST"
exit "$FAILED"
