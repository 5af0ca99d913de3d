/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The flows of all clients. A flow is spoken of by the number of its slot, and what it takes is
 * given back in one place: its slot, its share of its client's quota, and its path. Times are of
 * keyagent/clock.h, in nanoseconds. Nothing here fails. Single thread.
 */
#ifndef PDM_KEYAGENT_AGENT_FLOWS_H
#define PDM_KEYAGENT_AGENT_FLOWS_H

#include <stdint.h>

#include "keyagent/agent.h"

/*
 * What is known of the path between TUPLE's addresses decides whether the flow in slot number SLOT
 * attaches, as A's terms have it; from now on, and when more is known.
 */
void agent_set_path(struct agent *agent, uint32_t slot, const struct association *a);
/* Likewise of all flows: the terms of some may have changed. */
void agent_set_paths(struct agent *agent);
/* The verdict on PATH is another: its flows are told. AGENT is a struct agent. */
void agent_path_changed(void *agent, uint32_t path);

/* The flows of ASSOCIATION, a number, are to ask again. */
void agent_ask_again(struct agent *agent, uint32_t association);

/* Gives back the slots that shims are done with; rarely more than the last second's. Not more
 * often than every AGENT_CLOSED_PAUSE_NS. */
void agent_end_closed(struct agent *agent, int64_t now);
/* The flow of slot number SLOT, in use, is over: it is counted, and the slot given back. */
void agent_end_flow(struct agent *agent, uint32_t slot, enum flow_end why);
/* Slot number SLOT, in use, is given back: nobody ever had it. */
void agent_drop_flow(struct agent *agent, uint32_t slot);
/* The flow of slot number FROM goes on in TO, which was just taken for it. */
void agent_carry_flow(struct agent *agent, uint32_t from, uint32_t to);
/* Before the agent's own end: all live flows end. */
void agent_end_all(struct agent *agent);
/* Once a second: flows end whose processes are gone, that are closed, or that were idle too long.
 */
void agent_sweep_flows(struct agent *agent, int64_t now);

#endif
