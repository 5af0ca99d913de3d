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
# shellcheck source=tests/tally.sh
. tests/tally.sh

: "${PYTHON:=/usr/bin/python3}"
PDMCTL=$AGENTS_BIN/pdmctl
APPS=$AGENTS_BIN/tests/apps
MIDDLE_NS=pdm-$$-middle
# Milliseconds each way: from the client to the middle, from there to the server.
NEAR=4
FAR=6
THINK=10 # with the way there and back, less than 50 ms: volley then gives up
EXCHANGES=40
LARGE_MIB=512
LARGE_MAY_MIB=128 # of address space, of which libraries take some 20

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

# DIRECTORY: exchanges one by one, under three captures; what the agents then show. Whether a busy
# machine lets both agents answer in time is not what this is about: again, if they did not.
exchanges() {
    local tries
    for tries in 1 2 3; do
        rm -rf "$1"
        exchanges_once "$1" || return
        ! took_part "$1/client.json" || ! took_part "$1/server.json" || return 0
    done
    echo "test_decode: the agents were too late for $tries runs" >&2
    return 1
}
took_part() {
    jq -se --argjson least $((EXCHANGES * 3 / 4)) \
        'any(.type == "flow" and .network_delay.samples >= $least)' "$1" >/dev/null
}
exchanges_once() {
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
decode() {
    "$PDMCTL" decode -v -j -x "$1/$2.disclosed" "${@:3}" "$1/$2.pcap" >"$1/$2.decoded"
}

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
        [ $place = middle ] || continue
        check "$what: JSON by the schema" said schema "$dir/$place.decoded"
        [ "$1" != rfc8250 ] || check "$what: options as tshark reads them" \
            said tshark "$dir/$place.decoded" "$dir/$place.pcap"
        [ "$1" = rfc8250 ] || check "$what: options as the Wireshark dissector shows them" \
            said wireshark "$dir/$place.pcap" "$dir/$place.disclosed" "${key[@]}"
        [ "$1" != encrypted ] || check "$what: options as it shows them by the key" \
            said wireshark "$dir/$place.pcap" - "${key[@]}" --give-key
    done
    end_service "$ECHO_PID"
    agents_down
}

# Requests and answers on one connection, a sample of which has options.
tcp() {
    local dir=$NET_DIR/run-tcp
    agents_up encrypted && mkdir "$dir" && captures_start "$dir" || return
    start_server "$PYTHON" tests/apps/turns.py serve "$SERVER_ADDR" 7 --plan 100:200:$THINK
    ECHO_PID=$STARTED
    wait_for "in_server ss -Hlnt 'sport = :7' | grep -q ." 5 &&
        start_client "$PYTHON" tests/apps/turns.py ask "$SERVER_ADDR" 7 --plan 100:200:$THINK \
            --count $EXCHANGES --pause 15 --flows "$dir/client.json" "$PDMCTL" >"$dir/answers" &&
        wait "$STARTED" || return
    captures_stop
    decode "$dir" middle -k "$AGENTS_KEY"
    check "encrypted TCP: options as the witness reads them" \
        said witness "$dir/middle.decoded" "$dir/middle.pcap" --key "$AGENTS_KEY"
    check "encrypted TCP: options as the Wireshark dissector shows them" \
        said wireshark "$dir/middle.pcap" "$dir/middle.disclosed" --key "$AGENTS_KEY"
    check "encrypted TCP: delays" said delays "$dir/middle.decoded" "$dir" --one-sided \
        --network $((2 * (NEAR + FAR))) --server $THINK --beyond-client $((2 * FAR))
    end_service "$ECHO_PID"
    agents_down
}

# --- losses ---

