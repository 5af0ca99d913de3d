#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Many packets through a link that loses, reorders, duplicates and replays: each end goes through
# Kri after Kri, opens every option but those that come too late, and counts what the link did.
# CHECK_LONG=1 sends 1,150,000 packets each way instead of 120,000: a flow whose agent is slow to
# answer goes without options for a moment, and 30 rotations take 983,011 of them. Needs root.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
BUILD=${BUILD:-build}
# shellcheck source=tests/net/netns.sh
. "$here/../net/netns.sh"
# shellcheck source=tests/e2e/agents.sh
. "$here/agents.sh"
# shellcheck source=tests/e2e/patient.sh
. "$here/patient.sh"

PORT=7777
WINDOW=64
PER_KRI=32767 # options under one Kri: 2^15 - 1 random numbers
if [ "${CHECK_LONG:-0}" = 1 ]; then
    COUNT=1150000
    ROTATIONS=30
    LIMIT=300
else
    COUNT=120000
    ROTATIONS=3
    LIMIT=60
fi
FAULTS='loss=5 reorder=2 hold=2ms duplicate=1 replay=0.2 replay-after=300ms'
FAILED=0

# NAME OK DETAIL
check() {
    if [ "$2" = yes ]; then
        echo "ok   $1: $3"
    else
        echo "FAIL $1: $3"
        FAILED=1
    fi
}

# NAME IS SHOULD
same() { check "$1" "$([ "$2" -eq "$3" ] && echo yes)" "$2, link or peer $3"; }

# NAME COUNTED TRUTH TOLERANCE: what is not seen where one Kri ends and the next begins.
nearly() {
    local difference=$(($3 - $2))
    check "$1" "$([ "$difference" -ge 0 ] && [ "$difference" -le "$4" ] && echo yes)" \
        "$2, link $3 ($4 may go unseen)"
}

of() { sed -n "s/.*\"$2\": *\([0-9]*\).*/\1/p" "$NET_DIR/$1.flow"; }
link_of() { awk -v name="$1" '$1 == name { print $2 }' "$NET_DIR/link.stats"; }
overrun() {
    # shellcheck disable=SC2016
    "in_$1" awk '/^Udp6RcvbufErrors/ { print $2 }' /proc/net/snmp6
}

# Here every option is to count: the library reads along from a server's second datagram on, and an
# agent's first grant waits for the disk.
# shellcheck disable=SC2317 # wait_for calls it
warm_up() {
    start_client "$BUILD/tests/apps/volley" "$SERVER_ADDR" "$PORT" 1 1 >/dev/null
    wait "$STARTED" && grep -q 'generation 0' "$NET_DIR/client/log" &&
        grep -q 'generation 0' "$NET_DIR/server/log"
}

traffic() {
    local volley port
    mkfifo "$NET_DIR/hold"
    start_server "$BUILD/tests/apps/slowecho" "$SERVER_ADDR" "$PORT"
    wait_for "in_server ss -Hlun 'sport = :$PORT' | grep -q ." 5
    wait_for warm_up 20
    # shellcheck disable=SC2086
    link_set both $FAULTS
    link_reset
    # What bash runs in the background has no input of its own.
    # shellcheck disable=SC2016
    start_client sh -c 'exec "$@" <"$0"' "$NET_DIR/hold" \
        "$BUILD/tests/apps/volley" "$SERVER_ADDR" "$PORT" "$COUNT" $WINDOW >"$NET_DIR/volley"
    volley=$STARTED
    exec 3>"$NET_DIR/hold" # for volley alone: what is started later must not have it
    wait_for "[ -s '$NET_DIR/volley' ] || ! kill -0 $volley 2>/dev/null" $LIMIT
    sleep 0.5 # replays that are still under way
    link_stats >"$NET_DIR/link.stats"
    client "$BUILD/pdmctl" -j flows | grep -F "\"pid\":$volley," >"$NET_DIR/client.flow"
    port=$(sed -n 's/.*"local":"\([^"]*\)".*/\1/p' "$NET_DIR/client.flow")
    server "$BUILD/pdmctl" -j flows | grep -F "\"peer\":\"$port\"" >"$NET_DIR/server.flow"
    exec 3>&-
    kill "$volley" 2>/dev/null || :
}

# SIDE PEER DIRECTION: what SIDE received from PEER through the link's DIRECTION.
direction() {
    local side=$1 peer=$2 link=$3 kri head
    head="$peer to $side"
    kri=$((($(of "$peer" options_sent) + PER_KRI - 1) / PER_KRI))

    check "$head, rotations" \
        "$([ "$(($(of "$side" peer_kri) & 0xffffffff))" -ge $ROTATIONS ] && echo yes)" \
        "Kri $(of "$side" peer_kri), at least $ROTATIONS"
    same "$head, Kri in use" "$(of "$side" peer_kri)" "$(of "$peer" own_kri)"
    same "$head, options sent" "$(of "$peer" options_sent)" "$(link_of "${link}_entered_opt")"
    same "$head, no option that no key opens" "$(of "$side" auth_failures)" 0
    same "$head, none malformed, repeated or of another version or format" \
        $(($(of "$side" malformed) + $(of "$side" repeated) + $(of "$side" bad_version) + \
            $(of "$side" wrong_format))) 0
    same "$head, all that left the link arrived" "$(overrun "$side")" 0
    same "$head, options new, twice or too late" \
        $(($(of "$side" options_received) + $(of "$side" duplicates) + \
            $(of "$side" outside_window))) "$(link_of "${link}_forwarded_opt")"
    same "$head, duplicates and replays" \
        $(($(of "$side" duplicates) + $(of "$side" outside_window))) \
        $(($(link_of "${link}_duplicated_opt") + $(link_of "${link}_replayed_opt")))
    check "$head, duplicates" \
        "$([ "$(of "$side" duplicates)" -ge "$(link_of "${link}_duplicated_opt")" ] && echo yes)" \
        "$(of "$side" duplicates), of the link at least $(link_of "${link}_duplicated_opt")"
    check "$head, replays outside the window" \
        "$([ "$(of "$side" outside_window)" -gt 0 ] && echo yes)" "$(of "$side" outside_window)"
    # Each Kri is a sequence of its own: a receiver cannot know how many went before the first that
    # it saw, nor after the last; with 5% loss that is one packet in ten Kri.
    nearly "$head, losses" "$(of "$side" lost)" "$(link_of "${link}_lost_opt")" "$kri"
    nearly "$head, reordered" "$(of "$side" reordered)" "$(link_of "${link}_reordered_opt")" "$kri"
}

net_up 7
agents_up encrypted
patient_agents
started=${EPOCHREALTIME/./}
traffic
echo "     $(cat "$NET_DIR/volley"), in $(((${EPOCHREALTIME/./} - started) / 1000)) ms"
direction server client up
direction client server down
agents_down
[ "$FAILED" = 0 ] && echo "test_rotation: ok"
exit "$FAILED"
