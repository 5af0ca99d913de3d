# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Sourced by the tests after tests/net/netns.sh: a key agent in each namespace, with its own copy of
# one key. BUILD names the directory of the binaries.
#
#   agents_up PROTECT [AEAD]   a new key; two agents that protect each other's traffic so
#   agents_down                ends them
#   client CMD..., server CMD...   run beside that agent
#   start_client CMD..., start_server CMD...   in the background, library preloaded; see $STARTED
#
# The key is $AGENTS_KEY; the agents' messages are in $NET_DIR/client/log and $NET_DIR/server/log.
# Lines in AGENTS_SETTINGS are added to [agent]; AGENTS_PATIENT are those for a test that is not
# about what an agent may cost. AGENTS_PATH is the associations' path: with trust, options flow from
# the first packet, without a probe before it.

AGENTS_BIN=$(cd "${BUILD:-build}" && pwd)
AGENTS_PIDS=()
AGENTS_KEY=
AGENTS_SETTINGS=()
AGENTS_PATH=trust
# shellcheck disable=SC2034 # for those who source this
AGENTS_PATIENT=("request_budget_us = 100000" "share = 100")

client() { in_client env PDMV2_AGENT="$NET_DIR/client/agent.sock" "$@"; }
server() { in_server env PDMV2_AGENT="$NET_DIR/server/agent.sock" "$@"; }

# SIDE is client or server.
agents_start() {
    start_in_"$1" env PDMV2_AGENT="$NET_DIR/$1/agent.sock" "${@:2}"
}

start_client() { agents_start client LD_PRELOAD="$AGENTS_BIN/libpdmv2.so" "$@"; }
start_server() { agents_start server LD_PRELOAD="$AGENTS_BIN/libpdmv2.so" "$@"; }

# SIDE PEER PROTECT AEAD
agents_config() {
    mkdir -m 700 "$NET_DIR/$1" "$NET_DIR/$1/state" &&
        cp -p "$NET_DIR/key" "$NET_DIR/key.gen" "$NET_DIR/$1/" &&
        printf '%s\n' '[agent]' "socket = agent.sock" "state = state" \
            "${AGENTS_SETTINGS[@]}" '[association link]' \
            "peer = $2" 'mode = psk' 'key = key' "aead = $4" "protect = $3" \
            "path = $AGENTS_PATH" >"$NET_DIR/$1/conf"
}

# SIDE
agents_launch() {
    agents_start "$1" "$AGENTS_BIN/pdmkeyagent" -c "$NET_DIR/$1/conf" 2>"$NET_DIR/$1/log"
    AGENTS_PIDS+=("$STARTED")
    if ! wait_for "[ -S '$NET_DIR/$1/agent.sock' ]" 5; then
        cat "$NET_DIR/$1/log" >&2
        return 1
    fi
}

agents_up() {
    rm -rf "$NET_DIR/key" "$NET_DIR/key.gen" "$NET_DIR/client" "$NET_DIR/server"
    "$AGENTS_BIN/pdmctl" keygen "$NET_DIR/key" >/dev/null || return
    # shellcheck disable=SC2034 # for those who source this
    AGENTS_KEY=$NET_DIR/key
    agents_config client "$SERVER_ADDR" "$1" "${2:-aes-256-gcm}" &&
        agents_config server "$CLIENT_ADDR" "$1" "${2:-aes-256-gcm}" &&
        agents_launch client && agents_launch server
}

agents_down() {
    local pid
    for pid in "${AGENTS_PIDS[@]}"; do
        kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
    done
    AGENTS_PIDS=()
    return 0
}