# One option more is lost on the second link, behind the capture, than the capture can know.
losses() {
    local dir=$NET_DIR/run-losses
    agents_up plain && mkdir "$dir" && captures_start "$dir" || return
    start_server "$APPS/slowecho" :: 7
    ECHO_PID=$STARTED
    wait_for "in_server ss -Hlnu 'sport = :7' | grep -q ." 5 || return
    link 1 set up loss=10% duplicate=5% >/dev/null && link 1 reset >/dev/null || return
    start_client "$APPS/volley" "$SERVER_ADDR" 7 400 4 </dev/null >"$dir/volley"
    wait "$STARTED"
    captures_stop
    link 1 stats >"$dir/stats"
    link 1 set up loss=0% duplicate=0% >/dev/null
    decode "$dir" middle
    end_service "$ECHO_PID"
    agents_down
}

# What the link says that it did to options, but for those behind the last that came.
as_the_link_says() {
    jq -se --argjson lost "$(awk '$1 == "up_lost_opt" { print $2 }' "$1/stats")" \
        --argjson twice "$(awk '$1 == "up_duplicated_opt" { print $2 }' "$1/stats")" '
        map(select(.type == "flow" and (.to | endswith("]:7"))))[0] |
        .lost > 10 and .lost <= $lost and .lost >= $lost - 4 and .duplicates == $twice' \
        "$1/middle.decoded" >/dev/null &&
        awk '/^up_(lost|duplicated)_opt/ { printf "%s %s ", $1, $2 }' "$1/stats"
}

# --- made captures ---

made() { "$PYTHON" -B tests/e2e/decode_captures.py "$@"; }

golden() {
    "$PDMCTL" decode -v -k "$NET_DIR/zero" "$NET_DIR/golden.pcap" |
        diff tests/e2e/golden/decode.txt -
}

# The same packets, whatever they came on.
links() {
    local file
    made links "$NET_DIR/links" || return
    for file in "$NET_DIR"/links/*; do
        case $file in
        */wifi.pcap)
            exits 1 'link type 105 .* not supported' "$file" || return
            ;;
        *) "$PDMCTL" decode -v -k "$NET_DIR/zero" "$file" | diff tests/e2e/golden/decode.txt - ||
            return ;;
        esac
    done
    exits 0 '' - <"$NET_DIR/links/raw.pcapng"
}

# CODE REGEX ARG...: what decode returns, and says on standard error
exits() {
    local status=0
    "$PDMCTL" decode "${@:3}" >"$NET_DIR/stdout" 2>"$NET_DIR/stderr" || status=$?
    if [ "$status" -ne "$1" ] || ! grep -qE -- "$2" <(cat "$NET_DIR/stderr" && echo); then
        echo "$status instead of $1, and:"
        cat "$NET_DIR/stderr"
        return 1
    fi
}

exit_codes() {
    local golden=$NET_DIR/golden.pcap
    echo 'no capture' >"$NET_DIR/text"
    head -c 1000 "$golden" >"$NET_DIR/cut.pcap"
    head -c 24 "$golden" >"$NET_DIR/empty.pcap"
    cp "$NET_DIR/zero" "$NET_DIR/open" && chmod 644 "$NET_DIR/open"
    cp "$NET_DIR/text" "$NET_DIR/no-key" && chmod 600 "$NET_DIR/no-key"
    exits 0 '^$' "$golden" &&
        exits 1 '/none: No such file' "$NET_DIR/none" &&
        exits 1 'unknown file format' "$NET_DIR/text" &&
        exits 1 'truncated|file header' - </dev/null &&
        exits 2 'usage' &&
        exits 2 '-s is not for decode' -s x "$golden" &&
        exits 5 'no option found' "$NET_DIR/empty.pcap" &&
        exits 6 'truncated dump file' "$NET_DIR/cut.pcap" &&
        grep -q '^11 packets, 11 with an option' "$NET_DIR/stdout" &&
        exits 1 'No such file' -k "$NET_DIR/none" "$golden" &&
        exits 1 'open to others.*chmod 600' -k "$NET_DIR/open" "$golden" &&
        exits 1 'not 64 hexadecimal digits' -k "$NET_DIR/no-key" "$golden" &&
        exits 1 'No such file' -c "$NET_DIR/none" "$golden" &&
        exits 1 'Is a directory' -x "$NET_DIR" "$golden" &&
        exits 1 'is the capture' -x "$golden" "$golden" && exits 0 '^$' "$golden"
}

