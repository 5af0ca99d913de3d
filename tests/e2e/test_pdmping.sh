#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# pdmping against a link whose faults are known: delays, losses by direction, reordering,
# duplicates, late replies, who is to blame, and why nothing answers; against iputils' ping in the
# same run; what it prints, byte for byte, by its schema, and whatever happens to it; every exit
# code. Needs root.
#
#   tests/e2e/test_pdmping.sh [CASE...]
# shellcheck disable=SC2016 # the conditions are Python's
set -u
cd "$(dirname "$0")/../.." || exit
# shellcheck source=tests/net/netns.sh
. tests/net/netns.sh
# shellcheck source=tests/e2e/agents.sh
. tests/e2e/agents.sh
# shellcheck source=tests/e2e/ping.sh
. tests/e2e/ping.sh
# shellcheck source=tests/tally.sh
. tests/tally.sh

PYTHON=${PYTHON:-/usr/bin/python3}
PING=$AGENTS_BIN/pdmping
SLOWECHO=(chrt -f 5 "$AGENTS_BIN/tests/apps/slowecho") # a busy machine is no slow server
# NAME EXIT ARGUMENT...: a run with --json to $NET_DIR/NAME, and how it has to end.
ask() {
    local name=$1 wanted=$2 status=0
    link_reset
    client "$PING" --json "${@:3}" >"$NET_DIR/$name" || status=$?
    link_stats >"$NET_DIR/$name.link"
    [ "$status" -eq "$wanted" ] && return
    echo "FAIL  $name: exit code $status, not $wanted"
    tail -n 3 "$NET_DIR/$name"
    count 1
}

# NAME CONDITION...: of the run so called; see pdmping_check.py
judge() {
    "$PYTHON" tests/e2e/pdmping_check.py json "$1" "$NET_DIR/$1" "$NET_DIR/$1.link" "${@:2}"
    count $?
}

# VERDICT: as a condition
verdict() { echo "s['verdict']['verdict'] == '$1'"; }

ALL_ANSWERED='s["received"] == s["transmitted"] > 0'

# --- delays, and who is to blame ---

truth() {
    link_set both delay=10ms
    ask udp 0 -c 30 -i 0.03 "$SERVER_ADDR"
    judge udp "$ALL_ANSWERED" 'abs(s["network"]["mean"] - 20e6) < 1.5e6' \
        's["server"]["mean"] < 3e6' 's["lost"]["probes"] == 0'
}

stalling_server() {
    echo_stop
    echo_start chrt -f 5 "$PYTHON" tests/e2e/stalling_echo.py 7 100 150 || exit
    link_set both delay=5ms
    ask stall 0 -q -c 200 -i 0.02 "$SERVER_ADDR"
    judge stall "$ALL_ANSWERED" "$(verdict server)" 's["verdict"]["server_percent"] >= 90' \
        's["verdict"]["text"].startswith("SERVER causes ")'
    echo_stop
    echo_start "${SLOWECHO[@]}" :: 7 || exit
}

slowing_link() {
    link_set both delay=10ms
    { sleep 3 && link_set both delay=20ms; } &
    ask slowing 0 -q -c 120 -i 0.05 "$SERVER_ADDR"
    wait $!
    judge slowing "$ALL_ANSWERED" "$(verdict network)" 's["verdict"]["network_percent"] >= 75'
}

# --- what gets lost, and what is only late ---

# A probe in flight when another is lost tells nothing: the interval is longer than a round trip.
losses() {
    link_set both delay=2ms
    link_set up loss=12%
    link_set down loss=6%
    ask losses 0 -q -W 0.3 -c 250 -i 0.012 "$SERVER_ADDR"
    link_set both loss=0%
    judge losses 's["lost"]["probes"] == link["up_lost"] + link["down_lost"] > 10' \
        's["lost"]["to_server"] <= link["up_lost"] and s["lost"]["back"] <= link["down_lost"]' \
        's["lost"]["to_server"] > s["lost"]["back"] > 0 and s["lost"]["untold"] <= 8' \
        's["lost"]["to_server"] + s["lost"]["back"] + s["lost"]["untold"] == s["lost"]["probes"]'
}

