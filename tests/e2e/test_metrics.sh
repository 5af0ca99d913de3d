#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What the agent serves of its metrics, and its log of flows: set delays and counters against the
# truth, flows that close, reloads, a full disk; Prometheus's own tools read it; clients that do not
# behave. As root.
#
#   tests/e2e/test_metrics.sh [PART...]   figures closing clients places disk prometheus
# shellcheck disable=SC2317 # called by check
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/net/netns.sh
. tests/net/netns.sh
# shellcheck source=tests/e2e/agents.sh
. tests/e2e/agents.sh
# shellcheck source=tests/tally.sh
. tests/tally.sh

unset XDG_RUNTIME_DIR PDMV2_AGENT PDMV2_MODE PDMV2_READ_ONLY LD_PRELOAD
: "${PYTHON:=/usr/bin/python3}"
PORT=7
METRICS_PORT=9485
URL="http://[::1]:$METRICS_PORT/metrics"
THINK_MS=40
LINK_MS=10
EXCHANGES=40
SHORT=1000
SERVER_PID=

told() { "$PYTHON" -B tests/e2e/metrics_check.py "$@"; }
clients() { in_client "$PYTHON" -B tests/e2e/metrics_clients.py "$@"; }
# FILE [ARGUMENT...]: what is served, as OpenMetrics
fetch() {
    in_client curl -sf -m 20 -H 'Accept: application/openmetrics-text; version=1.0.0' "${@:2}" \
        "$URL" -o "$1"
}
flows() { client "$AGENTS_BIN/pdmctl" --json flows >"$WORK/flows"; }
logged() { grep -qF -- "$1" "$NET_DIR/client/log"; }
# NAME DIRECTORY: the manual's example of that mark, run there
example() {
    local command
    command=$(awk -v mark=".\\\\\" example: $1" '$0 == mark { found = 1 }
        found && /^\.Bd/ { on = 1; next } found && /^\.Ed/ { exit } on' man/pdmv2-metrics.7)
    echo "$command"
    (cd "$2" && in_client bash -c "$command") | grep '^pdm_build_info'
}

up() { # SETTING...
    AGENTS_SETTINGS=("${AGENTS_PATIENT[@]}" "requests_per_client = 0" "$@")
    agents_up encrypted && return
    echo "FAIL  agents"
    count 1
    return 1
}
echo_server() { # THINK_MS
    start_server "$AGENTS_BIN/tests/apps/slowecho" -t $(($1 * 1000)) :: $PORT
    SERVER_PID=$STARTED
    wait_for "in_server ss -Hlnu | grep -q ':$PORT '" 5
}
end() { # PID...
    kill "$@" 2>/dev/null
    wait "$@" 2>/dev/null
    return 0
}

# --- figures: set delays, and the counters of live flows ---

ping_server() {
    client "$AGENTS_BIN/pdmping" -c $EXCHANGES -i 0.1 -p $PORT "$SERVER_ADDR"
}
# One whose flow stays: the counters of flows that are over are in no list.
hold_a_flow() {
    start_client "$AGENTS_BIN/tests/apps/ownstats" -k -n $EXCHANGES -i 80 -a 5000 "$SERVER_ADDR" \
        $PORT >"$WORK/held"
    HOLDER=$STARTED
}
figures() {
    link_set both delay=${LINK_MS}ms
    up "metrics = [::1]:$METRICS_PORT" "flow_log = flows" && echo_server $THINK_MS || return
    hold_a_flow
    check "a program measures" wait_for "grep -q '\"end\"' '$WORK/held'" 20
    check "they are served" fetch "$WORK/metrics"
    check "network delay as set" told delay "$WORK/metrics" pdm_network_delay_seconds \
        $((2 * LINK_MS)) $((2 * LINK_MS + 5)) $((EXCHANGES / 4))
    check "server delay as set" told delay "$WORK/metrics" pdm_server_delay_seconds \
        $THINK_MS $((THINK_MS + 10)) $((EXCHANGES / 4))
    check "total delay as set" told delay "$WORK/metrics" pdm_total_delay_seconds \
        $((2 * LINK_MS + THINK_MS)) $((2 * LINK_MS + THINK_MS + 20)) $((EXCHANGES / 4))
    check "pdmctl lists the flow" flows
    check "counters and delays as pdmctl has them" told flows "$WORK/metrics" "$WORK/flows"
    check "the manual's example" example port /
    check "its prefix is a label" grep -q '^pdm_flows{association="link",peer="2001:db8:2::/64"} 1$' \
        "$WORK/metrics"
    end "$HOLDER"
    check "a second program measures" ping_server
    check "both flows are closed" wait_for "grep -c . '$NET_DIR/client/flows' | grep -qx 2" 10
    flows
    check "they are served afterwards" fetch "$WORK/metrics"
    check "what was closed is in the counters" told sums "$WORK/metrics" "$WORK/flows" \
        "$NET_DIR/client/flows"
    check "the log's lines" told log "$NET_DIR/client/flows"
    end "$SERVER_PID"
    agents_down
}

# --- closing: 1,000 short flows and reloads, with somebody watching ---

short_flows() {
    start_client "$PYTHON" -B tests/e2e/short_flows.py "$SERVER_ADDR" $PORT $SHORT >"$WORK/short"
    local pid=$STARTED
    for _ in 1 2 3; do
        sleep 0.5
        kill -HUP "${AGENTS_PIDS[0]}"
    done
    wait "$pid" && cat "$WORK/short" && grep -qx "answered $SHORT" "$WORK/short"
}
saw_nothing_wrong() { # PID
    wait "$1"
    local status=$?
    cat "$WORK/watcher"
    return "$status"
}
short_run() {
    start_client "$PYTHON" -B tests/e2e/short_flows.py "$SERVER_ADDR" $PORT 100 >/dev/null &&
        wait "$STARTED"
}
quiet() { flows && ! grep -q '"type":"flow"' "$WORK/flows"; }
closing() {
    link_set both delay=0ms
    up "metrics = [::1]:$METRICS_PORT" "flow_log = flows" "flow_log_size = 1" && echo_server 0 ||
        return
    start_in_client "$PYTHON" -B tests/e2e/metrics_check.py watch "$URL" "$WORK/enough" \
        >"$WORK/watcher" 2>&1
    local watcher=$STARTED
    check "$SHORT short flows, three reloads" short_flows
    check "all are over" wait_for quiet 15
    touch "$WORK/enough"
    check "nothing ever went down" saw_nothing_wrong "$watcher"
    sleep 1.1 # the log is written once a second
    check "they are served" fetch "$WORK/metrics"
    check "counters are those of the log's lines" told sums "$WORK/metrics" "$WORK/flows" \
        "$NET_DIR"/client/flows*
    check "the log's lines" told log "$NET_DIR"/client/flows*
    # An agent whose disk is busy answers later than a program waits, which then pauses.
    check "many were measured" told value "$WORK/metrics" pdm_sends_total $((SHORT / 5)) $SHORT
    for _ in $(seq 60); do
        [ ! -s "$NET_DIR/client/flows.1" ] || break
        short_run
    done
    check "the log gives way to a new one" wait_for "[ -s '$NET_DIR/client/flows.1' ]" 5
    check "which is no larger than it may be" test \
        "$(stat -c %s "$NET_DIR/client/flows.1")" -le $((1024 * 1024))
    check "and has whole lines" told log "$NET_DIR"/client/flows*
    sed -i 's/^\[association link\]/[association another]/' "$NET_DIR/client/conf"
    kill -HUP "${AGENTS_PIDS[0]}"
    check "reloaded" wait_for "grep -c 'reloaded' '$NET_DIR/client/log' | grep -qx 4" 5
    fetch "$WORK/metrics"
    check "an association that is gone has no series" told value "$WORK/metrics" pdm_sends_total 0 0
    end "$SERVER_PID"
    agents_down
}

# --- clients: those that do not behave ---

descriptors() { find "/proc/${AGENTS_PIDS[0]}/fd" -type l | wc -l; }
# They hold all places, and more wait for one; programs are served as ever.
held_up() { # CMD...
    start_in_client "$PYTHON" -B tests/e2e/metrics_clients.py "$@" >"$WORK/held"
    HOLDER=$STARTED
    wait_for "grep -q connected '$WORK/held'" 5
}
programs_are_served() {
    local began=${EPOCHREALTIME/./}
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        client "$AGENTS_BIN/pdmctl" status >/dev/null || return
    done
    echo "ten in $(((${EPOCHREALTIME/./} - began) / 1000)) ms"
    [ $((${EPOCHREALTIME/./} - began)) -lt 2000000 ]
}
at_once() { # N: all get what they ask for
    seq "$1" | in_client xargs -P "$1" -I{} curl -sf -m 30 -o "$WORK/at_once.{}" "$URL" || return
    ! grep -L '^pdm_build_info' "$WORK"/at_once.* | grep .
}
dropped_in_time() {
    wait "$HOLDER" || return
    cat "$WORK/held"
    awk '$1 == "dropped" { exit !($2 < 25) }' "$WORK/held"
}
not_more_than_before() { wait_for "[ \$(descriptors) -le $BEFORE ]" 5 || descriptors; }
clients_part() {
    up "metrics = [::1]:$METRICS_PORT" || return
    fetch "$WORK/metrics"
    BEFORE=$(descriptors)
    check "a type that is not asked for" in_client curl -sf "$URL" -o "$WORK/text"
    check "is Prometheus's text format" grep -q '^# TYPE pdm_sends_total counter' "$WORK/text"
    check "HEAD" grep -q '^HTTP/1.1 200' <(in_client curl -sI "$URL")
    check "what is no request is not answered" clients garbage $METRICS_PORT
    check "a hundred at once" at_once 100
    check "two hundred that leave" clients leave $METRICS_PORT 200
    check "it still answers" fetch "$WORK/metrics"
    check "twenty that say nothing" held_up silent $METRICS_PORT 20
    check "programs are served meanwhile" programs_are_served
    check "whoever comes waits for a place" fetch "$WORK/metrics"
    check "each is dropped" dropped_in_time
    check "a slow reader" held_up slow $METRICS_PORT
    check "programs are served meanwhile, too" programs_are_served
    check "and others" fetch "$WORK/metrics"
    end "$HOLDER"
    check "no descriptor is left" not_more_than_before
    agents_down
}

# --- places: Unix sockets, and where it may not be served ---

starts_not() { # CODE TEXT SETTING
    local status
    AGENTS_SETTINGS=("$3")
    agents_config_alone || return
    in_client timeout 10 "$AGENTS_BIN/pdmkeyagent" "${@:4}" -c "$NET_DIR/client/conf" 2>"$WORK/said"
    status=$?
    cat "$WORK/said"
    [ "$status" -eq "$1" ] && [ "$(grep -c . "$WORK/said")" -eq 1 ] && grep -qF -- "$2" "$WORK/said"
}
agents_config_alone() {
    rm -rf "$NET_DIR/client" "$NET_DIR/key" "$NET_DIR/key.gen"
    "$AGENTS_BIN/pdmctl" keygen "$NET_DIR/key" >/dev/null &&
        agents_config client "$SERVER_ADDR" encrypted aes-256-gcm
}
over_unix() { curl -sf -m 20 --unix-socket "$SOCKET" http://agent/metrics | grep -q '^pdm_build_info'; }
another_user() { ! setpriv --reuid nobody --regid nogroup --clear-groups curl -sf --unix-socket "$SOCKET" http://agent/metrics; }
# root's is given to the group of the system's agent, if there is one
mode_of_socket() {
    local mode
    mode=$(stat -c '%a %G' "$SOCKET")
    echo "$mode"
    if getent group pdmv2 >/dev/null; then [ "$mode" = "660 pdmv2" ]; else [ "$mode" = "600 root" ]; fi
}
places() {
    local ALLOWED="must be a loopback address and a port"
    check "every address" starts_not 2 "metrics = [::]:9485: $ALLOWED" "metrics = [::]:9485"
    check "the host's address" starts_not 2 "metrics = [$CLIENT_ADDR]:9485: $ALLOWED" \
        "metrics = [$CLIENT_ADDR]:9485" -t
    start_in_client socat TCP6-LISTEN:$METRICS_PORT,reuseaddr,'bind=[::1]' PIPE
    local other=$STARTED
    wait_for "in_client ss -Hlnt | grep -q ':$METRICS_PORT '" 5
    check "a port in use" starts_not 1 "metrics = [::1]:$METRICS_PORT: cannot be listened on: Address already in use" \
        "metrics = [::1]:$METRICS_PORT"
    end "$other"
    SOCKET=$NET_DIR/client/metrics.sock
    chmod 755 "$NET_DIR"
    up "metrics = ./metrics.sock" || return
    chmod 755 "$NET_DIR/client"
    check "a Unix socket is served" over_unix
    check "the manual's example" example path "$NET_DIR/client"
    check "its mode" mode_of_socket
    check "no other user gets in" another_user
    kill -KILL "${AGENTS_PIDS[0]}"
    wait "${AGENTS_PIDS[0]}" 2>/dev/null
    check "what a killed agent left" test -S "$SOCKET"
    AGENTS_PIDS=("${AGENTS_PIDS[@]:1}")
    rm "$NET_DIR/client/agent.sock"
    agents_launch client
    check "is taken over" over_unix
    sed -i 's/^metrics.*//' "$NET_DIR/client/conf"
    kill -HUP "${AGENTS_PIDS[-1]}"
    check "off by a reload" wait_for "[ ! -e '$SOCKET' ]" 5
    echo "metrics = [::1]:$METRICS_PORT" >"$WORK/line"
    sed -i "/^\[agent\]/r $WORK/line" "$NET_DIR/client/conf"
    kill -HUP "${AGENTS_PIDS[-1]}"
    check "and on again, elsewhere" wait_for "fetch '$WORK/metrics'" 5
    agents_down
    check "nobody listens after the end" test -z "$(in_client ss -Hlnt)"
}

# --- disk: one that is full ---

ten_times() { for _ in $(seq 10); do "$@" || return; done; }
disk() {
    link_set both delay=0ms
    local small=$NET_DIR/small
    # Before the agent starts: ip netns exec gives it a mount namespace of its own.
    mkdir "$small" && mount -t tmpfs -o size=64k tmpfs "$small" || return
    net_on_exit "umount '$small'"
    up "metrics = [::1]:$METRICS_PORT" "flow_log = $small/flows" && echo_server 0 || return
    check "the disk fills up" ten_times short_run
    check "which is told" wait_for "logged 'No space left on device; lines are lost until'" 10
    check "programs are served meanwhile" programs_are_served
    fetch "$WORK/metrics"
    check "lines were lost" told value "$WORK/metrics" pdm_flow_log_lost_lines_total 50 1000
    check "whole lines are there" told log "$small/flows"
    check "it was told once" test "$(grep -c 'lines are lost until' "$NET_DIR/client/log")" -eq 1
    rm "$small/flows"
    kill -HUP "${AGENTS_PIDS[0]}"
    short_run
    check "there is room again" wait_for "[ -s '$small/flows' ]" 5
    end "$SERVER_PID"
    agents_down
}

# --- prometheus: what its own tools say ---

# Its own parser of OpenMetrics, which wants times here.
parsed_by_prometheus() {
    sed -E '/^#/!s/$/ 1700000000/' "$WORK/metrics" >"$WORK/timed"
    promtool tsdb create-blocks-from openmetrics "$WORK/timed" "$WORK/blocks"
}
prometheus() {
    up "metrics = [::1]:$METRICS_PORT" && echo_server 0 || return
    ping_server >"$WORK/ping"
    fetch "$WORK/metrics"
    in_client curl -sf "$URL" -o "$WORK/text"
    check "check metrics" promtool check metrics <"$WORK/text"
    check "parses OpenMetrics" parsed_by_prometheus
    check "check rules" promtool check rules conf/prometheus/pdmv2.rules.yml
    check "test rules" promtool test rules tests/prometheus/rules_test.yml
    check "dashboard and rules name what is served" told expressions conf/grafana/pdmv2.json \
        conf/prometheus/pdmv2.rules.yml "$WORK/metrics" "$WORK/panels.yml"
    check "the dashboard's expressions" promtool check rules "$WORK/panels.yml"
    end "$SERVER_PID"
    agents_down
}

WORK=$(mktemp -d) || exit 1
trap 'rm -rf "$WORK"' EXIT
net_up 1 || exit 1
trap 'net_down; rm -rf "$WORK"' EXIT
[ $# -gt 0 ] || set -- figures closing clients places disk prometheus
for part in "$@"; do
    echo "== $part"
    [ "$part" != clients ] || part=clients_part
    "$part"
done
tally