full() {
    local status=0
    "$PDMCTL" decode "$NET_DIR/golden.pcap" >/dev/full 2>"$NET_DIR/stderr" || status=$?
    [ "$status" -eq 1 ] && grep -q 'cannot write' "$NET_DIR/stderr"
}

# A configuration's key opens what its association's hosts say, and no other's.
configured() {
    printf '[association %s]\npeer = %s\nkey = zero\n' one 2001:db8::/64 >"$NET_DIR/right.conf"
    printf '[association %s]\npeer = %s\nkey = zero\n' one 2001:db9::/64 >"$NET_DIR/other.conf"
    "$PDMCTL" decode -v -c "$NET_DIR/right.conf" "$NET_DIR/golden.pcap" |
        diff tests/e2e/golden/decode.txt - || return
    "$PDMCTL" decode -v -c "$NET_DIR/other.conf" "$NET_DIR/golden.pcap" |
        grep -c 'encrypted.*not_decrypted' | grep -qx 10
}

# PAGE NAME: the example of the manual, but for the capture that one begins with; output in
# $NET_DIR/example/output.
example() {
    local dir=$NET_DIR/example
    mkdir -p "$dir" && ln -sfn "$PWD/conf" "$dir/conf" && cp -p "$NET_DIR/zero" "$dir/lab.key" &&
        cp "$NET_DIR/golden.pcap" "$dir/seen.pcap" &&
        awk -v mark=".\\\\\" example: $2" '$0 == mark { found = 1 } found && /^\.Bd/ { on = 1; next }
            /^\.Ed/ && on { exit } on' "man/$1" |
        sed '/tcpdump/d; s/^[#$] //; s/\\e$/\\/' >"$dir/commands" && [ -s "$dir/commands" ] &&
        (cd "$dir" && PATH=$AGENTS_BIN:$PATH bash -e commands 2>/dev/null) >"$dir/output"
}

decode_example() {
    example pdmctl.1 decode &&
        grep -qE '^\[2001:db8::1\]:4002 .* encrypted +5 +30.000 ' "$NET_DIR/example/output" &&
        grep -qxE '20[0-4]	0.020000[0-9]+|20[0-4]	0.01999[0-9]+' "$NET_DIR/example/output"
}

# PSNTP as the dissector has it.
export_example() {
    example pdmv2-files.5 export &&
        grep -qxE '20010db80*[12] 00c[89abc]' "$NET_DIR/example/output"
}

hostile() {
    made hostile "$NET_DIR/hostile.pcap" "$NET_DIR/zero" &&
        "$PDMCTL" decode -v -j -k "$NET_DIR/zero" -x "$NET_DIR/hostile.disclosed" \
            "$NET_DIR/hostile.pcap" >"$NET_DIR/hostile.decoded" &&
        said schema "$NET_DIR/hostile.decoded" &&
        said witness "$NET_DIR/hostile.decoded" "$NET_DIR/hostile.pcap" --key "$NET_DIR/zero"
}
hostile_dissected() { # DISCLOSED [--give-key]
    said wireshark "$NET_DIR/hostile.pcap" "$@" --key "$NET_DIR/zero"
}

