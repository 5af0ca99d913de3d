/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The shim's side of the agent: the two mappings that a hello returns, and the requests. Each
 * request is a connection of its own, closed at once, within a time budget; requests together take
 * no more than a share of the program's time, and an agent that does not answer is asked ever more
 * rarely. With PDMV2_MODE=plain or rfc8250 there is no agent: both mappings are the process's own.
 */
#ifndef PDM_SHIM_AGENT_H
#define PDM_SHIM_AGENT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/metrics.h"
#include "core/policy.h"
#include "shim/flows.h"

/* Whether there is a policy; asks for one when it is time to. */
bool pdm_policy_ready(int64_t now);
struct pdm_policy_settings pdm_policy_settings(void);
/* Never 0; another whenever flows must ask again. */
uint32_t pdm_policy_epoch(void);
/* Whether the policy names PEER, seen from LOCAL (NULL: any). Without a policy: no. */
bool pdm_policy_names(const uint8_t *local, const uint8_t peer[static PDM_ADDR_LEN]);

/* The Global Pointer for the next packet from SADDR. Counts it. */
uint32_t pdm_global_pointer_next(const uint8_t saddr[static PDM_ADDR_LEN]);

/* Requests for a locked flow. True if it is (still) open. */
bool pdm_agent_open(struct pdm_flow_entry *e, int64_t now);
bool pdm_agent_renew(struct pdm_flow_entry *e, int64_t now);
/* True if a Kri was found that is expected next. */
bool pdm_agent_search(struct pdm_flow_entry *e, const uint8_t option[static PDM_OPTION_MAX],
                      int64_t now);
void pdm_agent_close(struct pdm_flow_entry *e);

/* Time that the shim spent on its own behalf counts as a request's: of NS nanoseconds. */
bool pdm_share_left(int64_t now);
void pdm_share_spend(int64_t ns);
/* Whether the agent was silent when last asked. */
bool pdm_agent_silent(void);

#endif
