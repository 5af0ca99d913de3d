#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Network delay and server delay as pdmping measures them, against captures of the same run: a
# server that thinks, one that leaves its socket unread, a slower link, and requests that overlap.
# Needs root.
set -u
cd "$(dirname "$0")/../.." || exit
# shellcheck source=tests/net/netns.sh
. tests/net/netns.sh
# shellcheck source=tests/e2e/agents.sh
. tests/e2e/agents.sh
# shellcheck source=tests/e2e/ping.sh
. tests/e2e/ping.sh

PYTHON=${PYTHON:-/usr/bin/python3}
SLOWECHO=$AGENTS_BIN/tests/apps/slowecho
UNREAD_US=50000
FAILED=0

check() { "$PYTHON" tests/e2e/truth_check.py "$@" || FAILED=1; }

# Interval in seconds: longer than a round trip, so that probes do not overlap.
# NAME COUNT INTERVAL
run() { ping_run "$NET_DIR/$1" -c "$2" -i "$3" -W 2 || FAILED=1; }

# PROTECT PROBES PROBES_MORE
format() {
    agents_up "$1" || exit
    link_set both delay=10ms

    echo_socat || exit
    run "$1-think" "$2" 0.09
    check probes "$1, socat that takes 20 ms" "$2" "$NET_DIR/$1-think" --server-at-least 20
    echo_stop

    echo_start "$SLOWECHO" -u $UNREAD_US :: 7 || exit
    run "$1-unread" "$3" 0.1
    check probes "$1, socket unread for 50 ms" "$3" "$NET_DIR/$1-unread" --server-at-least 50
    link_set both delay=30ms
    run "$1-far" "$3" 0.15
    check probes "$1, link of 30 ms each way" "$3" "$NET_DIR/$1-far" --server-at-least 50
    check moved "$1, from 10 to 30 ms" "$NET_DIR/$1-unread" "$NET_DIR/$1-far" --network 40
    echo_stop
}

# Requests faster than the server takes them: it owes several answers at a time.
overlapping() {
    link_set both delay=10ms
    echo_start "$SLOWECHO" -t 20000 :: 7 || exit
    run overlapping 60 0.018
    check probes "encrypted, overlapping requests" 60 "$NET_DIR/overlapping" --burst
    echo_stop
    # socat reads the next request before this one is answered.
    echo_socat || exit
    run ahead 60 0.022
    check probes "encrypted, a server that reads ahead" 60 "$NET_DIR/ahead" --burst
    echo_stop
}

AGENTS_SETTINGS=("${AGENTS_PATIENT[@]}")
net_up 1 || exit
format encrypted 200 60
overlapping
agents_down
for protect in plain rfc8250; do
    format "$protect" 50 30
    agents_down
done
[ "$FAILED" -eq 0 ] && echo "test_truth: ok"
exit "$FAILED"
