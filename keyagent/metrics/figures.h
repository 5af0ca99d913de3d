/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What flows have measured, added up so that it only ever grows: a counter of OpenMetrics must not
 * go down, while a flow's own may (a packet that was counted as lost comes late), and the memory
 * that they are read from can be written by every process of the agent.
 */
#ifndef PDM_KEYAGENT_FIGURES_H
#define PDM_KEYAGENT_FIGURES_H

#include <stdint.h>

#include "core/metrics.h"

enum figures_delay { FIGURES_NETWORK, FIGURES_SERVER, FIGURES_TOTAL, FIGURES_DELAYS };

struct figures {
    uint64_t bucket[FIGURES_DELAYS][PDM_DELAY_BUCKETS];
    uint64_t sum[FIGURES_DELAYS]; /* nanoseconds */
    uint64_t counter[PDM_COUNTER_COUNT];
};

/* Adds to TOTAL what SLOT shows beyond SEEN, which is then what was seen of it. Stops at the most
 * that a number can hold. */
void figures_grow(struct figures *total, struct figures *seen, const struct pdm_slot *slot);

/* SUM of VALUE and MORE, or the most that there is. */
static inline uint64_t figures_add(uint64_t value, uint64_t more)
{
    uint64_t sum;

    return __builtin_add_overflow(value, more, &sum) ? UINT64_MAX : sum;
}

#endif
