#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# ICMPv6 and other raw sockets: what the library measures of an unmodified ping, against captures of
# the same run; that ping and programs that use raw sockets otherwise see the same with and without
# it; and what is left alone. As root.
#
#   tests/e2e/test_icmp.sh [CASE...]   encrypted plain rfc8250 253 pings transparent alone read-only
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/net/netns.sh
. tests/net/netns.sh
# shellcheck source=tests/e2e/agents.sh
. tests/e2e/agents.sh
# shellcheck source=tests/e2e/ping.sh
. tests/e2e/ping.sh
# shellcheck source=tests/tally.sh
. tests/tally.sh

PYTHON=${PYTHON:-/usr/bin/python3}
THINK_MS=20
PROBES=30
INTERVAL=0.2 # longer than an agent that is asked takes to answer
FEWEST=20 # options in a run that counts as with them
UNPRIVILEGED=0 # 1: ping has no CAP_NET_RAW when it sends
judge() {
    if "$PYTHON" tests/e2e/icmp_check.py "$@"; then
        count 0
    else
        count 1
    fi
}

# ping gives up its capabilities before it sends, and with them the option. Over the namespaces of a
# user namespace its maker's processes have all capabilities, whatever they gave up
# (user_namespaces(7)).
net_namespace() {
    local holder own
    if [ "$UNPRIVILEGED" -eq 1 ]; then
        ip netns add "$1"
        return
    fi
    own=$(readlink /proc/self/ns/net)
    unshare --user --map-root-user --net sleep 60 &
    holder=$!
    wait_for "[ \"\$(readlink /proc/$holder/ns/net)\" != '$own' ]" 5 &&
        ip netns attach "$1" "$holder"
    kill "$holder"
    wait "$holder" 2>/dev/null
    [ -e "/run/netns/$1" ]
}

# Whether the server's kernel answers echoes.
kernel_answers() {
    in_server sysctl -qw net.ipv6.icmp.echo_ignore_all="$([ "$1" = yes ] && echo 0 || echo 1)"
}

# A copy has no file capability, with which the library would not be loaded.
network() {
    net_up 1 && cp /bin/ping "$NET_DIR/ping" || exit
    PING=("$NET_DIR/ping" -6 -n)
}

start_responder() {
    kernel_answers no
    start_server "$AGENTS_BIN/tests/apps/echoresponder" -t $((THINK_MS * 1000)) "$SERVER_ADDR"
    RESPONDER=$STARTED
}

end_responder() {
    kill "$1" && wait "$1" 2>/dev/null
    kernel_answers yes
}

# Asks the agent for the flow of process PID as often as it can while that lives.
poll() {
    local before flow
    while kill -0 "$1" 2>/dev/null; do
        before=$EPOCHREALTIME
        flow=$(client "$AGENTS_BIN/pdmctl" -j flows | grep "\"pid\":$1,")
        echo "$before $EPOCHREALTIME $flow"
        sleep 0.02
    done
}

# DIRECTORY CMD...: CMD on the client, between two captures, and the agent asked all along.
measure() {
    local directory=$1
    shift
    mkdir "$directory"
    ping_capture "$directory" && capture_start "$directory/server.pcap" || return
    start_client "$@" >"$directory/output"
    poll "$STARTED" >"$directory/polls"
    wait "$STARTED" || say FAIL "$*: exit status $?"
    capture_stop
    kill "$PING_CAPTURE" && wait "$PING_CAPTURE"
}

probe() { measure "$1" "${PING[@]}" -c $PROBES -i $INTERVAL "$SERVER_ADDR"; }

# What tshark shows of the option in the echoes that each host sends.
dissected() {
    local address shown bad=0
    for address in "$CLIENT_ADDR" "$SERVER_ADDR"; do
        shown=$(tshark -r "$1" -Y "icmpv6.type in {128,129} && ipv6.opt.type == 15 && ipv6.src == $address" \
            -T fields -e ipv6.opt.pdm.psn_this_pkt 2>/dev/null | grep -c '^[1-9]')
        [ "$shown" -ge $((PROBES / 2)) ] || bad=1
    done
    [ "$bad" -eq 0 ]
}

