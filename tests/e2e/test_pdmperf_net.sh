#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# pdmperf -s and -C: against iperf3 on the same link, with its keys; losses are what the link dropped,
# delays those that are set; whose the latency under load is; several clients, hostile ones, ends of
# every kind. As root.
#
#   tests/e2e/test_pdmperf_net.sh [PART...]   truth link latency iperf clients ends output hostile
# shellcheck disable=SC2317 # called by check
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/net/netns.sh
. tests/net/netns.sh
# shellcheck source=tests/e2e/agents.sh
. tests/e2e/agents.sh
# shellcheck source=tests/tally.sh
. tests/tally.sh

unset XDG_RUNTIME_DIR PDMV2_AGENT PDMV2_MODE LD_PRELOAD
: "${PYTHON:=/usr/bin/python3}"
PERF=$AGENTS_BIN/pdmperf
PORT=5301
LINK_MS=10
THINK_MS=20
NETWORK_MS=$((2 * LINK_MS))

told() { "$PYTHON" -B tests/e2e/perf_net_check.py "$@"; }
perf() { client timeout 60 "$PERF" -C "$SERVER_ADDR" -p "$PORT" "$@"; }
json() { perf -J "$@" >"$WORK/json"; }
fails() { ! "$@"; }

# ARGUMENT...: a server of its own, whose output is in $WORK/server; see $SERVER
serve() {
    agents_start server "$PERF" -s -p "$PORT" "$@" >"$WORK/server" 2>"$WORK/server.err"
    SERVER=$STARTED
    wait_for "in_server ss -Hlnt | grep -q ':$PORT '" 5
}
served() { # CODE: it ends so
    local status
    wait_for "has_ended $SERVER" 5 || return
    wait "$SERVER"
    status=$?
    cat "$WORK/server.err"
    echo "exit code $status"
    [ "$status" -eq "$1" ]
}
stop_serving() {
    kill "$SERVER" 2>/dev/null
    wait "$SERVER" 2>/dev/null
}

# --- requests and answers ---

part_truth() {
    local think=(--think "$THINK_MS")
    check "TCP, requests" json --rr "${think[@]}" -t 1.5
    check "... network and server" told truth "$WORK/json" $NETWORK_MS $THINK_MS
    check "UDP, requests" json --rr -u "${think[@]}" -t 1.5
    check "... network and server" told truth "$WORK/json" $NETWORK_MS $THINK_MS
    check "three at once, larger" json --rr -l 500 --answer 1000 --think $((3 * THINK_MS)) -P 3 -t 1.5
    check "... whose they are" told verdict "$WORK/json" server 60 $((3 * THINK_MS))
    check "-n" json --rr -u -n 60 -P 3
    check "... so many" jq -e '.pdm.transactions == 60' "$WORK/json"
    check "... the network's" told verdict "$WORK/json" network 80 $LINK_MS
}

# --- what the link does ---

# Over the way to the server, since the simulator starts to count.
link_did() { DROPPED=$(link_stat up_lost) REORDERED=$(link_stat up_reordered); }

part_link() {
    local DROPPED REORDERED
    link_reset
    link_set up loss=5%
    check "UDP over a link that loses 5%" json -u -b 8M -t 1.5
    link_did
    link_set up loss=0%
    check "... loses what the link dropped ($DROPPED)" told loss "$WORK/json" "$DROPPED" "$REORDERED"
    link_reset
    link_set up reorder=3% hold=5ms duplicate=3%
    check "UDP over one that reorders and doubles" json -u -b 8M -t 1.5
    link_did
    link_set up reorder=0% duplicate=0%
    check "... is out of order so often ($REORDERED)" told loss "$WORK/json" 0 "$REORDERED"
    check "... and something was" [ "$REORDERED" -gt 10 ]
    check "the pace" told rate "$WORK/json" 8e6 3
}

# --- idle and loaded ---

bottleneck() { # SIDE RATE QUEUE_MS
    in_"$1" tc qdisc add dev "$NET_DEV" root tbf rate "$2" burst 6kb latency "$3ms"
}
no_bottleneck() { in_"$1" tc qdisc del dev "$NET_DEV" root; }

