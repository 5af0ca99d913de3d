#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# <pdmv2.h>: what a program is told of its own sockets is true, whether the library was linked
# (through pkg-config) or preloaded, in threads and in signal handlers; why there are no figures;
# and the same program without the library. As root.
#
#   tests/e2e/test_stats.sh [PART...]   figures threads simple_reasons no_room paths
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
: "${PYTHON:=/usr/bin/python3}" "${CC:=gcc}"
LIBRARY=$AGENTS_BIN/libpdmv2.so
OWNSTATS=$AGENTS_BIN/tests/apps/ownstats
SLOWECHO=$AGENTS_BIN/tests/apps/slowecho
UDP_PORT=7
TCP_PORT=8
THINK_MS=20
LINK_MS=10
EXCHANGES=30
MANY=500 # exchanges, each with its option, while threads ask
NETWORK_MS=$((2 * LINK_MS))
RUN=

skip() { echo "skip  $1: $2"; }

told() { "$PYTHON" tests/e2e/stats_check.py "$1" "$WORK/told" "${@:2}"; }

# --- programs ---

# DIRECTORY OUT: with what pkg-config says of the library that the .pc files in DIRECTORY describe
link_against() {
    local flags
    flags=$(PKG_CONFIG_PATH=$1 pkg-config --cflags --libs libpdmv2) || return
    echo "$flags"
    # shellcheck disable=SC2086 # words
    "$CC" -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror tests/apps/ownstats.c -pthread $flags -o "$2" &&
        readelf -dW "$2" | grep -q 'NEEDED.*\[libpdmv2\.so\.0\]'
}

# What an installation would put there.
link_against_installed() {
    make -s say= BUILD="$WORK/build" PREFIX="$WORK/usr" "$WORK/build/libpdmv2.pc" &&
        install -D "$LIBRARY" "$WORK/usr/lib/libpdmv2.so.0" &&
        ln -s libpdmv2.so.0 "$WORK/usr/lib/libpdmv2.so" &&
        install -D -t "$WORK/usr/include" shim/pdmv2.h &&
        install -D -t "$WORK/usr/lib/pkgconfig" "$WORK/build/libpdmv2.pc" &&
        link_against "$WORK/usr/lib/pkgconfig" "$WORK/installed" &&
        env LD_LIBRARY_PATH="$WORK/usr/lib" "$WORK/installed" -n 0 ::1 1
}

# The header in another language, and without the rest of the tree.
compile_cxx() { echo '#include <pdmv2.h>' | g++ -Wall -Wextra -Werror -Ishim -fsyntax-only -x c++ -; }

# HOW ARGUMENT...: ownstats absent, preloaded or linked
ownstats_command() {
    case $1 in
    absent) RUN=("$OWNSTATS") ;;
    preloaded) RUN=(env LD_PRELOAD="$LIBRARY" "$OWNSTATS") ;;
    linked) RUN=(env LD_LIBRARY_PATH="$AGENTS_BIN" "$WORK/linked") ;;
    esac
    RUN+=("${@:2}")
}
# The same, run to its end in the client's namespace; more of its environment in ENVIRONMENT.
ENVIRONMENT=()
run() {
    ownstats_command "$@"
    client env "${ENVIRONMENT[@]}" timeout 60 "${RUN[@]}" >"$WORK/told"
}
# The same, and what the agent says of the flow while the socket is still there.
run_and_compare() {
    local pid
    ownstats_command "$@"
    agents_start client "${RUN[@]}" -k "$SERVER_ADDR" "$PORT" >"$WORK/told"
    pid=$STARTED
    wait_for "grep -q '\"end\"' '$WORK/told'" 30 &&
        client "$AGENTS_BIN/pdmctl" --json flows >"$WORK/flows"
    local status=$?
    kill "$pid"
    wait "$pid" 2>/dev/null
    PID=$pid
    return "$status"
}

servers_up() {
    SERVERS=()
    start_server "$SLOWECHO" -t $((THINK_MS * 1000)) :: $UDP_PORT
    SERVERS+=("$STARTED")
    start_server "$PYTHON" tests/e2e/stats_check.py serve :: $TCP_PORT $THINK_MS
    SERVERS+=("$STARTED")
    wait_for "in_server ss -Hlntu | grep -cE ':($UDP_PORT|$TCP_PORT) ' | grep -qx 2" 10
}
# PROTECT: and two agents
up() {
    agents_up "$1" && servers_up && return
    echo "FAIL  agents and servers"
    count 1
    return 1
}
down() {
    kill "${SERVERS[@]}" 2>/dev/null
    wait "${SERVERS[@]}" 2>/dev/null
    agents_down
}

# --- figures ---

# NAME LEAST HOW ARGUMENT...: LEAST network, server and total delays
compare() {
    local name=$1 least=$2
    shift 2
    check "$name: runs" run_and_compare "$@" -n $EXCHANGES -i 40 -a 5000
    check "$name: network, server and total delay" told truth $NETWORK_MS $THINK_MS "$least"
    check "$name: as the agent tells them" told flow "$WORK/flows" "$PID"
    check "$name: asked after each exchange" told asked main $EXCHANGES
    check "$name: asked in a signal handler" told asked alarm 100
}

figures() {
    local how protect
    link_set both delay=${LINK_MS}ms
    up encrypted || return
    for how in preloaded linked; do
        PORT=$UDP_PORT compare "UDP, $how" 20 "$how"
        PORT=$TCP_PORT compare "TCP, $how" 20 "$how" -t
    done
    PORT=$UDP_PORT compare "UDP, bound to no address" 20 preloaded -w
    check "without the library: runs" run absent -n 3 "$SERVER_ADDR" $UDP_PORT
    check "without the library: knows it" grep -q '"library": false' "$WORK/told"
    down
    link_set both delay=0ms
    for protect in plain rfc8250; do
        up $protect || return
        PORT=$TCP_PORT check "TCP, $protect: runs" run_and_compare preloaded -t -n 10 -i 40
        check "TCP, $protect: as the agent tells it" told flow "$WORK/flows" "$PID"
        down
    done
}

