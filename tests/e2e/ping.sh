# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Sourced by the tests after tests/e2e/agents.sh: a run of pdmping under the eyes of two captures.
#
#   ping_run DIRECTORY ARGUMENT...   pdmping --json ARGUMENT... to the server; DIRECTORY is made and
#                                    gets ping.json, client.pcap and server.pcap
#   echo_start CMD...                a server on port 7, library preloaded
#   echo_socat                       such a one: socat, about 20 ms for a request
#   echo_stop                        ends it

ECHO_PID=

# Nanosecond stamps at the client's interface, as capture_start does at the server's.
ping_capture() {
    start_in_client tcpdump -Z root -n -U --immediate-mode -s 2048 -B 16384 \
        --time-stamp-precision=nano -i "$NET_DEV" -w "$1/client.pcap" ip6 2>"$1/client.log"
    PING_CAPTURE=$STARTED
    wait_for "grep -q '^tcpdump: listening' '$1/client.log'" 5
}

ping_run() {
    local directory=$1 status=0
    shift
    mkdir -p "$directory"
    ping_capture "$directory" && capture_start "$directory/server.pcap" || return
    client "$AGENTS_BIN/pdmping" --json "$@" "$SERVER_ADDR" >"$directory/ping.json" || status=$?
    capture_stop || status=1
    kill "$PING_CAPTURE" && wait "$PING_CAPTURE"
    if ! grep -q '^0 packets dropped by kernel' "$directory/client.log"; then
        cat "$directory/client.log" >&2
        status=1
    fi
    return "$status"
}

echo_start() {
    start_server "$@" 2>"$NET_DIR/echo.log"
    ECHO_PID=$STARTED
    if ! wait_for "in_server ss -Hlnu 'sport = :7' | grep -q ." 5; then
        cat "$NET_DIR/echo.log" >&2
        return 1
    fi
}

echo_socat() {
    echo_start socat UDP6-LISTEN:7,fork,reuseaddr \
        EXEC:"$PWD/tests/apps/slowcat.sh $NET_DIR/datagram"
}

# socat's children are ended too.
echo_stop() {
    end_service "$ECHO_PID"
    return 0
}
