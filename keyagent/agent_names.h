/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who takes part with whom, as the policy in force has it. What is found stays where it is until
 * the agent is reloaded or told otherwise (agent_pairs.h). Single thread.
 */
#ifndef PDM_KEYAGENT_AGENT_NAMES_H
#define PDM_KEYAGENT_AGENT_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "keyagent/agent.h"

/*
 * The association in force for the flow that this host sends as TUPLE, and the GROUP of its list
 * that the peer is in; NULL: none.
 */
const struct association *agent_association(const struct agent *agent,
                                            const struct pdm_tuple *tuple, uint16_t *group);

/* The pair of organisations on whose list PEER is, as seen from OWN. False: none. */
bool agent_listed(const struct agent *agent, const uint8_t own[static PDM_ADDR_LEN],
                  const uint8_t peer[static PDM_ADDR_LEN], struct enrolment **enrolment,
                  const struct enrolled_pair **pair);

#endif
