# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Sourced by the tests after tests/net/netns.sh, tests/e2e/agents.sh and tests/tally.sh: real programs between two
# namespaces that a veth pair joins (throughput matters here, delay does not), each run three times:
# without the library, with it and PDM flowing, and with it while both agents are killed in mid-run
# and come back.
#
#   programs_up           both namespaces, addresses, link
#   three_runs NAME FUNCTION FLOWS HALF [EVIDENCE]
#                         FUNCTION in each run; it leaves what its programs saw in files in $OUT
#                         (a line `exit N` for each that says so), all else in $SCRATCH, and writes
#                         nothing else. What $OUT holds must be the same in all runs, and without
#                         the library no program may fail. In the dying run the agents are killed
#                         HALF seconds after it began (and not before there is evidence) and are
#                         back AWAY seconds later; FUNCTION must last longer than that. EVIDENCE is
#                         what a flow must show: samples (default) or options. FLOWS says which: a
#                         port, or a protocol's name as pdmctl shows it, or several of those, one of
#                         which must
#   seen_enough           fails while there is no evidence yet (flowing) or the agents are not back
#                         (dying): FUNCTION may go on until then
#   run_client CMD...     as the run wants it, preloaded or not; run_server CMD... too, but in the
#                         background; $STARTED
#   for_a_while SECONDS CMD...   again and again, and LONGER seconds more if need be
#   noise OCTETS, digest [FILE...], tell WHAT TEXT
#   saw FILE CMD...       run_client CMD with what it prints, and how it ended, added to $OUT/FILE
#   serving PORT [u]      waits for a TCP (or UDP) socket of the server's
#   end_server PID FILE   ends a server; how it ended is added to $OUT/FILE
#
# MODE is the run: absent, flowing or dying.

AWAY=0.6  # seconds without agents
POLL=0.1  # seconds between two looks at the flows: a slot goes with its socket
LIMIT=90  # for one client
LATEST=10 # until there must be evidence for the agents to be killed

MODE=
OUT=
SCRATCH=
FLOWS=
EVIDENCE=

programs_up() {
    net_begin &&
        ip link add "$NET_DEV" netns "$CLIENT_NS" type veth \
            peer name "$NET_DEV" netns "$SERVER_NS" &&
        net_address "$CLIENT_NS" "$CLIENT_ADDR" 2001:db8:2::/64 &&
        net_address "$SERVER_NS" "$SERVER_ADDR" 2001:db8:1::/64
}

# --- in FUNCTION ---

# OCTETS: as many, the same each time, that do not compress.
noise() {
    head -c "$1" /dev/zero |
        openssl enc -aes-128-ctr -K 000102030405060708090a0b0c0d0e0f \
            -iv 00000000000000000000000000000000
}

digest() { openssl dgst -sha256 -r "$@" | sed 's/ .*//'; }

# SECONDS CMD...: again and again, or longer. What is the same each time is one file in $OUT.
for_a_while() {
    local end last
    end=$((${EPOCHREALTIME/./} + $(printf '%.0f' "${1}e6")))
    last=$((end + LONGER * 1000000))
    while [ "${EPOCHREALTIME/./}" -lt "$end" ] ||
        { ! seen_enough && [ "${EPOCHREALTIME/./}" -lt "$last" ]; }; do
        "${@:2}" >"$SCRATCH/once" 2>&1
        mv "$SCRATCH/once" "$OUT/$2.$(digest "$SCRATCH/once")"
    done
}

# Not part of what must be the same.
tell() { printf '     %s, %s: %s\n' "$1" "$MODE" "$2"; }

programs_preload() {
    [ "$MODE" = absent ] ||
        echo "LD_PRELOAD=$AGENTS_BIN/libpdmv2.so PDMV2_AGENT=$NET_DIR/$1/agent.sock"
}

# shellcheck disable=SC2046 # two words
run_client() { in_client timeout --foreground $LIMIT env $(programs_preload client) "$@"; }
# shellcheck disable=SC2046
run_server() { start_in_server env $(programs_preload server) "$@"; }

saw() {
    run_client "${@:2}" >>"$OUT/$1" 2>&1
    echo "exit $?" >>"$OUT/$1"
}

serving() { wait_for "in_server ss -Hln${2:-t} 'sport = :$1' | grep -q ." 10; }

end_server() {
    kill "$1" 2>/dev/null
    wait_for "! kill -0 $1 2>/dev/null" 5 || kill -KILL "$1"
    wait "$1" 2>/dev/null
    echo "ended $?" >>"$OUT/$2"
}

# --- the agents ---

# Disowned, the shell says nothing of how they end.
programs_agents() {
    agents_up encrypted || exit
    disown "${AGENTS_PIDS[@]}"
}

flows_of() { "$AGENTS_BIN/pdmctl" --json --socket "$NET_DIR/$1/agent.sock" flows 2>/dev/null; }

