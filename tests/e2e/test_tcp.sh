#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Network delay and server delay of TCP connections, against captures of the same run: requests and
# responses of many sizes, blocking and by epoll, a connection for all or for each, in TLS, several
# under way at once, written in parts, in bulk, and on a link that loses packets. Where options are
# is seen in the captures too. Needs root.
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
LONG=${CHECK_LONG:-0}
PORT=7300
KEY=()
SERVER=

# tests/e2e/tcp_check.py says the line.
judge() {
    if "$PYTHON" tests/e2e/tcp_check.py "$@"; then
        count 0
    else
        count 1
    fi
}

# PLAN ARGUMENT...
serve() {
    start_server "$PYTHON" tests/apps/turns.py serve "$SERVER_ADDR" $PORT --plan "$@"
    SERVER=$STARTED
    if ! wait_for "in_server ss -Hlnt 'sport = :$PORT' | grep -q ." 10; then
        echo "FAIL  the server does not start"
        exit 1
    fi
}

unserve() {
    kill "$SERVER"
    wait "$SERVER" 2>/dev/null
}

# DIRECTORY PLAN COUNT ARGUMENT...
ask() {
    local directory=$1 plan=$2 count=$3 status=0
    mkdir -p "$directory"
    ping_capture "$directory" && capture_start "$directory/server.pcap" || exit 1
    client LD_PRELOAD="$AGENTS_BIN/libpdmv2.so" timeout 60 "$PYTHON" tests/apps/turns.py ask \
        "$SERVER_ADDR" $PORT --plan "$plan" --count "$count" "${@:4}" >"$directory/out" || status=$?
    capture_stop || status=1
    kill "$PING_CAPTURE" && wait "$PING_CAPTURE"
    if [ "$status" -ne 0 ]; then
        echo "FAIL  the run ended with $status"
        count 1
    fi
}

# LABEL PLAN COUNT "SERVER'S ARGUMENTS" "CLIENT'S ARGUMENTS" CHECK'S ARGUMENT...
turns() {
    local directory=$NET_DIR/turns-$((PASSED + FAILED)) plan=$2 count=$3
    # shellcheck disable=SC2086 # words
    serve "$plan" $4
    # shellcheck disable=SC2086
    ask "$directory" "$plan" "$count" $5
    unserve
    judge turns "$1" "$directory" --port $PORT "${KEY[@]}" --plan "$plan" --count "$count" "${@:6}"
}

# Entries of a plan for each of SIZES, answered with as much, after MS.
each_size() {
    local size text=
    for size in $2; do
        text+=,$size:$size:$1
    done
    echo "${text#,}"
}

# Where a segment has no room for an option beside its data, there is no sample: 1389 and 1428
# octets, with an encrypted one.
SIZES='1 1000 1388 1389 1428 3000 20000'
ROOMY=1,1000,1388,3000,20000

# PROTECT
sizes() {
    local rounds=$((LONG ? 40 : 5))
    turns "$1, sizes" "$(each_size 20 "$SIZES")" $((7 * rounds)) "" "--pause 1" \
        --sizes $ROOMY --network 0.7 --server 0.7
    [ "$LONG" -ne 0 ] || [ "$1" = encrypted ] || return
    turns "$1, sizes by epoll" "$(each_size 20 "$SIZES")" $((7 * rounds)) "" "--pause 1 --epoll" \
        --sizes $ROOMY --network 0.7 --server 0.7
}

# 20000 octets do not go at once on a new connection.
each_connection() {
    local sizes='1 1000 1388 3000'
    turns "a connection for each request" "$(each_size 20 "$sizes")" $((4 * (LONG ? 20 : 4))) \
        --each --each --network 0.7 --server 0.7
}

# Requests under way at the same time: a server sample is right or is not made.
overlapping() {
    local window count=$((LONG ? 120 : 12))
    local steady=200:300:50 varied=200:300:50,200:300:5,200:3000:90,1000:300:20,200:300:2
    for window in 2 3 8; do
        turns "$window under way, in order" $steady $count "" "--window $window" --network 0
        turns "$window under way, read ahead" $steady $count --ahead "--window $window" --network 0
        turns "$window under way, in order, varied" $varied $count "" "--window $window"
        turns "$window under way, read ahead, varied" $varied $count --ahead "--window $window"
    done
}