# Four fifths of the time the server does not run, once there is load.
slow_server() {
    local i
    sleep 1.3
    for ((i = 0; i < 15; i++)); do
        kill -STOP "$SERVER" && sleep 0.08
        kill -CONT "$SERVER" && sleep 0.02
    done
}

without_agent() {
    in_client env PDMV2_AGENT=/nonexistent "$PERF" -C "$SERVER_ADDR" -p "$PORT" -J "$@" \
        >"$WORK/json"
}

part_latency() {
    check "a little load" json -u -b 1M -t 1
    check "... is not felt" told verdict "$WORK/json" none 0 0
    bottleneck client 10mbit 150
    check "more than the link takes" json -u -b 15M -t 2
    no_bottleneck client
    check "... fills a queue of the network's" told verdict "$WORK/json" network 90 40
    slow_server &
    local slow=$!
    check "a server that is slow under load" json -u -b 1M -t 2.5
    wait "$slow"
    check "... causes it" told verdict "$WORK/json" server 80 15
    check "no agent" without_agent -t 0.5 -b 1M
    check "... says why there is no verdict" told reason "$WORK/json" no-agent
}

# --- iperf3 ---

# NAME PERCENT ARGUMENT...: iperf3 and ours with the same arguments
beside_iperf() {
    in_client timeout 30 iperf3 -c "$SERVER_ADDR" -p 5302 -J "${@:3}" >"$WORK/iperf"
    check "$1" json "${@:3}"
    check "... as much as iperf3" told agree "$WORK/json" "$WORK/iperf" "$2"
    check "... has its keys" told keys "$WORK/json" "$WORK/iperf"
}

part_iperf() {
    link_set both delay=1ms
    start_in_server iperf3 -s -p 5302 >/dev/null
    local iperf=$STARTED
    wait_for "in_server ss -Hlnt | grep -q ':5302 '" 5
    bottleneck client 40mbit 50 && bottleneck server 40mbit 50
    beside_iperf "TCP" 15 -t 2
    check "... nearly what the link takes" told rate "$WORK/json" 36e6 15
    beside_iperf "TCP, the other way" 15 -t 2 -R
    beside_iperf "UDP" 3 -t 1 -u -b 4M -l 1000
    beside_iperf "UDP, the other way, two" 3 -t 1 -u -b 2M -l 1000 -R -P 2
    beside_iperf "TCP, both ways" 30 -t 2 --bidir
    beside_iperf "UDP, both ways" 3 -t 1 -u -b 2M -l 1000 --bidir
    no_bottleneck client
    no_bottleneck server
    link_set both delay=${LINK_MS}ms
    kill "$iperf"
    wait "$iperf" 2>/dev/null
}

# --- clients ---

part_clients() {
    local i pids=() good=0
    check "--bidir, two each" json --bidir -P 2 -t 1
    check "... four streams" told whole "$WORK/json" 4
    check "-n" json -n 3000000 -P 3
    check "... so many octets" told octets "$WORK/json" sum_sent 3000000
    check "-n -R" json -n 3000000 -R -u -b 40M
    check "... all of them" jq -e '.end.sum_sent.bytes >= 3000000 and .end.sum.lost_packets == 0' \
        "$WORK/json"
    check "-O" json -O 1 -t 1 -i 0.5 -b 4M
    check "... leaves them out" told omitted "$WORK/json" 2
    check "--json-stream" perf --json-stream -t 0.5 -i 0.2 -b 4M
    perf --json-stream -t 0.5 -i 0.2 -b 4M >"$WORK/events"
    check "... is events" told stream "$WORK/events"
    # One of them stops in the middle, a stranger says nothing.
    agents_start client "$PERF" -C "$SERVER_ADDR" -p "$PORT" -R -t 20 >/dev/null 2>&1
    local stalled=$STARTED
    start_in_client socat -u PIPE "TCP6:[$SERVER_ADDR]:$PORT"
    local stranger=$STARTED
    sleep 1.5
    kill -STOP "$stalled"
    for ((i = 0; i < 5; i++)); do
        agents_start client "$PERF" -C "$SERVER_ADDR" -p "$PORT" -J -t 1 -b 2M >"$WORK/many$i"
        pids+=("$STARTED")
    done
    for i in "${pids[@]}"; do
        wait "$i" && good=$((good + 1))
    done
    check "five clients beside one that stalls" [ "$good" -eq 5 ]
    for ((i = 0; i < 5; i++)); do
        check "... client $i has its rate" told rate "$WORK/many$i" 2e6 10
    done
    kill -KILL "$stalled" "$stranger"
    wait "$stalled" "$stranger" 2>/dev/null
}