# Where Wireshark looks by itself, and with what is no key.
installed_dissector() {
    local plugins=$NET_DIR/home/.local/lib/wireshark/plugins
    mkdir -p "$plugins" && cp -r conf/wireshark/. "$plugins" || return
    HOME=$NET_DIR/home tshark -n -r "$NET_DIR/golden.pcap" -o "pdmv2.key:$NET_DIR/zero" \
        -Y pdmv2.kri -T fields -e pdmv2.psntp >"$NET_DIR/stdout" 2>"$NET_DIR/stderr"
    if grep -q 'Lua:' "$NET_DIR/stderr" || [ "$(wc -l <"$NET_DIR/stdout")" -ne 10 ]; then
        cat "$NET_DIR/stderr" "$NET_DIR/stdout"
        return 1
    fi
    HOME=$NET_DIR/home tshark -n -r "$NET_DIR/golden.pcap" -o "pdmv2.key:$NET_DIR/text" \
        -Y pdmv2.not_decrypted 2>&1 >"$NET_DIR/stdout" |
        grep -q 'pdmv2.key: .*/text: no file of 64 hexadecimal digits' &&
        [ "$(wc -l <"$NET_DIR/stdout")" -eq 10 ]
}

# More than may be kept, of a pipe; every option is told of in some flow.
large() {
    made large $LARGE_MIB 2>"$NET_DIR/large.count" |
        prlimit --as=$((LARGE_MAY_MIB * 1024 * 1024)) "$PDMCTL" decode -j - >"$NET_DIR/large.decoded" &&
        said sum "$NET_DIR/large.decoded" "$(cat "$NET_DIR/large.count")"
}

# What was read until then is reported when it is interrupted.
interrupted() {
    local status=0
    mkfifo "$NET_DIR/fifo"
    "$PDMCTL" decode -j - <"$NET_DIR/fifo" >"$NET_DIR/interrupted.decoded" &
    INTERRUPTED=$!
    exec 8>"$NET_DIR/fifo"
    cat "$NET_DIR/golden.pcap" >&8
    sleep 0.5 # what it has read by then it reports
    kill -INT "$INTERRUPTED"
    wait "$INTERRUPTED" || status=$?
    exec 8>&-
    [ "$status" -eq 0 ] && said schema "$NET_DIR/interrupted.decoded"
}

# When nobody reads what it says any more, it ends, and does not wait for the capture to.
unread() {
    local reader status=0
    mkfifo "$NET_DIR/endless"
    "$PDMCTL" decode -v - <"$NET_DIR/endless" 2>"$NET_DIR/stderr" | head -n 1 >"$NET_DIR/stdout" &
    reader=$!
    exec 8>"$NET_DIR/endless"
    cat "$NET_DIR/golden.pcap" >&8
    for _ in {1..50}; do
        tail -c +25 "$NET_DIR/golden.pcap" >&8 2>/dev/null || status=$? # without the file's header
        [ "$status" -eq 0 ] || break
        sleep 0.1
    done
    exec 8>&-
    wait "$reader"
    [ "$status" -ne 0 ] && grep -q 'cannot write to standard output' "$NET_DIR/stderr"
}

AGENTS_SETTINGS=("${AGENTS_PATIENT[@]}")
path_up || exit
for protect in encrypted "encrypted chacha20-poly1305" plain rfc8250; do
    # shellcheck disable=SC2086 # two words
    traffic $protect || exit
done
tcp || exit
losses || exit
check "losses and duplicates before the capture" as_the_link_says "$NET_DIR/run-losses"

printf '%064d\n' 0 >"$NET_DIR/zero" && chmod 600 "$NET_DIR/zero" && mkdir "$NET_DIR/links" &&
    made golden "$NET_DIR/golden.pcap" || exit
check "text, octet for octet" golden
check "each link type, pcap and pcapng" links
check "exit codes" exit_codes
check "standard output is full" full
check "keys of a configuration" configured
check "pdmctl(1): example" decode_example
check "pdmv2-files(5): example" export_example
check "options that were changed" hostile
check "the same in the Wireshark dissector" hostile_dissected "$NET_DIR/hostile.disclosed"
check "and without what is decrypted" hostile_dissected -
check "and with the key" hostile_dissected - --give-key
check "the dissector as a plugin" installed_dissector
check "a capture of $LARGE_MIB MiB in $LARGE_MAY_MIB" large
check "interrupted, it reports" interrupted
check "unread, it ends" unread
tally