# Requests that left before the agent had answered are under way too.
late_agent() {
    kill -STOP "${AGENTS_PIDS[0]}"
    {
        wait_for "in_client ss -Htn 'dport = :$PORT' | grep -q ESTAB" 10
        sleep 0.15
        kill -CONT "${AGENTS_PIDS[0]}"
    } &
    turns "3 under way, read ahead, a late agent" 200:300:50 16 --ahead "--window 3"
}

# An answer that is owed for longer than the quiet after which debts are forgiven.
slow_second() {
    local plan=200:300:10,200:300:3000,200:300:10
    if [ "$LONG" -eq 0 ]; then
        echo "skip  a slow second: takes 30 s; CHECK_LONG=1"
        return
    fi
    turns "a slow second, in order" $plan 6 "" "--window 2 --pause 1500"
    turns "a slow second, read ahead" $plan 6 --ahead "--window 2 --pause 1500"
}

parts() {
    local writes
    for writes in 2 3; do
        turns "requests in $writes parts" 300:300:20 30 "" "--writes $writes" --network 0.5
        turns "responses in $writes parts" 300:300:20 30 "--writes $writes" "" --network 0
    done
}

# A record of TLS 1.3 tells its size, and so which message it is. What of the handshake counts as
# owed an answer is chance; one such debt hides the server for as long as the connection is busy.
transport_security() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test \
        -keyout "$NET_DIR/tls.key" -out "$NET_DIR/tls.cert" 2>/dev/null &&
        cat "$NET_DIR/tls.key" "$NET_DIR/tls.cert" >"$NET_DIR/tls.pem" || exit 1
    turns "TLS" 200:1000:20,210:300:30 30 "--tls $NET_DIR/tls.pem" --tls --tls --network 0.7
    turns "TLS, a connection for each request" 200:1000:20 10 \
        "--tls $NET_DIR/tls.pem --each" "--tls --each" --tls --network 0.5 --server 0.5
}

# Segments that leave later than they are written: whatever is measured is right.
paced() {
    turns "paced" "$(each_size 20 "$SIZES")" 28 "--congestion bbr" "--congestion bbr" --paced
}

bulk() {
    turns "bulk up, then down" 2000000:10:20,10:2000000:20 4 "" ""
}

# A segment that is lost goes again without its option, and none is attached for a while: what is
# measured is the server and the network, and not the loss.
lossy() {
    link_set both delay=10ms loss=1%
    turns "1% lost, a connection for each request" 500:500:20 $((LONG ? 300 : 40)) --each --each \
        --network 0.7 --server 0.7
    link_set both delay=10ms loss=5%
    turns "5% lost" 500:500:20 $((LONG ? 600 : 60)) "" "--flows $NET_DIR/flows $AGENTS_BIN/pdmctl"
    link_set both delay=10ms loss=0%
    if grep -q total_delay "$NET_DIR/flows"; then
        judge total "5% lost: the total shows it" "$NET_DIR/flows" --least 200
    else
        echo "skip  5% lost: pdmctl shows no total delay"
    fi
}

AGENTS_SETTINGS=("${AGENTS_PATIENT[@]}")
net_up 1 || exit 1
[ $# -gt 0 ] || set -- sizes each_connection overlapping late_agent slow_second parts \
    transport_security paced bulk lossy formats
agents_up encrypted || exit 1
KEY=(--key "$AGENTS_KEY")
link_set both delay=10ms
for part in "$@"; do
    case $part in
    sizes) sizes encrypted ;;
    formats) ;;
    *) "$part" ;;
    esac
done
agents_down
if [[ " $* " == *" formats "* ]]; then
    KEY=()
    for protect in plain rfc8250; do
        agents_up $protect || exit 1
        sizes $protect
        agents_down
    done
fi
tally
