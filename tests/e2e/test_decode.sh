#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# pdmctl decode: real traffic in all three formats, captured at each end and on the way, where it
# says what was set, what the hosts' agents measured, what the witness reads and what tshark does;
# hostile captures; a capture larger than memory may be; and the Wireshark dissector. As root.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/net/netns.sh
. tests/net/netns.sh
# shellcheck source=tests/e2e/agents.sh
. tests/e2e/agents.sh

: "${PYTHON:=/usr/bin/python3}"
PDMCTL=$AGENTS_BIN/pdmctl
APPS=$AGENTS_BIN/tests/apps
MIDDLE_NS=pdm-$$-middle
# Milliseconds each way: from the client to the middle, from there to the server.
NEAR=4
FAR=6
THINK=10 # with the way there and back, less than 50 ms: volley then gives up
EXCHANGES=40

PASSED=0 FAILED=0
check() { # WHAT CMD...
    local output
    if output=$("${@:2}" 2>&1); then
        PASSED=$((PASSED + 1))
        echo "ok    $1${output:+: $output}"
    else
        FAILED=$((FAILED + 1))
        echo "FAIL  $1"
        echo "$output" | tail -n 20 | sed 's/^/      /'
    fi
}

said() { "$PYTHON" -B tests/e2e/decode_check.py "$@"; }

# --- the path: two links with a router between them, on which a third capture is made ---

# NUMBER NS_A NS_B: a link between the two; its device in the router gets the number's name
link_up() {
    "$LINKSIM" --seed "$1" "$2" "$3" "$NET_DIR/link$1.sock" >"$NET_DIR/link$1.out" &
    LINKS+=($!)
    wait_for "[ -S '$NET_DIR/link$1.sock' ]" 5 || return
    ip -n "$MIDDLE_NS" link set "$NET_DEV" down name "way$1" &&
        ip -n "$MIDDLE_NS" link set "way$1" mtu 1500 up
}
link() { "$LINKSIM" --ctl "$NET_DIR/link$1.sock" "${@:2}"; }

path_down() {
    local pid
    for pid in "${LINKS[@]}"; do kill "$pid" && wait "$pid"; done
    net_end_processes "$MIDDLE_NS"
    ip netns del "$MIDDLE_NS"
}

path_up() {
    LINKS=()
    net_begin && ip netns add "$MIDDLE_NS" && net_on_exit path_down || return
    link_up 1 "$CLIENT_NS" "$MIDDLE_NS" && link_up 2 "$MIDDLE_NS" "$SERVER_NS" &&
        net_address "$CLIENT_NS" "$CLIENT_ADDR" 2001:db8:2::/64 &&
        net_address "$SERVER_NS" "$SERVER_ADDR" 2001:db8:1::/64 &&
        ip netns exec "$MIDDLE_NS" sysctl -qw net.ipv6.conf.all.forwarding=1 &&
        ip -n "$MIDDLE_NS" route add 2001:db8:1::/64 dev way1 &&
        ip -n "$MIDDLE_NS" route add 2001:db8:2::/64 dev way2 &&
        link 1 set both delay=${NEAR}ms >/dev/null && link 2 set both delay=${FAR}ms >/dev/null
}

# DIRECTORY: captures at the client, in the middle and at the server begin
captures_start() {
    local place at
    CAPTURES=()
    for place in "client $CLIENT_NS $NET_DEV" "middle $MIDDLE_NS way2" "server $SERVER_NS $NET_DEV"; do
        read -ra at <<<"$place"
        ip netns exec "${at[1]}" tcpdump -Z root -n -U --immediate-mode -s 2048 -B 16384 \
            --time-stamp-precision=nano -i "${at[2]}" -w "$1/${at[0]}.pcap" ip6 2>"$1/${at[0]}.log" &
        CAPTURES+=($!)
        wait_for "grep -qs '^tcpdump: listening' '$1/${at[0]}.log'" 5 || return
    done
}
captures_stop() {
    local pid
    sleep 0.2 # what the kernel has queued for them is read before the signal
    for pid in "${CAPTURES[@]}"; do kill "$pid" && wait "$pid"; done
}

# DIRECTORY: exchanges one by one, under three captures; what the agents then show
exchanges() {
    local client
    mkdir "$1" && mkfifo "$1/hold" && captures_start "$1" || return
    # shellcheck disable=SC2016 # What bash runs in the background has no input of its own.
    start_client sh -c 'exec "$@" <"$0"' "$1/hold" \
        "$APPS/volley" "$SERVER_ADDR" 7 $EXCHANGES 1 >"$1/volley"
    client=$STARTED
    exec 7>"$1/hold"
    wait_for "[ -s '$1/volley' ]" 20 || return
    client "$PDMCTL" -j flows >"$1/client.json" && server "$PDMCTL" -j flows >"$1/server.json" ||
        return
    exec 7>&-
    wait "$client"
    captures_stop
}

# DIRECTORY PLACE ARG...: all that decode says of that capture
decode() { "$PDMCTL" decode -v -j "${@:3}" "$1/$2.pcap" >"$1/$2.decoded"; }

traffic() { # PROTECT [AEAD]
    local aead=${2:-aes-256-gcm} place key=() beyond_client beyond_server
    local dir=$NET_DIR/run-$1-$aead what="$1${2:+ $2}"
    agents_up "$1" "$aead" || return
    start_server "$APPS/slowecho" -t ${THINK}000 :: 7
    ECHO_PID=$STARTED
    wait_for "in_server ss -Hlnu 'sport = :7' | grep -q ." 5 && exchanges "$dir" || return
    [ "$1" != encrypted ] || key=(--key "$AGENTS_KEY" --aead "$aead")
    for place in client middle server; do
        beyond_client=$((2 * FAR)) beyond_server=$((2 * NEAR))
        [ $place != client ] || beyond_client=$((2 * (NEAR + FAR))) beyond_server=0
        [ $place != server ] || beyond_client=0 beyond_server=$((2 * (NEAR + FAR)))
        decode "$dir" $place ${key[1]:+-k "${key[1]}"} || return
        check "$what at the $place: options as the witness reads them" \
            said witness "$dir/$place.decoded" "$dir/$place.pcap" "${key[@]}"
        check "$what at the $place: delays" said delays "$dir/$place.decoded" "$dir" \
            --network $((2 * (NEAR + FAR))) --server $THINK \
            --beyond-client $beyond_client --beyond-server $beyond_server
        check "$what at the $place: JSON by the schema" said schema "$dir/$place.decoded"
        [ "$1" != rfc8250 ] || check "rfc8250 at the $place: options as tshark reads them" \
            said tshark "$dir/$place.decoded" "$dir/$place.pcap"
    done
    end_service "$ECHO_PID"
    agents_down
}

AGENTS_SETTINGS=("${AGENTS_PATIENT[@]}")
path_up || exit
for protect in encrypted "encrypted chacha20-poly1305" plain rfc8250; do
    # shellcheck disable=SC2086 # two words
    traffic $protect || exit
done
echo "$PASSED passed, $FAILED failed"
[ "$FAILED" -eq 0 ]