reordering() {
    link_set both delay=2ms
    link_set down reorder=10% hold=35ms
    ask reordering 0 -c 100 -i 0.01 "$SERVER_ADDR"
    link_set down reorder=0%
    judge reordering "$ALL_ANSWERED" 's["reordered"] == link["down_reordered"] > 3' \
        '0 < s["options"]["reordered"] <= s["reordered"]' 's["late"] == s["lost"]["probes"] == 0' \
        's["reordered"] == sum(r["reordered"] for r in replies)'
}

duplicates() {
    link_set both delay=2ms
    link_set down duplicate=20%
    ask duplicates 0 -c 100 -i 0.01 "$SERVER_ADDR"
    link_set down duplicate=0%
    judge duplicates "$ALL_ANSWERED" 's["duplicates"] > 5' \
        'link["down_duplicated"] - 1 <= s["duplicates"] <= link["down_duplicated"]' \
        's["duplicates"] == sum(r["duplicate"] for r in replies)' 's["reordered"] == 0'
}

# What is held is late; if the run ends before it comes, it is lost.
late_replies() {
    link_set both delay=2ms
    link_set down reorder=8% hold=500ms
    ask late 0 -W 0.2 -c 150 -i 0.012 "$SERVER_ADDR"
    link_set down reorder=0%
    judge late 's["late"] > 3' 's["late"] == sum(r["late"] for r in replies)' \
        's["late"] + s["lost"]["probes"] == link["down_held"]' \
        'all(r["rtt"] >= 200e6 for r in replies if r["late"])' \
        'sum(e["type"] == "timeout" for e in events) == link["down_held"]'
}

# --- why nothing answers ---

# Without an agent, which may answer late, every probe has an option.
dropped_options() {
    export PDMV2_MODE=rfc8250
    link_set both delay=2ms drop-exthdr=on
    ask drops-both 1 -W 0.4 -c 2 -i 0.2 "$SERVER_ADDR"
    judge drops-both "$(verdict path-drops-options)" 's["options"]["sent"] == 2'
    link_set down drop-exthdr=off
    ask drops-up 1 -W 0.4 -c 2 -i 0.2 "$SERVER_ADDR"
    judge drops-up "$(verdict path-drops-options)" 's["control"]["service"]["answered"] > 0'
    link_set up drop-exthdr=off
    link_set down drop-exthdr=on
    ask drops-down 1 -W 0.4 -c 2 -i 0.2 "$SERVER_ADDR"
    judge drops-down "$(verdict service-silent)" '"path drops" in s["verdict"]["text"]'
    link_set down drop-exthdr=off
    unset PDMV2_MODE
}