# --- ends ---

code() { # CODE WHAT ARGUMENT...
    check "exit code $1: $2" exits "$1" "${@:3}"
}
exits() {
    local expected=$1 status
    shift
    "$@" >"$WORK/out" 2>"$WORK/err"
    status=$?
    cat "$WORK/err"
    echo "exit code $status"
    [ "$status" -eq "$expected" ] && { [ "$status" -eq 0 ] || [ -s "$WORK/err" ]; }
}
closed_output() { perf "$@" >&-; }
full_output() { perf "$@" >/dev/full; }

# SIGNAL WHOM(client|server) FILE ARGUMENT...: in the middle of a test; leaves the client's $STATUS
cut() {
    agents_start client timeout -k 1 40 "$PERF" -C "$SERVER_ADDR" -p "$PORT" "${@:4}" >"$3" 2>"$WORK/err"
    local pid=$STARTED victim=$SERVER
    sleep 2.2
    [ "$2" = server ] || victim=$(pgrep -P "$pid")
    kill "-$1" "$victim"
    wait "$pid"
    STATUS=$?
}

part_ends() {
    local STATUS
    check "-1 serves" stop_serving_and_serve -1
    check "... one" json -t 0.5 -b 1M
    check "... and ends" served 0
    check "a server" serve -J
    cut INT client "$WORK/json" -J -t 30 -b 4M
    check "^C of the client" [ "$STATUS" -eq 0 ]
    check "... leaves its figures" told interrupted "$WORK/json"
    check "... and the server's" wait_for "[ -s '$WORK/server' ]" 3
    check "... whole" told interrupted "$WORK/server"
    cut INT client "$WORK/json" -J -t 30 -R -b 4M
    check "^C with -R" told interrupted "$WORK/json"
    cut KILL server "$WORK/json" -J -t 30 -b 4M
    check "a server that is killed: exit code 1" [ "$STATUS" -eq 1 ]
    check "... and why, within the JSON" told error "$WORK/json" "the server closed the connection"
    wait "$SERVER" 2>/dev/null
    check "a server" serve
    cut KILL server "$WORK/text" -t 30
    check "... and at full speed" grep -q "ended early: the server closed" "$WORK/err"
    check "... without figures that nobody told" \
        grep -q "n/a (the server did not tell)  receiver" "$WORK/text"
    wait "$SERVER" 2>/dev/null
    check "a server" serve -J
    cut INT server "$WORK/json" -J -t 30 -b 4M
    check "^C of the server: exit code 1" [ "$STATUS" -eq 1 ]
    check "... is told" told error "$WORK/json" "the server was ended"
    check "... the server's is 0" served 0
    check "... with its figures" told error "$WORK/server" "the server was ended"
    code 1 "nobody listens" perf
    json -t 1 2>/dev/null
    check "... within the JSON" told error "$WORK/json" "Connection refused"
    check "a server" serve
    cut KILL client "$WORK/json" -J -t 30 -b 4M
    check "a client that is killed does not end the server" json -t 0.5 -b 1M
    check "... which tells what there was" grep -q "the test ended early" "$WORK/server.err"
    code 1 "no such host" client "$PERF" -C nonexistent.invalid
    code 2 "two modes" perf -s
    code 2 "no such option" perf --zip
    code 2 "the port is taken" server "$PERF" -s -p $PORT
    code 23 "standard output closed" closed_output -t 0.5
    code 23 "standard output full" full_output -t 0.5 -b 1M
}
stop_serving_and_serve() {
    stop_serving
    serve "$@"
}

