#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Paths that drop packets with options, from the start and from the middle of a conversation: what a
# program notices of it, with the library and without; the agent's verdicts, their bounds, and what
# keeps it from having one. As root. CHECK_LONG=1 also waits until a path is found mended by itself.
#
#   tests/e2e/test_path.sh [PART...]   start middle loss silent settings privilege bounds
# shellcheck disable=SC2317 # the part_ functions are called by a name made up
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${BUILD:=build}" "${CHECK_LONG:=0}" "${PYTHON:=/usr/bin/python3}"
# shellcheck source=tests/net/netns.sh
. tests/net/netns.sh
# shellcheck source=tests/e2e/agents.sh
. tests/e2e/agents.sh
# shellcheck source=tests/tally.sh
. tests/tally.sh

PORT=7300
TRIALS=3      # first conversations of each kind, each with agents that know nothing yet
FIRST_MS=50   # what the library may cost the first answer
RTO_MS=300    # one retransmission timeout: what it may cost a segment with an option
UDP_LOST_S=6  # each side notices after 1 s and 8 datagrams, the server when the client has
TALK=12       # seconds of a conversation in the middle of which the path changes
LOSSY_PEERS=60
LOSSY_CARRY=57 # of them at least: two probings in a row fail by chance once in 400 times
MANY=1000
MANY_SECONDS=6
RATE=50 # echoes a second that the manual promises
ANYCAST=2001:db8:2:1:: # every address in it is the server's

# --- what programs and agents are asked ---

path_client() { echo "$PYTHON" tests/e2e/path_client.py "$@"; }