programs_watch() {
    while sleep "$POLL"; do
        flows_of client
        flows_of server
    done >>"$NET_DIR/flows"
}

# What the flows that FLOWS names showed at most, together: options sent, and samples.
programs_evidence() {
    jq -rn --arg names "$1" '($names | split(" ")) as $names |
        [inputs | select([.protocol, (.local, .peer | sub(".*:"; ""))] - $names | length < 3)] |
        group_by(.local, .peer, .pid) |
        "\(map(map(.options_sent) | max) | add // 0) \(
            map(map(.network_delay.samples // 0) | max) | add // 0)"' "$NET_DIR/flows" 2>/dev/null
}

# FLOWS EVIDENCE
programs_shows() {
    local options samples
    read -r options samples <<<"$(programs_evidence "$1")"
    [ "${options:-0}" -gt 0 ] && { [ "$2" = options ] || [ "$samples" -gt 0 ]; }
}

seen_enough() {
    case $MODE in
    flowing) programs_shows "$FLOWS" "$EVIDENCE" ;;
    dying) [ -s "$NET_DIR/disturbed" ] ;;
    esac
}

# After SECONDS. The agents that come back find sockets and locks that dead ones left.
programs_disturb() {
    local side
    sleep "$1"
    # shellcheck disable=SC2016 # wait_for expands them
    wait_for 'programs_shows "$FLOWS" "$EVIDENCE"' "$LATEST"
    kill -KILL "${AGENTS_PIDS[@]}"
    sleep "$AWAY"
    AGENTS_PIDS=()
    for side in client server; do
        agents_launch "$side"
    done
    disown "${AGENTS_PIDS[@]}"
    echo "${AGENTS_PIDS[@]}" >"$NET_DIR/pids"
    wait_for 'flows_of client && flows_of server' 5 >/dev/null &&
        echo "$EPOCHREALTIME" >"$NET_DIR/disturbed"
}

# --- the runs ---

programs_end_agents() {
    local pids=("${AGENTS_PIDS[@]}")
    agents_down
    wait_for "! kill -0 ${pids[0]} 2>/dev/null && ! kill -0 ${pids[1]} 2>/dev/null" 5
}

# FUNCTION FLOWS HALF EVIDENCE
programs_run() {
    local began disturber='' watcher=''
    FLOWS=$2 EVIDENCE=$4
    OUT=$NET_DIR/$MODE SCRATCH=$NET_DIR/scratch
    rm -rf "$OUT" "$SCRATCH" "$NET_DIR/flows" "$NET_DIR/disturbed" "$NET_DIR/pids"
    mkdir "$OUT" "$SCRATCH"
    if [ "$MODE" != absent ]; then
        programs_agents
        programs_watch &
        watcher=$!
    fi
    if [ "$MODE" = dying ]; then
        programs_disturb "$3" &
        disturber=$!
    fi
    began=$EPOCHREALTIME
    "$1"
    ENDED=$EPOCHREALTIME
    TOOK=$(awk -v from="$began" -v to="$ENDED" 'BEGIN { printf "%.1f", to - from }')
    if [ -n "$disturber" ]; then
        wait "$disturber"
        read -ra AGENTS_PIDS <"$NET_DIR/pids"
    fi
    if [ -n "$watcher" ]; then
        kill "$watcher"
        wait "$watcher" 2>/dev/null
        programs_end_agents
    fi
}

three_runs() {
    local name=$1 function=$2 flows=$3 half=$4 evidence=${5:-samples} plain options samples
    MODE=absent
    programs_run "$function" "$flows" "$half" "$evidence"
    plain=$TOOK
    if grep -rn '^exit [1-9]' "$OUT" || ! grep -rq '^exit 0' "$OUT"; then
        say FAIL "$name: does not work without the library"
        return
    fi
    for MODE in flowing dying; do
        programs_run "$function" "$flows" "$half" "$evidence"
        read -r options samples <<<"$(programs_evidence "$flows")"
        if [ "$MODE" = dying ] && ! [ -s "$NET_DIR/disturbed" ]; then
            say FAIL "$name, dying: the agents did not come back"
        elif [ "$MODE" = dying ] && [ "${ENDED/./}" -lt "$(tr -d . <"$NET_DIR/disturbed")" ]; then
            say FAIL "$name, dying: was over before the agents were back ($TOOK s)"
        elif ! diff -rN "$NET_DIR/absent" "$OUT" >"$NET_DIR/diff" 2>&1; then
            say FAIL "$name, $MODE: other than without the library"
            cut -c -300 "$NET_DIR/diff" | head -n 20
        elif ! programs_shows "$flows" "$evidence"; then
            say FAIL "$name, $MODE: no flow with $evidence ($options options, $samples samples)"
        else
            say ok "$name, $MODE: the same ($options options, $samples samples;" \
                "$TOOK s, without $plain s)"
        fi
    done
}
