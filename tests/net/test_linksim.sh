#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The link simulator against what really arrives: delays, and every counter. Needs root.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/net/netns.sh
. "$here/netns.sh"
PROBE=(/usr/bin/python3 "$here/probe.py")
COUNT=10000

fail() {
    echo "test_linksim: $*" >&2
    exit 1
}

# Sends COUNT datagrams; what arrived is in $NET_DIR/got, the counters in $NET_DIR/stats.
traffic() {
    local counter
    link_reset
    start_in_server "${PROBE[@]}" count >"$NET_DIR/got"
    counter=$STARTED
    wait_for "grep -q ready '$NET_DIR/got'" 5
    in_client "${PROBE[@]}" send "$SERVER_ADDR" "$COUNT" "$1"
    wait "$counter"
    link_stats >"$NET_DIR/stats"
    [ "$(stat_of up_entered)" -eq "$COUNT" ] || fail "$1: not all packets entered"
    [ "$(stat_of up_pending)" -eq 0 ] || fail "$1: packets are still under way"
    [ "$(stat_of up_tun_dropped)" -eq 0 ] || fail "$1: packets were lost before the link"
}

stat_of() { awk -v name="$1" '$1 == name { print $2 }' "$NET_DIR/stats"; }
got() { sed -n "s/.*\"$1\": \([0-9]*\).*/\1/p" "$NET_DIR/got"; }

# NAME WHAT_ARRIVED WHAT_WAS_COUNTED
same() { [ "$2" -eq "$3" ] || fail "$1: $2 seen, $3 counted"; }
# NAME VALUE LOW HIGH
within() {
    if [ "$2" -lt "$3" ] || [ "$2" -gt "$4" ]; then
        fail "$1: $2 is not in $3..$4"
    fi
}

# Six standard deviations of a share of COUNT: NAME VALUE PERCENT
share() {
    local mean=$((COUNT * $3 / 100)) margin
    margin=$(awk -v n="$COUNT" -v p="$3" 'BEGIN { print int(6 * sqrt(n * p * (100 - p)) / 100) }')
    within "$1" "$2" $((mean - margin)) $((mean + margin))
}

delays() {
    link_set both delay=10ms
    within "10 ms each way" "$(in_client "${PROBE[@]}" rtt "$SERVER_ADDR" 50)" 20000 21000
    link_set up delay=25ms
    within "25 and 10 ms" "$(in_client "${PROBE[@]}" rtt "$SERVER_ADDR" 50)" 35000 36000
    link_set both delay=1ms
}

faults() {
    link_set up loss=5 duplicate=2 reorder=3 hold=5ms replay=1% replay-after=300ms
    traffic "$1"
    same lost $((COUNT - $(got unique))) "$(stat_of up_lost)"
    same reordered "$(got reordered)" "$(stat_of up_reordered)"
    same copies "$(got duplicates)" $(($(stat_of up_duplicated) + $(stat_of up_replayed)))
    same forwarded "$(got received)" "$(stat_of up_forwarded)"
    share lost "$(stat_of up_lost)" 5
    within held "$(stat_of up_held)" "$(stat_of up_reordered)" $((COUNT / 20))
    within duplicated "$(stat_of up_duplicated)" 1 $((COUNT / 20))
    within replayed "$(stat_of up_replayed)" 1 $((COUNT / 20))
    link_set up loss=0 duplicate=0 reorder=0 replay=0
    local name expected
    for name in entered lost reordered duplicated replayed forwarded; do
        expected=0
        [ "$1" = plain ] || expected=$(stat_of "up_$name")
        same "${name}_opt of $1" "$expected" "$(stat_of "up_${name}_opt")"
    done
}

corruption() {
    link_set up corrupt=10
    traffic option
    # The UDP checksum finds every single flipped bit.
    same corrupted $((COUNT - $(got received))) "$(stat_of up_corrupted)"
    share corrupted "$(stat_of up_corrupted)" 10
    link_set up corrupt=0 corrupt-option=10
    traffic option
    same "payloads beside corrupted options" "$(got received)" "$COUNT"
    same "corrupted options" "$(got damaged_options)" "$(stat_of up_corrupted_option)"
    share "corrupted options" "$(stat_of up_corrupted_option)" 10
    link_set up corrupt-option=0
}

extension_headers() {
    link_set up drop-exthdr=on
    traffic plain
    same "plain packets on a path that drops options" "$(got received)" "$COUNT"
    traffic option
    same "packets with options on a path that drops them" "$(got received)" 0
    same dropped_exthdr "$COUNT" "$(stat_of up_dropped_exthdr_opt)"
    link_set up drop-exthdr=off
}

bad_commands() {
    local words
    for words in "both loss=101" "both loss=-1" "both loss=nan" "both delay=5" "both delay=-1ms" \
        "sideways loss=1" "both loss" "both nothing=1" "both drop-exthdr=maybe"; do
        # shellcheck disable=SC2086
        ! link_set $words 2>/dev/null || fail "accepted: set $words"
    done
}

net_up 42
delays
faults plain
faults option
corruption
extension_headers
bad_commands
echo "test_linksim: ok"
