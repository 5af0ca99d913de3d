/* SPDX-License-Identifier: BSD-2-Clause */
/* A received Destination Options header, given to its flow. */
#include "shim/intake.h"

#include "shim/agent.h"
#include "shim/mapping.h"
#include "shim/peer.h"

static enum pdm_counter counter_of(enum pdm_found_status status)
{
    return status == PDM_BAD_VERSION ? PDM_COUNTER_bad_version
           : status == PDM_REPEATED  ? PDM_COUNTER_repeated
                                     : PDM_COUNTER_malformed;
}

static void receive_option(struct pdm_flow_entry *e, const struct pdm_found *found, int64_t at,
                           bool stamped, int64_t now)
{
    struct pdm_sample sample;
    enum pdm_receive_status status = pdm_flow_receive(&e->flow, found, at, stamped, &sample);

    if (status == PDM_UNKNOWN_KRI && pdm_agent_search(e, found->option, now))
        status = pdm_flow_receive(&e->flow, found, at, stamped, &sample);
    if (status == PDM_UNKNOWN_KRI)
        pdm_count(&pdm_flow_slot(&e->flow)->counter[PDM_COUNTER_auth_failures], 1);
    if (sample.overlapped)
        e->last_overlapped = sample.server;
}

void pdm_intake(struct pdm_flow_entry *e, const struct pdm_control_received *control, int64_t at,
                bool stamped, int64_t now)
{
    struct pdm_found found;
    enum pdm_found_status status = control->twice
                                       ? PDM_REPEATED
                                       : pdm_header_find(control->dstopts, control->dstopts_len,
                                                         pdm_policy_settings().option_type, &found);

    if (status == PDM_ABSENT || !pdm_peer_open(e, &now))
        return;
    atomic_store_explicit(&pdm_flow_slot(&e->flow)->active, now, memory_order_relaxed);
    if (status == PDM_FOUND)
        receive_option(e, &found, at, stamped, now);
    else
        pdm_count(&pdm_flow_slot(&e->flow)->counter[counter_of(status)], 1);
}
