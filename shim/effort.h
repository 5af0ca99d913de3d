/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How much of the program's time the shim may take for itself: a share of the time that it lives,
 * and an agent that does not answer is asked ever more rarely. Lock-free, signal-safe.
 */
#ifndef PDM_SHIM_EFFORT_H
#define PDM_SHIM_EFFORT_H

#include <stdbool.h>
#include <stdint.h>

/* Whether anything is left of the share at NOW. */
bool pdm_effort_left(int64_t now);
/* NS nanoseconds were spent. */
void pdm_effort_spend(int64_t ns);

/* Whether the agent may be asked at NOW. */
bool pdm_effort_may_ask(int64_t now);
void pdm_effort_answered(void);
/* ABSENT: there is no agent, which costs little to find out; else it was silent. */
void pdm_effort_unanswered(int64_t now, bool absent);
/* Whether the agent did not answer when last asked. */
bool pdm_effort_silent(void);

#endif
