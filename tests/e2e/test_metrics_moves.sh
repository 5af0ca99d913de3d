#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A flow whose secrets are renegotiated again and again goes from slot to slot in the agent's memory:
# what it measured is counted once, whoever looks when, and the log has one line of it. As root.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source=tests/net/netns.sh
. tests/net/netns.sh
# shellcheck source=tests/net/pki.sh
. tests/net/pki.sh
# shellcheck source=tests/net/organisations.sh
. tests/net/organisations.sh
# shellcheck source=tests/tally.sh
. tests/tally.sh

unset XDG_RUNTIME_DIR PDMV2_AGENT PDMV2_MODE PDMV2_READ_ONLY LD_PRELOAD
: "${PYTHON:=/usr/bin/python3}"
URL="http://[::1]:9485/metrics"
ENROLLED_S=15
RENEGOTIATIONS=3
ORGS_SETTINGS+=("metrics = [::1]:9485" "flow_log = flows")

told() { "$PYTHON" -B tests/e2e/metrics_check.py "$@"; }
fetch() { on sc1 curl -sf -m 20 -H 'Accept: application/openmetrics-text' "$URL" -o "$WORK/metrics"; }
flows() { on sc1 "$ORGS_BIN/pdmctl" --json flows >"$WORK/flows"; }
enrolled() { fetch && grep -q '^pdm_primary_connected{association="enterprise"} 1$' "$WORK/metrics"; }
measuring() { fetch && grep -q '^pdm_network_delay_seconds_count{.*} [1-9]' "$WORK/metrics"; }

up() {
    local host
    orgs_configure trusted-servers "grace = 2s" || return
    for host in ps pc sc1 ss1; do
        orgs_start "$host" || return
    done
}
# Each is sent under once half the grace period is over.
renegotiate() {
    for _ in $(seq $RENEGOTIATIONS); do
        in_host pc "$ORGS_BIN/pdmctl" -s "$NET_DIR/pc/primary.sock" primary renegotiate a || return
        sleep 3
    done
}
# So often the agent was asked for the flow's secrets, after the first time.
moved() { wait_for "told value '$WORK/metrics' pdm_leases_total $((RENEGOTIATIONS + 1)) 1000" 1; }
saw_nothing_wrong() { # PID
    wait "$1"
    local status=$?
    cat "$WORK/watcher"
    return "$status"
}
one_line() { wait_for "[ -s '$NET_DIR/sc1/flows' ]" 5 && [ "$(grep -c . "$NET_DIR/sc1/flows")" -eq 1 ]; }

WORK=$(mktemp -d) || exit 1
orgs_up 1 && up || exit 1
net_on_exit "rm -rf '$WORK'"
check "enrolled" wait_for enrolled $ENROLLED_S
start_on ss1 "$ORGS_BIN/tests/apps/slowecho" -t 1000 :: 7
start_on sc1 "$ORGS_BIN/tests/apps/ownstats" -k -n 400 -i 30 -a 5000 "$(orgs_addr ss1)" 7 >"$WORK/held"
program=$STARTED
check "a program measures" wait_for measuring 10
start_in_host sc1 "$PYTHON" -B tests/e2e/metrics_check.py watch "$URL" "$WORK/enough" >"$WORK/watcher" 2>&1
watcher=$STARTED
check "secrets are renegotiated" renegotiate
check "the program is done" wait_for "grep -q '\"end\"' '$WORK/held'" 30
touch "$WORK/enough"
check "nothing ever went down" saw_nothing_wrong "$watcher"
sleep 1.1 # slots that were left are given back once a second
fetch && flows
check "the flow moved" moved
check "all is counted once" told flows "$WORK/metrics" "$WORK/flows"
kill "$program"
wait "$program" 2>/dev/null
check "the log has one line of it" one_line
fetch && flows
check "with all that was counted" told sums "$WORK/metrics" "$WORK/flows" "$NET_DIR/sc1/flows"
check "as pdmv2-metrics(7) has it" told log "$NET_DIR/sc1/flows"
orgs_down
tally
