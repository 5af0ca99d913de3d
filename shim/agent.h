/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a flow asks of the agent. The flow is locked; every request has a time budget, all have a
 * share of the program's time, and one that fails leaves the flow without PDM until it asks again.
 */
#ifndef PDM_SHIM_AGENT_H
#define PDM_SHIM_AGENT_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/flows.h"

/* True if the flow is open. */
bool pdm_agent_open(struct pdm_flow_entry *e, int64_t now);
/*
 * For an open flow that must ask (pdm_flow_must_ask): asks for its secrets, and goes on with what
 * it has until there is an answer. True if the flow is open.
 */
bool pdm_agent_move(struct pdm_flow_entry *e, int64_t now);
/* True if there is a new lease. */
bool pdm_agent_renew(struct pdm_flow_entry *e, int64_t now);
/* True if a Kri was found, which is expected next. */
bool pdm_agent_search(struct pdm_flow_entry *e, const uint8_t option[static PDM_OPTION_MAX],
                      int64_t now);
/* Tells the agent that the path seems to drop the flow's options; waits for nothing. */
void pdm_agent_suspect(const struct pdm_flow_entry *e, int64_t now);
/* Tells the agent that the flow ends; waits for nothing. */
void pdm_agent_close(struct pdm_flow_entry *e);

#endif