# --- output ---

golden() { # NAME: of tests/e2e/golden; GOLDEN_WRITE=1 makes it anew
    [ "${GOLDEN_WRITE:-0}" != 1 ] || told mask "$WORK/text" >"tests/e2e/golden/pdmperf_net_$1.txt"
    told mask "$WORK/text" | diff "tests/e2e/golden/pdmperf_net_$1.txt" -
}
text() { perf "$@" >"$WORK/text"; }

# ROLE: of intervals, and at the end.
sums_of() {
    grep "^\[SUM\]\[$1\].*time=" "$WORK/text" && grep "^\[SUM\]\[$1\].*receiver" "$WORK/text"
}
part_output() {
    stop_serving
    check "a server" serve
    check "text of TCP" text -t 1 -i 0.5 -b 4M
    check "... as ever" golden tcp
    check "text of UDP, both ways" text -t 1 -u -b 2M --bidir
    check "... as ever" golden udp
    check "text of requests" text --rr --think $THINK_MS -n 20 -P 2
    check "... as ever" golden rr
    stop_serving
    cp "$WORK/server" "$WORK/text"
    check "the server's, as ever" golden server
    check "a server" serve
    check "text of TCP, both ways, two streams" text -t 0.6 -i 0.3 -b 4M --bidir -P 2
    check "... with sums of each way" sums_of TX
    check "... and the other" sums_of RX
}

# --- hostile clients ---

part_hostile() {
    check "what no client says" in_client "$PYTHON" -B tests/e2e/perf_net_check.py hostile \
        "$SERVER_ADDR" "$PORT"
    check "... does not harm the server" json -t 0.5 -b 1M
    check "nor do a hundred who say nothing" crowd
    check "without descriptors it waits, and does not spin" few_descriptors
}
connect_many() { # PORT COUNT: who say nothing; see $STARTED
    start_in_client "$PYTHON" -c "
import socket, time
crowd = [socket.create_connection(('$SERVER_ADDR', $1)) for _ in range($2)]
time.sleep(20)"
}
crowd() {
    local status pid
    connect_many "$PORT" 100
    pid=$STARTED
    sleep 0.5
    json -t 0.5 -b 1M
    status=$?
    kill "$pid"
    wait "$pid" 2>/dev/null
    return $status
}
ticks_of() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }
few_descriptors() {
    local port=$((PORT + 1)) server crowd before ticks status
    agents_start server prlimit --nofile=16 "$PERF" -s -p "$port" >/dev/null
    server=$STARTED
    wait_for "in_server ss -Hlnt | grep -q ':$port '" 5 || return
    connect_many "$port" 40
    crowd=$STARTED
    sleep 0.5
    before=$(ticks_of "$server")
    sleep 1
    ticks=$(($(ticks_of "$server") - before))
    kill "$crowd"
    wait "$crowd" 2>/dev/null
    echo "$ticks ticks of the processor in a second"
    [ "$ticks" -lt 10 ] && json -p "$port" -t 0.5 -b 1M
    status=$?
    kill "$server"
    wait "$server" 2>/dev/null
    return "$status"
}

[ "$(id -u)" -eq 0 ] || { echo "test_pdmperf_net: must be run as root" >&2; exit 1; }
WORK=$(mktemp -d) || exit 1
# shellcheck disable=SC2016 # expanded at the end
net_on_exit 'rm -rf "$WORK"'
trap net_down EXIT

AGENTS_SETTINGS=("${AGENTS_PATIENT[@]}")
# The first test of two agents has no figures: they write to disk before they give a key out.
net_up 1 && chmod 711 "$NET_DIR" && link_set both delay=${LINK_MS}ms &&
    agents_up encrypted && serve && json -t 0.5 -b 1M && json --rr -n 20 || exit
[ $# -gt 0 ] || set -- truth link latency iperf clients ends output hostile
for part; do
    "part_$part"
done
stop_serving
agents_down
tally
