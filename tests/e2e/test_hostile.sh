#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# 100,000 forged, cut, lengthened, spliced, flipped, repeated, duplicated and replayed options into
# the flow of an honest program: none moves a metric, each is counted under its name, every payload
# arrives, nothing is answered. Then every bit of a good option, and honest packets among hostile
# ones. Against a server that reads one by one, and, shorter, one that reads in batches. Then what
# `undecryptable` does about the peer that such options are in the name of. Then over a
# link that changes the Destination Options headers of TCP segments, and forges ICMPv6 echo replies.
# Needs root.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
BUILD=${BUILD:-build}
PYTHON=${PYTHON:-/usr/bin/python3}
# shellcheck source=tests/net/netns.sh
. "$here/../net/netns.sh"
# shellcheck source=tests/e2e/agents.sh
. "$here/agents.sh"
# shellcheck source=tests/e2e/patient.sh
. "$here/patient.sh"

ORDINARY=7700 # the port of a server without the library
FAILED=0

listening() { wait_for "in_server ss -Hlun 'sport = :$1' | grep -q ." 5; }

# PORT COUNT MIXED
attack() {
    start_client timeout 80 "$PYTHON" "$here/hostile.py" --port "$1" --count "$2" --mixed "$3" \
        --ordinary-port $ORDINARY --key "$AGENTS_KEY" --pdmctl "$BUILD/pdmctl" \
        --linksim "$LINKSIM" --link "$NET_DIR/link.sock" --link-net /proc/$$/ns/net \
        --client-agent "$NET_DIR/client/agent.sock" --server-agent "$NET_DIR/server/agent.sock" \
        "$CLIENT_ADDR" "$SERVER_ADDR"
    wait "$STARTED" || FAILED=1
}

# SETTING: how the server's agent meets options that no key opens, from now on
undecryptable() {
    local reloads
    reloads=$(grep -c reloaded "$NET_DIR/server/log")
    sed -i '/^undecryptable = /d' "$NET_DIR/server/conf"
    echo "undecryptable = $1" >>"$NET_DIR/server/conf"
    kill -HUP "${AGENTS_PIDS[1]}"
    wait_for "[ \"\$(grep -c reloaded '$NET_DIR/server/log')\" -gt $reloads ]" 5
    start_client timeout 60 "$PYTHON" "$here/undecryptable.py" --setting "$1" --port 7702 \
        --pdmctl "$BUILD/pdmctl" --client-agent "$NET_DIR/client/agent.sock" \
        --server-agent "$NET_DIR/server/agent.sock" "$CLIENT_ADDR" "$SERVER_ADDR"
    wait "$STARTED" || FAILED=1
}

net_up 11
agents_up encrypted
patient_agents
start_in_server "$BUILD/tests/apps/slowecho" "$SERVER_ADDR" $ORDINARY
start_server "$BUILD/tests/apps/slowecho" "$SERVER_ADDR" 7701
start_server "$BUILD/tests/apps/slowecho" -b "$SERVER_ADDR" 7702
listening $ORDINARY
listening 7701
listening 7702
echo "--   a server that reads one datagram at a time"
attack 7701 100000 20000
echo "--   a server that reads in batches"
attack 7702 10000 2000
echo "--   a peer whose options no key opens"
undecryptable filter
undecryptable throttle
undecryptable log
agents_down
net_down

echo "--   TCP segments and ICMPv6 echo replies"
net_begin
in_client ip tuntap add $NET_DEV mode tun
in_server ip tuntap add $NET_DEV mode tun
net_address "$CLIENT_NS" "$CLIENT_ADDR" 2001:db8:2::/64
net_address "$SERVER_NS" "$SERVER_ADDR" 2001:db8:1::/64
agents_up encrypted
patient_agents
start_server "$PYTHON" "$here/../apps/pystreams.py" serve "$SERVER_ADDR" 7703
wait_for "in_server ss -Hltn 'sport = :7703' | grep -q ." 5
timeout 80 "$PYTHON" "$here/hostile_tcp.py" --port 7703 --count 195 --key "$AGENTS_KEY" \
    --pdmctl "$BUILD/pdmctl" --client-ns "$CLIENT_NS" --server-ns "$SERVER_NS" \
    --client-agent "$NET_DIR/client/agent.sock" --server-agent "$NET_DIR/server/agent.sock" \
    --library "$AGENTS_BIN/libpdmv2.so" "$CLIENT_ADDR" "$SERVER_ADDR" || FAILED=1
agents_down
[ "$FAILED" = 0 ] && echo "test_hostile: ok"
exit "$FAILED"