# NAME: of the client's flows to PORT with protocol $PROTO, newest first, "NAME=VALUE" of the JSON.
flow_value() {
    client "$BUILD/pdmctl" --json flows | jq -r "select(.protocol == \"$PROTO\" and
        (.peer | endswith(\":$PORT\"))) | .$1" | tail -n 1
}
flow_is() { [ "$(flow_value "$1")" = "$2" ] || { client "$BUILD/pdmctl" flows; return 1; }; }
# NAME VALUE SECONDS
flow_becomes() {
    wait_for "[ \"\$(flow_value $1)\" = $2 ]" "$3" || { flow_is "$1" "$2"; return 1; }
}
flow_exceeds() {
    wait_for "[ \"\$(flow_value $1)\" -gt $2 ] 2>/dev/null" "$3" || flow_is "$1" "> $2"
}
logged() { grep -F -- "$2" "$NET_DIR/$1/log" || { cat "$NET_DIR/$1/log"; return 1; }; }
silent_of() { ! logged "$@"; }

# Echo services for both protocols, with the library or (bare) without.
services() {
    local start=start_server proto
    [ "${1:-}" != bare ] || start=start_in_server
    SERVICES=()
    for proto in TCP UDP; do
        "$start" socat $proto"6-LISTEN:$PORT,fork,reuseaddr" PIPE 2>/dev/null
        SERVICES+=("$STARTED")
    done
    wait_for "in_server ss -Hlntu 'sport = :$PORT' | grep -c . | grep -qx 2" 5
}
services_end() {
    local pid
    for pid in "${SERVICES[@]}"; do
        end_service "$pid"
    done
}

up() {
    AGENTS_PATH=${1:-probe}
    agents_up encrypted && services
}
down() {
    services_end
    agents_down
}

# PROTO SECONDS: a conversation with the library, in the background
talk_for() {
    PROTO=$1
    # shellcheck disable=SC2046 # words
    start_client $(path_client talk "$1" "$SERVER_ADDR" $PORT "$2") >"$NET_DIR/talk"
    TALKING=$STARTED
}

# What is about milliseconds may fail on a busy machine: three times in a row is no accident.
patiently() { "$@" || "$@" || "$@"; }

# --- from the start ---

median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

# Milliseconds to the first answer, TRIALS times: files $NET_DIR/PROTO.absent and .shim
first_answers() {
    local proto i
    rm -f "$NET_DIR/"*.absent "$NET_DIR/"*.shim
    for ((i = 0; i < TRIALS; i++)); do
        services bare || return
        for proto in tcp udp; do
            # shellcheck disable=SC2046 # words
            in_client $(path_client first $proto "$SERVER_ADDR" $PORT) \
                >>"$NET_DIR/$proto.absent" || return
        done
        services_end
        up || return
        for proto in tcp udp; do
            # shellcheck disable=SC2046
            client env LD_PRELOAD="$AGENTS_BIN/libpdmv2.so" \
                $(path_client first $proto "$SERVER_ADDR" $PORT) >>"$NET_DIR/$proto.shim" || return
        done
        down
    done
}

# PROTO
first_is_soon() {
    local absent shim
    absent=$(median <"$NET_DIR/$1.absent")
    shim=$(median <"$NET_DIR/$1.shim")
    echo "$1: without the library $absent ms, with it $shim ms"
    awk "BEGIN { exit !($shim <= $absent + $FIRST_MS) }"
}

all_answered() { grep -q . "$NET_DIR/talk" && ! grep -e '-$' "$NET_DIR/talk"; }

# While talking PROTO over a path that drops from the start.
nothing_attached() {
    talk_for "$1" 4
    check "$1: the verdict is that the path drops" flow_becomes path drops 4
    check "$1: nothing was attached" flow_is options_sent 0
    wait "$TALKING"
    check "$1: every exchange got its answer" all_answered
}

# Two probings of one path, perhaps not all of it.
status_counts() {
    client "$BUILD/pdmctl" --json status | head -n 1 |
        jq -e '.paths == 1 and .probes >= 6 and .probes <= 12'
}

part_start() {
    link_set both drop-exthdr=on delay=10ms
    check "the first answer comes within $FIRST_MS ms of that without the library" \
        patiently eval 'first_answers && first_is_soon tcp && first_is_soon udp'
    up || exit
    link_reset
    nothing_attached tcp
    nothing_attached udp
    check "the agent tells of it" logged client "drops packets with options"
    check "status counts paths and probes" status_counts
    down
    link_set both drop-exthdr=off delay=0ms
}

# --- from the middle ---

# FILE: milliseconds of the longest exchange
longest() { awk '$2 > most { most = $2 } END { print most }' "$1"; }

# TCP: retransmission repairs what the path drops, once for each segment with an option: SEGMENTS of
# an exchange.
no_longer() {
    local absent shim
    absent=$(longest "$NET_DIR/talk.absent")
    shim=$(longest "$NET_DIR/talk")
    echo "longest exchange without the library: $absent ms, with it: $shim ms"
    awk "BEGIN { exit !($shim <= $absent + $1 * $RTO_MS) }"
}

# SECONDS at most from when the path began to drop to answers, three in a row.
answered_again() {
    awk -v most="$1" -v since="$DROPPED" '$1 < since { next }
        $2 == "-" { lost = 1; row = 0; next }
        lost && ++row == 3 { took = $1 - since; exit }
        END { printf "%.1f s\n", took; exit !took || took > most }' "$NET_DIR/talk"
}

# PROTO SECONDS: a conversation with the library, and options flow
talk_with_options() {
    talk_for "$1" "$2"
    flow_exceeds options_sent 10 5 && flow_is path carries
}

# DIR SEGMENTS: TCP over a path that begins to drop what goes in that direction.
costs_timeouts() {
    local status
    up || return
    # shellcheck disable=SC2046
    in_client $(path_client talk tcp "$SERVER_ADDR" $PORT 3) >"$NET_DIR/talk.absent"
    talk_with_options tcp 4
    status=$?
    link_set "$1" drop-exthdr=on
    wait "$TALKING"
    link_set both drop-exthdr=off
    down
    [ "$status" -eq 0 ] && no_longer "$2"
}

# Withdrawn while the path drops, and there again once it is mended.
middle() {
    local sent
    check "$1: options flow" talk_with_options "$1" $TALK
    link_set both drop-exthdr=on
    DROPPED=$EPOCHREALTIME
    check "$1: they are withdrawn, and the path is found to drop" flow_becomes path drops 8
    check "$1: the flow says so" flow_exceeds withdrawn 0 1
    sent=$(flow_value options_sent)
    sleep 1
    check "$1: none was sent since" flow_is options_sent "$sent"
    link_set both drop-exthdr=off
    kill -HUP "${AGENTS_PIDS[@]}"
    check "$1: a reload probes the mended path" flow_becomes path carries 5
    check "$1: options flow again" flow_exceeds options_sent "$sent" 8
    wait "$TALKING"
}

part_middle() {
    link_set both delay=1ms
    check "tcp: a path that drops one way costs an exchange one retransmission timeout" \
        patiently costs_timeouts up 1
    check "tcp: one that drops both ways costs one for each of its two segments" \
        patiently costs_timeouts both 2
    up || exit
    middle tcp
    down
    up || exit
    middle udp
    check "udp: answers come again after $UDP_LOST_S s at most" answered_again $UDP_LOST_S
    [ "$CHECK_LONG" = 0 ] || mends_by_itself
    down
    link_set both delay=0ms
}

mends_by_itself() {
    link_set both drop-exthdr=on
    talk_for udp 95
    check "a path that begins to drop between conversations" flow_becomes path drops 8
    link_set both drop-exthdr=off
    check "is found mended by itself" flow_becomes path carries 80
    kill "$TALKING"
    wait "$TALKING" 2>/dev/null
}

# --- many paths ---

# PREFIX for all associations; every address of ANYCAST is the server's.
many_up() {
    AGENTS_SETTINGS=("${AGENTS_PATIENT[@]}")
    ip -n "$SERVER_NS" route replace local "${ANYCAST}/64" dev lo &&
        ip -n "$CLIENT_NS" route replace "${ANYCAST%:1::}::/48" dev $NET_DEV src "$CLIENT_ADDR" &&
        up && sed -i 's/^peer = .*/peer = 2001:db8:2::\/48/' "$NET_DIR/client/conf" &&
        kill -HUP "${AGENTS_PIDS[0]}" && wait_for "logged client reloaded >/dev/null" 5
}
many_down() {
    down
    AGENTS_SETTINGS=()
}

spray() { # PREFIX COUNT SECONDS
    # shellcheck disable=SC2046
    start_client $(path_client spray "$1" "$2" 9 "$3")
    SPRAYING=$STARTED
}

verdicts() { client "$BUILD/pdmctl" --json flows | jq -r .path | sort | uniq -c; }
at_least_carry() { [ "$(verdicts | awk '$2 == "carries" { print $1 }')" -ge "$1" ]; }

none_drops() {
    verdicts
    ! verdicts | grep -q drops
}

part_loss() {
    many_up || exit
    link_set both loss=5
    spray $ANYCAST $LOSSY_PEERS 10
    check "of $LOSSY_PEERS paths that lose 5% each way, $LOSSY_CARRY are found to carry" \
        wait_for "at_least_carry $LOSSY_CARRY" 12
    check "and none to drop" none_drops
    wait "$SPRAYING"
    link_set both loss=0
    many_down
}

# Echo requests of the client in FILE: those of the busiest whole second, all, and the time between
# the first and the last.
echoes() {
    tcpdump -n -tt -r "$1" 2>/dev/null | awk '{ n[int($1)]++; if (NR == 1) first = $1; last = $1 }
        END { for (s in n) if (n[s] > most) most = n[s]; print most + 0, NR, last - first }'
}
# The bucket holds a second's worth: never more than that and the rate times the time. A busy machine
# makes the time longer than MANY_SECONDS.
within_rate() {
    local most all span
    read -r most all span < <(echoes "$NET_DIR/echoes.pcap")
    echo "$all echoes in $span s, $most in the busiest second"
    [ "$all" -ge $((RATE * 2)) ] && [ "$most" -le $((2 * RATE)) ] &&
        awk -v all="$all" -v span="$span" -v rate="$RATE" 'BEGIN { exit !(all <= rate * (span + 1.1)) }'
}

has_flows() { client "$BUILD/pdmctl" --json status | head -n 1 | jq -e ".flows >= $1"; }

part_bounds() {
    many_up || exit
    # Of the client alone: type 128, behind a Destination Options header of 40 octets or none.
    capture_start "$NET_DIR/echoes.pcap" "src host $CLIENT_ADDR and
        ((ip6[6] = 58 and ip6[40] = 128) or (ip6[6] = 60 and ip6[40] = 58 and ip6[80] = 128))" || exit
    spray 2001:db8:2:2:: $MANY $MANY_SECONDS
    check "$MANY peers at once: the agent has their flows" \
        wait_for "has_flows $((MANY / 2))" $MANY_SECONDS
    wait "$SPRAYING"
    capture_stop
    check "$MANY peers at once: $RATE echoes a second" within_rate
    many_down
}

# --- no verdict ---

part_silent() {
    in_server nft -f - <<'END' || exit
table ip6 silent {
    chain in {
        type filter hook input priority 0
        icmpv6 type echo-request drop
    }
}
END
    up || exit
    talk_for udp 8
    check "a peer that answers no echo: the path cannot be probed" flow_becomes path unprobed 7
    check "and nothing is attached" flow_is options_sent 0
    check "the agent says what to do" logged client "set path = trust"
    wait "$TALKING"
    down
    up trust || exit
    talk_for udp 2
    check "with path = trust options flow" flow_exceeds options_sent 5 2
    check "as on a path that carries" flow_is path carries
    wait "$TALKING"
    down
    in_server nft delete table ip6 silent
}

# SIDE TEXT: has reloaded, and not said it again.
said_once() {
    wait_for "logged $1 reloaded >/dev/null" 5 && sleep 0.1
    logged "$1" "$2"
    [ "$(grep -cF -- "$2" "$NET_DIR/$1/log")" = 1 ]
}

part_settings() {
    local name
    for name in number length; do
        in_server sysctl -q -w net.ipv6.max_dst_opts_$name=0 || exit
        up || exit
        check "max_dst_opts_$name = 0: the agent says so" \
            logged server "net.ipv6.max_dst_opts_$name = 0"
        check "the other host's agent does not" silent_of client max_dst_opts
        check "pdmctl status does too" eval "server $BUILD/pdmctl status | grep '^warning .*drops'"
        talk_for udp 4
        check "peers find the path to drop" flow_becomes path drops 4
        wait "$TALKING"
        in_server sysctl -q -w net.ipv6.max_dst_opts_$name=8192
        kill -HUP "${AGENTS_PIDS[1]}"
        check "after a reload it says no more" said_once server max_dst_opts
        down
    done
    in_server sysctl -q -w net.ipv6.max_dst_opts_number=8
}

part_privilege() {
    up || exit
    kill "${AGENTS_PIDS[0]}" && wait "${AGENTS_PIDS[0]}"
    agents_start client setpriv --bounding-set=-net_raw --inh-caps=-net_raw \
        "$AGENTS_BIN/pdmkeyagent" -c "$NET_DIR/client/conf" 2>"$NET_DIR/client/log"
    AGENTS_PIDS[0]=$STARTED
    wait_for "[ -S '$NET_DIR/client/agent.sock' ]" 5
    check "an agent without CAP_NET_RAW says what to do" eval \
        'wait_for "logged client \"setcap cap_net_raw+ep\" >/dev/null" 5'
    talk_for udp 2
    check "nothing is attached" eval 'flow_becomes path unprobed 2 && flow_is options_sent 0'
    wait "$TALKING"
    check "the conversation goes on" all_answered
    sed -i 's/^path = probe/path = trust/' "$NET_DIR/client/conf"
    kill -HUP "${AGENTS_PIDS[0]}"
    check "with path = trust it does not mind" said_once client setcap
    talk_for udp 3
    check "and options flow" flow_exceeds options_sent 5 3
    wait "$TALKING"
    check "-t does not need it" setpriv --bounding-set=-net_raw --inh-caps=-net_raw \
        "$AGENTS_BIN/pdmkeyagent" -t -c "$NET_DIR/client/conf"
    down
}

net_up 23 || exit
[ $# -gt 0 ] || set -- start middle loss silent settings privilege bounds
for part in "$@"; do
    "part_$part"
done
tally