# Who asks takes no option away, neither of what is sent nor of what is received.
threads() {
    start_in_server env LD_PRELOAD="$LIBRARY" PDMV2_MODE=plain "$SLOWECHO" :: $UDP_PORT
    local echo=$STARTED
    wait_for "in_server ss -Hlnu 'sport = :$UDP_PORT' | grep -q ." 5
    ENVIRONMENT=(PDMV2_MODE=plain)
    check "threads that ask: runs" run preloaded -n $MANY -i 0 -a 500 -T 3 "$SERVER_ADDR" $UDP_PORT
    ENVIRONMENT=()
    check "threads that ask: sound answers" told asked thread 10000
    check "threads that ask: every packet has its option" \
        told counts options_sent=$MANY options_received=$MANY lost=0
    kill "$echo"
    wait "$echo" 2>/dev/null
}

# --- reasons ---

# NAME ARGUMENT... -- REASON...
reason() {
    local name=$1 arguments=()
    shift
    while [ "$1" != -- ]; do
        arguments+=("$1")
        shift
    done
    check "$name: runs" run "${arguments[@]}"
    check "$name: ${*:2}" told reasons "${@:2}"
}

simple_reasons() {
    up encrypted || return
    local to=("$SERVER_ADDR" "$UDP_PORT")
    ENVIRONMENT=(PDMV2_MODE=off)
    reason "switched off" preloaded -n 2 "${to[@]}" -- off
    ENVIRONMENT=(PDMV2_AGENT="$NET_DIR/nobody.sock")
    reason "no agent" preloaded -n 2 "${to[@]}" -- no-flow no-agent
    ENVIRONMENT=()
    reason "which peer" preloaded -x -n 2 "${to[@]}" -- which-peer
    start_in_client "$SLOWECHO" ::1 $UDP_PORT
    local echo=$STARTED
    wait_for "in_client ss -Hlnu 'sport = :$UDP_PORT' | grep -q ." 5
    reason "not named" preloaded -n 2 ::1 $UDP_PORT -- no-flow not-taking-part
    reason "not named, not connected" preloaded -w -n 2 ::1 $UDP_PORT -- no-flow not-taking-part
    kill "$echo"
    wait "$echo" 2>/dev/null
    # Also when it is about to be tried again.
    ENVIRONMENT=(setpriv --bounding-set=-net_raw)
    reason "no capability" preloaded -n 3 -i 1100 "${to[@]}" -- no-flow read-only
    reason "no capability, TCP" preloaded -t -n 3 -i 1100 "$SERVER_ADDR" $TCP_PORT -- no-flow read-only
    ENVIRONMENT=(PDMV2_READ_ONLY=1)
    reason "read only by wish" preloaded -n 2 "${to[@]}" -- no-flow read-only
    ENVIRONMENT=()
    check "without <pdmv2.h>, at any moment" client env LD_PRELOAD="$LIBRARY" \
        "$PYTHON" tests/e2e/stats_check.py dlsym "${to[@]}"
    down
}

no_room() {
    AGENTS_SETTINGS+=("max_slots = 1")
    up encrypted || return
    ownstats_command preloaded -n 100 -k "$SERVER_ADDR" $UDP_PORT
    agents_start client "${RUN[@]}" >"$WORK/first"
    local first=$STARTED
    wait_for "grep -q measuring '$WORK/first'" 10
    reason "no room" preloaded -n 3 -i 200 "$SERVER_ADDR" $UDP_PORT -- no-flow denied
    kill "$first"
    wait "$first" 2>/dev/null
    down
    AGENTS_SETTINGS=("${AGENTS_PATIENT[@]}")
}

# A probe takes some seconds to say so.
paths() {
    local to=("$SERVER_ADDR" "$UDP_PORT")
    AGENTS_PATH=probe
    link_set both delay=${LINK_MS}ms drop-exthdr=on
    up encrypted || return
    reason "a path that drops" preloaded -n 50 "${to[@]}" -- no-flow path-unknown path-drops
    down
    link_set both drop-exthdr=off
    in_server sysctl -qw net.ipv6.icmp.echo_ignore_all=1
    up encrypted || return
    reason "no answer to a probe" preloaded -n 50 "${to[@]}" -- no-flow path-unknown path-unprobed
    down
    in_server sysctl -qw net.ipv6.icmp.echo_ignore_all=0
    up encrypted || return
    reason "a path that carries" preloaded -n 20 "${to[@]}" -- no-flow path-unknown? measuring
    down
    AGENTS_PATH=trust
    link_set both delay=0ms
}

[ "$(id -u)" -eq 0 ] || { echo "test_stats: must be run as root" >&2; exit 1; }
WORK=$(mktemp -d) || exit 1
# shellcheck disable=SC2016 # expanded at the end
net_on_exit 'rm -rf "$WORK"'
trap net_down EXIT

check "pkg-config: from the build directory" link_against "$AGENTS_BIN" "$WORK/linked"
check "pkg-config: as installed" link_against_installed
if command -v g++ >/dev/null; then
    check "C++" compile_cxx
else
    skip "C++" "no g++"
fi
AGENTS_SETTINGS=("${AGENTS_PATIENT[@]}")
net_up 1 || exit
[ $# -gt 0 ] || set -- figures threads simple_reasons no_room paths
for part; do
    $part
done
tally
