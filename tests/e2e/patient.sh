# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Sourced by the tests after tests/e2e/agents.sh.
#
#   patient_agents   lets programs wait for the agents as long as it takes
#
# On a busy machine an agent may answer later than programs wait by default. They then go without
# options for a moment, and Kri that were granted and not heard of are skipped: as it should be, but
# tests that count every option would be off by those.

patient_agents() {
    local side
    for side in client server; do
        sed -i 's/^\[agent\]$/&\nrequest_budget_us = 100000\nshare = 100/' "$NET_DIR/$side/conf" ||
            return
    done
    kill -HUP "${AGENTS_PIDS[@]}"
    for side in client server; do
        wait_for "grep -q reloaded '$NET_DIR/$side/log'" 5 || return
    done
}
