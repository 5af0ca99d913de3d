/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What primaries tell the agent of its pairs of organisations, through the connections to them: the
 * associations in force follow, and the flows that this concerns ask again. ENROLMENT is of a
 * section of the configuration in force. What cannot be followed, as there is no room, has been
 * told and is in force no longer. Times are of keyagent/clock.h, in nanoseconds. Single thread.
 */
#ifndef PDM_KEYAGENT_AGENT_PAIRS_H
#define PDM_KEYAGENT_AGENT_PAIRS_H

#include <stdbool.h>
#include <stdint.h>

#include "keyagent/agent.h"

/*
 * PAIR is new, or its secrets, addresses or mode are others: its flows ask again. It stays where it
 * is until it is gone.
 */
void agent_pair_changed(struct agent *agent, struct enrolment *enrolment,
                        const struct enrolled_pair *pair);
/* What OWN and PEER of that pair share is another now: their flows ask again. */
void agent_peer_changed(struct agent *agent, struct enrolment *enrolment, uint32_t pair,
                        const uint8_t own[static PDM_ADDR_LEN],
                        const uint8_t peer[static PDM_ADDR_LEN]);
/* Before its memory goes. */
void agent_pair_gone(struct agent *agent, struct enrolment *enrolment, uint32_t pair);
/*
 * PEER, in GROUP, was added to the list of a pair that was told of before, or removed from it.
 * Flows that this concerns ask again at the next tick.
 */
void agent_list_changed(struct agent *agent, struct enrolment *enrolment, uint32_t pair, bool add,
                        const struct pdm_prefix *peer, uint16_t group);
void agent_list_cleared(struct agent *agent, struct enrolment *enrolment, uint32_t pair);

/* The configuration was read again: pairs follow what their sections say now. */
void agent_set_terms_of_pairs(struct agent *agent);
/* Once a second: flows ask again whose secret's time is over, or whose peer's place has changed. */
void agent_tick_pairs(struct agent *agent, int64_t now);

#endif