silence() {
    link_set both loss=100%
    ask down 1 -W 0.4 -c 2 -i 0.2 "$SERVER_ADDR"
    link_set both loss=0%
    judge down "$(verdict host-down)" 's["control"]["echo"]["sent"] > 0' \
        'sum(e["type"] == "timeout" for e in events) == 2'

    ask closed 1 -c 2 -i 0.2 -p 7001 "$SERVER_ADDR"
    judge closed "$(verdict port-closed)" 's["errors"] == 2'
    ask tcp-closed 1 --tcp -c 2 -i 0.2 -p 7001 "$SERVER_ADDR"
    judge tcp-closed "$(verdict port-closed)" 's["errors"] == 2'
    ask request-closed 1 --tcp=request -c 2 -i 0.2 -p 7001 "$SERVER_ADDR"
    judge request-closed "$(verdict port-closed)" 's["errors"] == 2'

    start_server socat -u UDP6-RECV:7002 OPEN:/dev/null
    local mute=$STARTED
    wait_for "in_server ss -Hlnu 'sport = :7002' | grep -q ." 5
    { sleep 1; client "$AGENTS_BIN/pdmctl" flows >"$NET_DIR/flows"; } &
    ask silent 1 -W 1.5 -c 2 -i 0.2 -p 7002 "$SERVER_ADDR"
    judge silent "$(verdict service-silent)" 's["control"]["echo"]["answered"] > 0'
    kill "$mute"
    check "control probes are no flows" \
        eval "[ -s '$NET_DIR/flows' ] && ! grep -q icmpv6 '$NET_DIR/flows'"

    # Nobody whom no association names is sent an option, not even to find out.
    capture_start "$NET_DIR/unnamed.pcap" "ip6 dst host 2001:db8:2::99"
    ask unnamed 1 -W 0.4 -c 2 -i 0.2 2001:db8:2::99
    capture_stop
    judge unnamed "$(verdict host-down)" 's["control"]["echo_option"]["sent"] == 0' \
        's["control"]["echo"]["sent"] > 0'
    check "whom no association names gets no option" \
        [ "$(tshark -r "$NET_DIR/unnamed.pcap" -Y ipv6.dstopts 2>/dev/null | wc -l)" -eq 0 ]

    in_server nft -f - <<-'RULES'
	add table ip6 refusal
	add chain ip6 refusal input { type filter hook input priority 0; }
	add rule ip6 refusal input udp dport 7 reject with icmpv6 type admin-prohibited
	RULES
    ask refused 1 -c 1 "$SERVER_ADDR"
    in_server nft delete table ip6 refusal
    judge refused "$(verdict unreachable)" '"prohibited" in s["verdict"]["text"]'
    ask too-large 1 -M "do" -s 1453 -c 1 -W 0.4 "$SERVER_ADDR"
    judge too-large "$(verdict not-sent)" 's["refused"] == 1' \
        'sum(e["type"] == "error" for e in events) == 1'
}

# --- other ways to ask ---

# The two have the same link at the same time.
beside_ping() {
    local from=$NET_DIR/ping.out
    link_set both delay=10ms loss=0%
    in_client ping -6 -q -c 60 -i 0.02 "$SERVER_ADDR" >"$from" &
    ask icmp 0 --icmp -c 60 -i 0.02 "$SERVER_ADDR"
    wait $!
    local min mean
    IFS=/ read -r min mean _ < <(sed -n 's/^rtt [^=]*= //p' "$from")
    judge icmp "$ALL_ANSWERED" "abs(s['rtt']['min'] - $min * 1e6) < 0.3e6" \
        "abs(s['rtt']['mean'] - $mean * 1e6) < 1e6" 'all(r["bytes"] == 64 for r in replies)' \
        's["network"]["reason"] == s["server"]["reason"] == "kernel-answers"'
}

responder() {
    in_server sysctl -qw net.ipv6.icmp.echo_ignore_all=1
    start_server "$AGENTS_BIN/tests/apps/echoresponder" -t 20000 "$SERVER_ADDR"
    local pid=$STARTED
    wait_for 'in_server ss -Hlnw -f inet6 | grep -q .' 5
    ask responder 0 --icmp -c 15 -i 0.1 "$SERVER_ADDR"
    judge responder "$ALL_ANSWERED" 'abs(s["network"]["mean"] - 20e6) < 1.5e6' \
        '20e6 <= s["server"]["mean"] < 28e6'
    kill "$pid" && wait "$pid" 2>/dev/null
    in_server sysctl -qw net.ipv6.icmp.echo_ignore_all=0
}

tcp() {
    start_server socat TCP6-LISTEN:7003,fork,reuseaddr PIPE
    local pid=$STARTED
    wait_for "in_server ss -Hlnt 'sport = :7003' | grep -q ." 5
    ask connect 0 --tcp -c 10 -i 0.05 -p 7003 "$SERVER_ADDR"
    judge connect "$ALL_ANSWERED" 'abs(s["rtt"]["mean"] - 20e6) < 1.5e6' \
        's["network"]["reason"] == "handshake"' 's["lost"]["reason"] == "tcp"'
    ask request 0 --tcp=request -c 20 -i 0.08 -s 300 -p 7003 "$SERVER_ADDR"
    judge request "$ALL_ANSWERED" 's["network"]["samples"] >= 10' \
        'abs(s["network"]["mean"] - 20e6) < 1.5e6' 'all(r["bytes"] == 300 for r in replies)'
    end_service "$pid"
}