# --- the cases ---

# PROTECT
measured() {
    local key=()
    agents_up "$1" || exit
    [ "$1" != encrypted ] || key=(--key "$AGENTS_KEY")
    link_set both delay=10ms

    start_responder
    probe "$NET_DIR/$1-responder"
    end_responder "$RESPONDER"
    judge delays "$1, ping, a responder that takes $THINK_MS ms" "$NET_DIR/$1-responder" \
        --server-at-least $THINK_MS
    judge options "$1, the options of that" "$NET_DIR/$1-responder/server.pcap" \
        "$1" "${key[@]}"
    if dissected "$NET_DIR/$1-responder/server.pcap"; then
        say ok "$1, tshark finds the option in echoes"
    else
        say FAIL "$1, tshark does not find the option in echoes"
    fi

    probe "$NET_DIR/$1-kernel"
    judge delays "$1, ping, the kernel answers" "$NET_DIR/$1-kernel" --total-alone
    agents_down
}

# Another protocol without ports.
unassigned() {
    agents_up encrypted || exit
    link_set both delay=10ms
    start_server "$PYTHON" tests/e2e/raw_pair.py serve "$SERVER_ADDR" $THINK_MS
    local pair=$STARTED
    # shellcheck disable=SC2016
    wait_for 'in_server ss -Hlnw -f inet6 | grep -q ":253 "' 5
    measure "$NET_DIR/253" "$PYTHON" tests/e2e/raw_pair.py ask "$SERVER_ADDR" $PROBES $INTERVAL
    judge delays "protocol 253" "$NET_DIR/253" --proto 253 --server-at-least $THINK_MS
    measure "$NET_DIR/253-connected" \
        "$PYTHON" tests/e2e/raw_pair.py ask "$SERVER_ADDR" $PROBES $INTERVAL connect
    judge delays "protocol 253, connected" "$NET_DIR/253-connected" --proto 253 \
        --server-at-least $THINK_MS
    if in_client "$PYTHON" tests/e2e/raw_pair.py ask "$SERVER_ADDR" $PROBES 0 |
        diff - "$NET_DIR/253/output"; then
        say ok "protocol 253: the same without the library"
    else
        say FAIL "protocol 253: other without the library"
    fi
    kill "$pair" && wait "$pair" 2>/dev/null
    agents_down
}

# LABEL IDENTIFIER IDENTIFIER: two pings at once.
two_pings() {
    local first second
    capture_start "$NET_DIR/two.pcap" || return
    start_client "${PING[@]}" -q -e "$2" -w 5 -i 0.1 "$SERVER_ADDR" >/dev/null
    first=$STARTED
    start_client "${PING[@]}" -q -e "$3" -w 5 -i 0.1 "$SERVER_ADDR" >/dev/null
    second=$STARTED
    sleep 3
    client "$AGENTS_BIN/pdmctl" -j flows >"$NET_DIR/flows"
    wait "$first" "$second"
    capture_stop
    judge flows "two pings at once, $1" "$NET_DIR/flows" "$2" "$3" \
        --total-at-least $((THINK_MS + 4))
    judge options "two pings at once, $1: their options" "$NET_DIR/two.pcap" encrypted \
        --key "$AGENTS_KEY"
}

pings() {
    agents_up encrypted || exit
    link_set both delay=2ms
    start_responder
    two_pings "identifiers of their own" 71 72
    two_pings "the same identifier" 73 73
    end_responder "$RESPONDER"
    agents_down
}

# Times are no part of what must be the same, nor are the last reply's duplicates, for which ping
# does not wait.
without_times() {
    sed -E 's/time=[0-9.]+ ms/time/; s/time [0-9]+ms/time/; s/^rtt .*/rtt/; s/, ipg.*//
        s/, pipe [0-9]+//; s/\+[0-9]+ (duplicates)/\1/; /icmp_seq=5 .*DUP!/d'
}

