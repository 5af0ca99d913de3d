# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Sourced by the tests after tests/net/netns.sh, tests/net/pki.sh and tests/net/organisations.sh:
# unmodified programs between the two organisations, in a mode of operation, under the eyes of
# captures; and who could have decrypted what they saw.
#
#   modes_build               the two daemons once more, writing down what they are told
#   modes_up                  the organisations, MODES_LINK_MS apart
#   modes_begin MODE [LINE...]   configurations, and all daemons until all secondaries are enrolled
#   modes_end                 ends them and forgets all that they knew
#   modes_measure DIRECTORY PROBES   at once: pdmping from sc1 to an unmodified socat at ss1, which
#                             takes about 20 ms for a request, and an unmodified socat from sc2 to
#                             another at ss2. DIRECTORY gets sc1/ as tests/e2e/ping.sh leaves one,
#                             and sc2/ with the captures and the flow as both agents show it
#   modes_server HOST, modes_server_end HOST   such a server by itself
#   modes_who LABEL DIRECTORY CLIENT,SERVER=HOST,...   a table of who can decrypt what was
#                             captured, with all that each host ever held; fails unless exactly
#                             those HOSTs can
#   modes_check ...           tests/e2e/modes_check.py
#
# Each host's transcript is $NET_DIR/HOST/transcript.

MODES_PYTHON=${PYTHON:-/usr/bin/python3}
MODES_BUILD=$ORGS_BIN/transcript
MODES_LINK_MS=10
MODES_INTERVAL=0.12 # so long that replies do not overlap on a busy machine
MODES_ENROLLED=15 # seconds, at most
# shellcheck disable=SC2034 # for those who source this
MODES_SET=(--network-set $((2 * MODES_LINK_MS)) --server-set 20)
MODES_SECONDARIES=(sc1 sc2 ss1 ss2)
declare -A MODES_SERVERS=()
MODES_CAPTURES=()

# Several tests may want it at a time.
modes_build() {
    mkdir -p "$MODES_BUILD" &&
        flock "$MODES_BUILD.lock" make -s -j2 say= "BUILD=$MODES_BUILD" OPT=-O1 \
            DEFS=-DPDM_TRANSCRIPT "$MODES_BUILD/pdmprimary" "$MODES_BUILD/pdmkeyagent"
}

modes_up() {
    # shellcheck disable=SC2034 # read by tests/net/organisations.sh
    ORGS_DAEMONS=$MODES_BUILD
    orgs_up && link_set both delay=${MODES_LINK_MS}ms
}

# HOST: it has its secrets, and after them came its first list.
modes_enrolled() {
    grep -qs '^received 01040000' "$NET_DIR/$1/transcript"
}

modes_begin() {
    local host
    orgs_configure "$@" || return
    for host in ps pc "${MODES_SECONDARIES[@]}"; do
        orgs_start "$host" || return
    done
    for host in "${MODES_SECONDARIES[@]}"; do
        wait_for "modes_enrolled $host" "$MODES_ENROLLED" && continue
        echo "modes.sh: $host is not enrolled" >&2
        cat "$(orgs_log "$host")" "$(orgs_log pc)" "$(orgs_log ps)" >&2
        return 1
    done
}

modes_end() {
    orgs_down
    orgs_forget
}

# HOST: socat's children each wait for a datagram of their client's.
modes_server() {
    start_on "$1" socat UDP6-LISTEN:7,fork,reuseaddr \
        EXEC:"$PWD/tests/apps/slowcat.sh $NET_DIR/$1/datagram" 2>>"$NET_DIR/$1/socat.log"
    MODES_SERVERS[$1]=$STARTED
    wait_for "in_host $1 ss -Hlnu 'sport = :7' | grep -q ." 5
}

modes_server_end() {
    end_service "${MODES_SERVERS[$1]}"
    unset "MODES_SERVERS[$1]"
    return 0
}

# HOST FILE: its own datagrams, with nanosecond stamps.
modes_capture() {
    start_in_host "$1" tcpdump -Z root -n -U --immediate-mode -s 2048 -B 16384 \
        --time-stamp-precision=nano -i eth0 -w "$2" "ip6 host $(orgs_addr "$1")" 2>"$2.log"
    MODES_CAPTURES+=("$STARTED" "$2.log")
    wait_for "grep -q '^tcpdump: listening' '$2.log'" 5
}

modes_captures_end() {
    local i status=0
    sleep 0.2 # what the kernel has queued is read before the signal
    for ((i = 0; i < ${#MODES_CAPTURES[@]}; i += 2)); do
        kill "${MODES_CAPTURES[i]}" && wait "${MODES_CAPTURES[i]}"
        if ! grep -q '^0 packets dropped by kernel' "${MODES_CAPTURES[i + 1]}"; then
            cat "${MODES_CAPTURES[i + 1]}" >&2
            status=1
        fi
    done
    MODES_CAPTURES=()
    return "$status"
}

# FILE PROBES: requests of 56 octets, one at a time.
modes_requests() {
    local number
    for ((number = 0; number < $2; number++)); do
        printf '%-56s' "request $number"
        sleep "$MODES_INTERVAL"
    done >"$1"
}

# DIRECTORY PROBES: socat ends when its input does, and with it the flow.
modes_socat() {
    local client
    mkfifo "$1/requests"
    # shellcheck disable=SC2016
    start_on sc2 sh -c 'exec "$@" <"$0"' "$1/requests" \
        socat - "UDP6:[$(orgs_addr ss2)]:7" >"$1/replies"
    client=$STARTED
    exec 7>"$1/requests" # for that socat alone
    modes_requests "$1/requests" "$2" 7>&-
    sleep "$MODES_INTERVAL"
    on sc2 "$ORGS_BIN/pdmctl" -j flows >"$1/client.json" 7>&- &&
        on ss2 "$ORGS_BIN/pdmctl" -j flows >"$1/server.json" 7>&-
    exec 7>&-
    wait "$client"
}

modes_measure() {
    local number host ping status=0
    mkdir -p "$1/sc1" "$1/sc2"
    for number in 1 2; do
        modes_server "ss$number" && modes_capture "sc$number" "$1/sc$number/client.pcap" &&
            modes_capture "ss$number" "$1/sc$number/server.pcap" || return
    done
    on sc1 "$ORGS_BIN/pdmping" --json -c "$2" -i "$MODES_INTERVAL" "$(orgs_addr ss1)" \
        >"$1/sc1/ping.json" &
    ping=$!
    modes_socat "$1/sc2" "$2" || status=1
    wait "$ping" || status=1
    modes_captures_end || status=1
    for host in ss1 ss2; do
        modes_server_end "$host"
    done
    return "$status"
}

# Prints a line for the check.
modes_check() { "$MODES_PYTHON" -B tests/e2e/modes_check.py "$@"; }

modes_who() {
    local label=$1 directory=$2 flow host arguments=()
    shift 2
    for flow in "$@"; do arguments+=(--flow "$flow"); done
    for host in "${ORGS_HOSTS[@]}"; do
        arguments+=(--host "$host=$(orgs_addr "$host")")
    done
    modes_check who "$label" "$NET_DIR" "$directory"/sc?/server.pcap "${arguments[@]}"
}