# Without CAP_NET_RAW there is the kernel's ping socket, if the group may have one.
unprivileged() {
    local as=(setpriv --reuid nobody --regid nogroup --clear-groups)
    in_client sysctl -qw net.ipv4.ping_group_range="1 0"
    in_client "${as[@]}" "$PING" --icmp -c 1 "$SERVER_ADDR" >/dev/null 2>"$NET_DIR/err"
    failed_well "--icmp without any privilege" "ping_group_range"
    in_client sysctl -qw net.ipv4.ping_group_range="0 65535"
    link_reset
    in_client "${as[@]}" "$PING" --json --icmp -c 3 -i 0.1 "$SERVER_ADDR" >"$NET_DIR/nobody"
    link_stats >"$NET_DIR/nobody.link"
    in_client sysctl -qw net.ipv4.ping_group_range="1 0"
    judge nobody "$ALL_ANSWERED" 's["network"]["reason"] == "kernel-answers"'
}

several() {
    ask several 0 -c 5 -i 0.06 "$SERVER_ADDR" "$SERVER_ADDR" "$SERVER_ADDR"
    judge several 'len(summaries) == 3' 'all(s["received"] == 5 for s in summaries)' \
        'events[-1]["type"] == "total" and events[-1]["received"] == 15' \
        'events[-1]["rtt"]["samples"] == 15'
    ask sweep 0 -c 9 -i 0.03 --sweep 100:1300:600 "$SERVER_ADDR"
    judge sweep "$ALL_ANSWERED" '[r["bytes"] - 8 for r in replies] == [100, 700, 1300] * 3' \
        'all(size["received"] == 3 for size in s["sizes"].values()) and len(s["sizes"]) == 3'
    ask adaptive 0 -A -c 20 -i 1 "$SERVER_ADDR"
    judge adaptive "$ALL_ANSWERED" 's["elapsed"] < 2e9'
    ask flood 0 -f -q -c 100 "$SERVER_ADDR"
    judge flood "$ALL_ANSWERED" 's["elapsed"] < 3e9'
}

# Traffic class, hop limit, size and pattern as they are on the wire.
on_the_wire() {
    capture_start "$NET_DIR/wire.pcap" "ip6 src host $CLIENT_ADDR"
    client "$PING" -q -c 2 -i 0.1 -Q 0x2e -t 9 -s 100 -M "do" --pattern c0ffee "$SERVER_ADDR" \
        >/dev/null
    capture_stop
    tshark -r "$NET_DIR/wire.pcap" -Y 'udp.dstport == 7' -T fields -E separator=, \
        -e ipv6.tclass -e ipv6.hlim -e udp.length -e udp.payload >"$NET_DIR/wire" 2>/dev/null
    check "class, hops, size and pattern are on the wire" \
        [ "$(grep -cE '^(46|0x0*2e),9,108,[0-9a-f]{48}(c0ffee){25}c0$' "$NET_DIR/wire")" -eq 2 ]
}

# --- output ---