# Each prints what ping does in one situation.
see_plain() { "$@" -c 5 -i 0.05 "$SERVER_ADDR"; }
see_flood() { "$@" -q -f -c 1000 -w 10 "$SERVER_ADDR"; }
see_identifier() { "$@" -e 77 -c 5 -i 0.05 -s 0 "$SERVER_ADDR"; }
see_stamps() { "$@" -D -c 3 -i 0.05 "$SERVER_ADDR" | sed 's/^\[[0-9.]*\]/[stamp]/'; }
see_hop_limit() { "$@" -t 9 -c 3 -i 0.05 "$SERVER_ADDR"; }
see_source() { "$@" -I "$CLIENT_ADDR" -c 3 -i 0.05 "$SERVER_ADDR"; }
see_device() { "$@" -I "$NET_DEV" -c 3 -i 0.05 "$SERVER_ADDR"; }
see_preload() { "$@" -l 3 -c 5 -i 0.1 "$SERVER_ADDR"; }
see_largest() { "$@" -M "do" -s 1452 -c 3 -i 0.05 "$SERVER_ADDR"; }
see_too_large() { "$@" -M "do" -s 1453 -c 2 -i 0.05 -W 1 "$SERVER_ADDR"; }
see_fragments() { "$@" -s 4000 -c 3 -i 0.05 "$SERVER_ADDR"; }
see_unnamed() { "$@" -c 3 -i 0.05 "$CLIENT_ADDR"; }
see_no_route() { "$@" -c 2 2001:db8:3::1; }
see_duplicates() {
    link_set down duplicate=100%
    "$@" -c 5 -i 0.1 "$SERVER_ADDR"
    link_set down duplicate=0%
}
see_loss() {
    link_set up loss=100%
    "$@" -c 3 -i 0.05 -W 1 "$SERVER_ADDR"
    link_set up loss=0%
}
see_refusal() {
    in_server nft -f - <<-'RULES'
	add table ip6 refusal
	add chain ip6 refusal input { type filter hook input priority 0; }
	add rule ip6 refusal input icmpv6 type echo-request reject with icmpv6 type admin-prohibited
	RULES
    "$@" -c 3 -i 0.2 -W 1 "$SERVER_ADDR"
    in_server nft delete table ip6 refusal
}

SIGHTS=(plain flood identifier stamps hop_limit source device preload largest too_large
    fragments unnamed no_route duplicates loss refusal)

# COMMAND...: what it prints and returns, without the library and with it.
same() {
    "$@" in_client "${PING[@]}" >"$NET_DIR/without" 2>&1
    echo "exit $?" >>"$NET_DIR/without"
    "$@" client LD_PRELOAD="$AGENTS_BIN/libpdmv2.so" "${PING[@]}" >"$NET_DIR/with" 2>&1
    echo "exit $?" >>"$NET_DIR/with"
    without_times <"$NET_DIR/without" >"$NET_DIR/expected"
    without_times <"$NET_DIR/with" | diff "$NET_DIR/expected" - >"$NET_DIR/diff"
}

# Encrypted options in the capture FILE.
options_in() {
    tcpdump -r "$1" -n 'ip6[6] = 60 and ip6[44] = 15 and ip6[45] = 34' 2>/dev/null | wc -l
}

transparent() {
    local sight with
    agents_up encrypted || exit
    link_set both delay=2ms
    kernel_answers yes
    capture_start "$NET_DIR/pings.pcap" "src host $CLIENT_ADDR" || return
    for sight in "${SIGHTS[@]}"; do
        if ! same "see_$sight"; then
            say FAIL "ping, $sight: other with the library than without"
            head -n 20 "$NET_DIR/diff"
        else
            say ok "ping, $sight: the same ($(grep -E 'transmitted|rror|unreach' "$NET_DIR/expected" | tail -n 1))"
        fi
    done
    capture_stop
    with=$(options_in "$NET_DIR/pings.pcap")
    say "$([ "$with" -ge $FEWEST ] && echo ok || echo FAIL)" "pings had $with options"

    in_client "$PYTHON" tests/e2e/raw_calls.py echo "$SERVER_ADDR" >"$NET_DIR/without" 2>&1
    capture_start "$NET_DIR/calls.pcap" "src host $CLIENT_ADDR" || return
    client LD_PRELOAD="$AGENTS_BIN/libpdmv2.so" \
        "$PYTHON" tests/e2e/raw_calls.py echo "$SERVER_ADDR" >"$NET_DIR/with" 2>&1
    capture_stop
    with=$(options_in "$NET_DIR/calls.pcap")
    if ! diff "$NET_DIR/without" "$NET_DIR/with" >"$NET_DIR/diff"; then
        say FAIL "calls on raw sockets: other with the library than without"
        head -n 20 "$NET_DIR/diff"
    elif [ "$with" -lt $FEWEST ]; then
        say FAIL "calls on raw sockets: only $with options"
    else
        say ok "calls on raw sockets: the same ($with options)"
    fi
    agents_down
}

