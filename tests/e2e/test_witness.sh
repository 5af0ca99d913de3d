#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A reader of captures that shares no code with the product decrypts every option of a run, across
# several Kri and with both AEADs, and finds what the agents and pdmping report. Needs root.
set -u
cd "$(dirname "$0")/../.." || exit
# shellcheck source=tests/net/netns.sh
. tests/net/netns.sh
# shellcheck source=tests/e2e/agents.sh
. tests/e2e/agents.sh
# shellcheck source=tests/e2e/ping.sh
. tests/e2e/ping.sh

PYTHON=${PYTHON:-/usr/bin/python3}
APPS=$AGENTS_BIN/tests/apps
DATAGRAMS=140000
WINDOW=4
KRI=5 # that so many datagrams take each way
SECONDS_MAX=60
FAILED=0

check() { "$PYTHON" tests/e2e/witness_check.py "$@" --key "$AGENTS_KEY" || FAILED=1; }

# The flows are asked for while both programs still live: a flow ends with its program.
volley() {
    local client
    mkdir "$1"
    mkfifo "$1/hold"
    capture_start "$1/server.pcap" || return
    # What bash runs in the background has no input of its own.
    # shellcheck disable=SC2016
    start_client sh -c 'exec "$@" <"$0"' "$1/hold" \
        "$APPS/volley" "$SERVER_ADDR" 7 $DATAGRAMS $WINDOW >"$1/volley"
    client=$STARTED
    exec 7>"$1/hold" # for the volley alone: what is started later must not have it
    wait_for "[ -s '$1/volley' ]" $SECONDS_MAX || return
    client "$AGENTS_BIN/pdmctl" -j flows >"$1/client.json" &&
        server "$AGENTS_BIN/pdmctl" -j flows >"$1/server.json" || return
    exec 7>&-
    wait "$client" || return
    capture_stop
}

# AEAD
run() {
    agents_up encrypted "$1" || exit
    link_set both delay=0ms
    echo_start "$APPS/slowecho" :: 7 || exit
    volley "$NET_DIR/volley-$1" || exit
    check volley "$1, volley" "$NET_DIR/volley-$1" --aead "$1" --kri $KRI --window $WINDOW
    echo_stop

    link_set both delay=2ms
    echo_start "$APPS/slowecho" -t 3000 :: 7 || exit
    ping_run "$NET_DIR/probes-$1" -c 100 -i 0.02 || FAILED=1
    check probes "$1, pdmping" "$NET_DIR/probes-$1" --aead "$1"
    echo_stop
    agents_down
}

AGENTS_SETTINGS=("${AGENTS_PATIENT[@]}")
net_up 1 || exit
run aes-256-gcm
run chacha20-poly1305
[ "$FAILED" -eq 0 ] && echo "test_witness: ok"
exit "$FAILED"