# The first replies of a flow may have no figures, and one that follows a mark.
mask() {
    sed -E 's/ net=(n\/a \([^)]*\)|[0-9.]+)( ms)?/ net=#/; s/ srv=(n\/a \([^)]*\)|[0-9.]+\*?)( ms)?$/ srv=#/
        s/ time=[0-9.]+/ time=#/; s/ = [0-9./]+ ms/ = # ms/g; s/time [0-9]+ms/time #ms/
        s/^\[[0-9]+\.[0-9]{6}\] /[#] /; s/\[N*S*\]  network .*/[#]/; s/, [0-9.]+ ms of [0-9]+ /, # ms of # /
        s/for [0-9]+ probes/for # probes/; /^note: [0-9]+ server delays/d'
}

# LABEL: standard input must be the text in $WANTED
golden() {
    local got
    got=$(mask)
    if [ "$got" = "$WANTED" ]; then
        check "golden text: $1" true
    else
        diff <(echo "$WANTED") <(echo "$got")
        check "golden text: $1" false
    fi
}

text() {
    link_set both delay=5ms
    WANTED="PDMPING $SERVER_ADDR($SERVER_ADDR) 56 data bytes
[#] 64 bytes from $SERVER_ADDR: icmp_seq=1 ttl=64 time=# ms net=# srv=#
[#] 64 bytes from $SERVER_ADDR: icmp_seq=2 ttl=64 time=# ms net=# srv=#
[#] 64 bytes from $SERVER_ADDR: icmp_seq=3 ttl=64 time=# ms net=# srv=#

--- $SERVER_ADDR ping statistics ---
3 packets transmitted, 3 received, 0% packet loss, time #ms
rtt min/avg/max/mdev = # ms
net avg = # ms   srv avg = # ms
mean  [#]
jitter (RFC 3550) rtt = # ms   net = # ms
note: server delay's resolution is 2^-15 of its value
slo net.p99=1s: met, # ms of # samples, which are few for a percentile
slo loss=0%: met, 0% of 3 probes
verdict: none, for # probes have both delays, and 100 are needed"
    client "$PING" -D -c 3 -i 0.1 --slo net.p99=1s,loss=0% "$SERVER_ADDR" | golden "UDP"

    WANTED="PDMPING $SERVER_ADDR($SERVER_ADDR) 56 data bytes
From $SERVER_ADDR icmp_seq=1 Destination unreachable: Port unreachable

--- $SERVER_ADDR ping statistics ---
1 packets transmitted, 0 received, +1 errors, 100% packet loss, time #ms
verdict: PORT CLOSED: the host is up, and nothing listens on UDP port 7001"
    client "$PING" -c 1 -p 7001 "$SERVER_ADDR" | golden "a closed port"

    WANTED="PDMPING $SERVER_ADDR($SERVER_ADDR) 56 data bytes
no answer yet for icmp_seq=1

--- $SERVER_ADDR ping statistics ---
2 packets transmitted, 0 received, 100% packet loss, time #ms
lost by direction = n/a (no reply)
verdict: HOST DOWN, or no way to it: 2 control probes without the option had no answer either"
    link_set both loss=100%
    client "$PING" -O -c 2 -i 0.2 -W 0.4 "$SERVER_ADDR" | golden "no reply"
    link_set both loss=0%

    client "$PING" -f -c 3 "$SERVER_ADDR" | sed -n 2p >"$NET_DIR/dots"
    check "a flood's dots come and go" \
        [ "$(tr -cd . <"$NET_DIR/dots" | wc -c) $(tr -cd '\b' <"$NET_DIR/dots" | wc -c)" = "3 6" ]

    client "$PING" --csv -c 5 -i 0.05 "$SERVER_ADDR" >"$NET_DIR/csv" 2>"$NET_DIR/csv.err"
    "$PYTHON" tests/e2e/pdmping_check.py csv "CSV" "$NET_DIR/csv" 5
    count $?
    check "CSV: the summary is on standard error" grep -q '^5 packets transmitted' "$NET_DIR/csv.err"
}

# A name that has no address is an error in JSON too.
errors_inside() {
    link_stats >"$NET_DIR/name.link"
    client "$PING" --json nosuch.invalid >"$NET_DIR/name" 2>/dev/null
    check "exit code 2 without an address" [ $? -eq 2 ]
    judge name 'len(events) == 1 and events[0]["type"] == "error"' \
        '"no IPv6 address" in events[0]["error"]'
}

# NAME SIGNAL SECONDS ARGUMENT...: a run that gets a signal after the first line and so long
disturbed() {
    local name=$NET_DIR/$1 pid
    rm -f "$name"
    agents_start client "$PING" --json "${@:4}" "$SERVER_ADDR" >"$name"
    pid=$STARTED
    wait_for "[ -s '$name' ]" 5
    sleep "$3"
    kill "-$2" "$pid"
    wait "$pid"
}

# What was printed is whole, and the summary comes last.
interrupted() {
    local seconds bad=0
    link_set both delay=1ms
    link_stats >"$NET_DIR/stop.link"
    for seconds in $(for _ in {1..20}; do printf '0.%03d ' $((RANDOM % 120)); done); do
        disturbed stop INT "$seconds" -i 0.002 || bad=1
        "$PYTHON" tests/e2e/pdmping_check.py json "^C after $seconds s" "$NET_DIR/stop" \
            "$NET_DIR/stop.link" 'events[-1]["type"] == "summary"' \
            's["received"] == len(replies)' >"$NET_DIR/stop.out" 2>&1 && continue
        cat "$NET_DIR/stop.out"
        bad=1
    done
    check "^C at 20 moments: valid JSON, and a summary" [ "$bad" -eq 0 ]
}

interim() {
    disturbed quit QUIT 0.1 -c 40 -i 0.02
    link_stats >"$NET_DIR/quit.link"
    judge quit "$ALL_ANSWERED" 'sum(e["type"] == "interim" for e in events) == 1'
}

# CODE ARGUMENT...
exits() {
    local status=0
    client "$PING" "${@:2}" >/dev/null 2>"$NET_DIR/err" || status=$?
    check "exit code $1: pdmping ${*:2}" [ "$status" -eq "$1" ]
}

exit_codes() {
    exits 0 -c 1 "$SERVER_ADDR"
    exits 0 -c 12 -i 0.02 --require-pdm --slo rtt.max=5s,srv.mean=1s,loss=0% "$SERVER_ADDR"
    exits 1 -c 1 -p 7001 "$SERVER_ADDR"
    link_set both loss=100%
    exits 1 -w 0.3 -c 5 -i 0.1 "$SERVER_ADDR"
    exits 1 -c 1 -W 0.2 --require-pdm --slo loss=0% "$SERVER_ADDR"
    link_set both loss=0%
    exits 2 -4 "$SERVER_ADDR"
    exits 2 --slo net.p99 "$SERVER_ADDR"
    exits 2 fe80::1
    exits 2 --json --csv "$SERVER_ADDR"
    exits 2 -I nosuchdevice "$SERVER_ADDR"
    exits 3 -c 12 -i 0.02 --slo rtt.p99=1us "$SERVER_ADDR"
    exits 3 -c 1 --slo srv.max=1s --icmp "$SERVER_ADDR"
    exits 4 -c 1 --require-pdm --icmp "$SERVER_ADDR"
    exits 4 -c 1 --require-pdm --slo rtt.max=1us --icmp "$SERVER_ADDR"
}

# LABEL WORD: the last command's status, and what it said on standard error
failed_well() {
    local status=$?
    check "$1: an error, no signal" eval "[ $status -eq 2 ] && grep -q '$2' '$NET_DIR/err'"
}

bad_outputs() {
    local statuses
    client "$PING" -c 3 -i 0.02 "$SERVER_ADDR" >&- 2>"$NET_DIR/err"
    failed_well "standard output closed" "standard output is closed"
    client "$PING" -c 3 -i 0.02 "$SERVER_ADDR" >/dev/full 2>"$NET_DIR/err"
    failed_well "standard output full" "No space left"
    client "$PING" --json -c 3 -i 0.02 "$SERVER_ADDR" >/dev/full 2>"$NET_DIR/err"
    failed_well "JSON, standard output full" "No space left"
    client "$PING" -c 50 -i 0.02 "$SERVER_ADDR" 2>"$NET_DIR/err" | head -n 1 >/dev/null
    statuses=${PIPESTATUS[0]}
    (exit "$statuses")
    failed_well "a pipe that closes" "Broken pipe"
}

AGENTS_SETTINGS=("${AGENTS_PATIENT[@]}")
net_up 1 || exit
agents_up encrypted || exit
echo_start "${SLOWECHO[@]}" :: 7 || exit
[ $# -gt 0 ] || set -- truth stalling_server slowing_link losses reordering duplicates late_replies \
    dropped_options silence beside_ping responder tcp unprivileged several on_the_wire text errors_inside interrupted interim \
    exit_codes bad_outputs
for part in "$@"; do
    "$part"
done
echo_stop
agents_down
tally