alone() {
    local options
    agents_up encrypted || exit
    link_set both delay=1ms
    kernel_answers yes
    in_client sysctl -qw net.ipv4.ping_group_range="0 0"
    in_client "$PYTHON" tests/e2e/raw_calls.py alone "$CLIENT_ADDR" "$SERVER_ADDR" \
        >"$NET_DIR/without" 2>&1
    capture_start "$NET_DIR/alone.pcap" "src host $CLIENT_ADDR" || return
    client LD_PRELOAD="$AGENTS_BIN/libpdmv2.so" \
        "$PYTHON" tests/e2e/raw_calls.py alone "$CLIENT_ADDR" "$SERVER_ADDR" \
        >"$NET_DIR/with" 2>&1
    capture_stop
    in_client sysctl -qw net.ipv4.ping_group_range="1 0"
    options=$(options_in "$NET_DIR/alone.pcap")
    if grep -q Traceback "$NET_DIR/without"; then
        say FAIL "what is left alone does not work without the library"
        tail -n 5 "$NET_DIR/without"
    elif ! diff "$NET_DIR/without" "$NET_DIR/with"; then
        say FAIL "what is left alone is other with the library than without"
    elif [ "$options" -ne 0 ]; then
        say FAIL "what is left alone: $options options"
    else
        say ok "what is left alone: the same, no option in $(wc -l <"$NET_DIR/with") sends"
    fi
    agents_down
}

# Who sees echoes that its kernel answers has no flows of them.
bystander() {
    local seen
    agents_up encrypted || exit
    link_set both delay=1ms
    start_server "$PYTHON" tests/e2e/raw_calls.py listen 20 >"$NET_DIR/seen"
    seen=$STARTED
    # shellcheck disable=SC2016
    wait_for '[ -s "$NET_DIR/seen" ]' 5 # the agent has such a socket too
    start_client "${PING[@]}" -q -c 20 -i 0.05 "$SERVER_ADDR" >/dev/null
    wait "$STARTED"
    server "$AGENTS_BIN/pdmctl" -j flows >"$NET_DIR/flows"
    wait "$seen"
    if grep -q . "$NET_DIR/flows" || ! grep -qx "seen 20" "$NET_DIR/seen"; then
        say FAIL "a bystander: $(cat "$NET_DIR/seen"), $(wc -l <"$NET_DIR/flows") flows"
    else
        say ok "a bystander has no flows"
    fi
    agents_down
}

# The library cannot attach, and sees what it can.
read_only() {
    agents_up encrypted || exit
    link_set both delay=10ms
    start_responder
    probe "$NET_DIR/read-only"
    end_responder "$RESPONDER"
    judge delays "read-only, ping without CAP_NET_RAW" "$NET_DIR/read-only" --total-alone
    agents_down
}

CASES=("$@")
wanted() { [ "${#CASES[@]}" -eq 0 ] || [[ " ${CASES[*]} " == *" $1 "* ]]; }

AGENTS_SETTINGS=("${AGENTS_PATIENT[@]}")
network
for protect in encrypted plain rfc8250; do
    if wanted $protect; then measured $protect; fi
done
if wanted 253; then unassigned; fi
if wanted pings; then pings; fi
if wanted transparent; then transparent; fi
if wanted alone; then alone && bystander; fi
net_down
if wanted read-only; then
    UNPRIVILEGED=1
    network
    read_only
fi
tally
