#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# pdmctl doctor: each thing that stands in the way of measuring is found, and is gone once what the
# doctor says was done. As root.
# shellcheck disable=SC2317 # the conditions are called through check and must
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${BUILD:=build}"
# shellcheck source=tests/net/netns.sh
. tests/net/netns.sh
# shellcheck source=tests/e2e/agents.sh
. tests/e2e/agents.sh
# shellcheck source=tests/tally.sh
. tests/tally.sh

# WANTED-EXIT CMD...: the doctor's findings in $NET_DIR/found; in $ASK what asks it
found_with() {
    local status=0
    "${@:2}" >"$NET_DIR/found" 2>"$NET_DIR/found.err" || status=$?
    [ "$status" = "$1" ] && [ ! -s "$NET_DIR/found.err" ] && return
    echo "exit code $status, not $1"
    cat "$NET_DIR/found" "$NET_DIR/found.err"
    return 1
}
# shellcheck disable=SC2120 # through check
doctor() { client "$BUILD/pdmctl" doctor "$@"; }
# FINDING CHECK TEXT: there is such a line, and with ADVICE the next says what to do
tells() {
    awk -v start="$(printf '%-5s %-9s ' "$1" "$2")" -v text="$3" -v advice="${4:-}" '
        seen { if (advice == "" || index($0, advice)) good = 1; seen = 0 }
        index($0, start) == 1 && index($0, text) { seen = 1 }
        END { exit !(good || (seen && advice == "")) }' "$NET_DIR/found" || { cat "$NET_DIR/found"; return 1; }
}
only_good() { ! grep -vE '^good ' "$NET_DIR/found"; }

# WHAT EXIT FINDING CHECK TEXT ADVICE CMD...
finds() {
    check "$1" found_with "$2" "${@:7}"
    check "$1: what, and what to do" tells "$3" "$4" "$5" "$6"
}

healthy() { check "$1: all is good" found_with 0 doctor "$SERVER_ADDR" && check "$1: it says so" only_good; }

net_up 29 || exit
AGENTS_PATH=probe
agents_up encrypted || exit

healthy "two hosts with a key"
check "the association is named" tells good peer "$SERVER_ADDR: association link, encrypted"
check "the path was probed" tells good path "$SERVER_ADDR carries packets with options"
check "without a host no path is looked at" eval "found_with 0 doctor && ! grep -E ' (path|peer) ' '$NET_DIR/found'"
check "JSON" eval "client '$BUILD/pdmctl' -j doctor '$SERVER_ADDR' | jq -se 'length == 6 and
    all(.schema == \"pdmctl/1\" and .type == \"finding\" and .finding == \"good\" and .advice == null)'"

# The path.
link_set both drop-exthdr=on
agents_down
agents_up encrypted || exit
finds "a path that drops options" 1 bad path "$SERVER_ADDR drops packets with options" "RFC 7872" \
    doctor "$SERVER_ADDR"
link_set both drop-exthdr=off
in_server sysctl -q -w net.ipv6.icmp.echo_ignore_all=1
agents_down
agents_up encrypted || exit
finds "a peer that answers no echo" 1 bad path "$SERVER_ADDR cannot be probed" "path = trust" \
    doctor "$SERVER_ADDR"
in_server sysctl -q -w net.ipv6.icmp.echo_ignore_all=0
agents_down
AGENTS_PATH=trust
agents_up encrypted || exit
healthy "a path that is trusted"
finds "a peer that no association names" 1 bad peer "2001:db8:2::99" "peer = 2001:db8:2::99" \
    doctor 2001:db8:2::99
check "and it says that" grep -q "no association names these addresses" "$NET_DIR/found"
finds "a name that does not resolve" 1 bad peer "no.such.host.invalid" "needs an IPv6 address" \
    doctor no.such.host.invalid
in_client ip -6 route add unreachable 2001:db8:eeee::/64
finds "no route" 1 bad path "2001:db8:eeee::1: there is no route" "ip -6 route" doctor 2001:db8:eeee::1

# The kernel: what is advised is done, and mends it.
for limit in max_dst_opts_number max_dst_opts_length; do
    before=$(in_client sysctl -n net.ipv6.$limit)
    in_client sysctl -q -w net.ipv6.$limit=0
    finds "net.ipv6.$limit" 1 bad kernel "net.ipv6.$limit = 0" "sysctl -w net.ipv6.$limit=" \
        doctor "$SERVER_ADDR"
    check "net.ipv6.$limit: the agent's host too" tells bad agent "drops all packets" "log"
    # shellcheck disable=SC2046 # words
    in_client $(sed -n 's/^ *> \(sysctl -w .*\)/\1 -q/p' "$NET_DIR/found")
    healthy "net.ipv6.$limit as advised"
    in_client sysctl -q -w net.ipv6.$limit="$before"
done

# Privilege.
check "without the capability" found_with 1 client \
    setpriv --bounding-set=-net_raw --inh-caps=-all --reuid 65534 --regid "$(id -g)" --clear-groups \
    "$BUILD/pdmctl" doctor
check "it is told, and how to grant it" tells note programs "setcap cap_net_raw+p $AGENTS_BIN/pdmrun" ""
check "another user's agent" tells bad agent "may not be asked by this user" ""

# The agent.
agents_down
finds "no agent" 1 bad agent "no agent at $NET_DIR/client/agent.sock" "" doctor
check "and of the path it says the same" eval "found_with 1 doctor '$SERVER_ADDR' && tells bad peer 'no agent at' ''"
agents_up encrypted || exit
sed -i '/^\[association/,$d' "$NET_DIR/client/conf"
kill -HUP "${AGENTS_PIDS[0]}"
wait_for "! doctor >/dev/null" 5
finds "an agent without associations" 1 bad agent "has no associations" "pdmv2.conf(5)" doctor
agents_down
output_full() { ! doctor ::1 >/dev/full 2>"$NET_DIR/err" && grep -q "cannot write" "$NET_DIR/err"; }
check "output that cannot be written" output_full

tally
