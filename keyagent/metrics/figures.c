/* SPDX-License-Identifier: BSD-2-Clause */
/* What flows have measured, added up. */
#include "keyagent/metrics/figures.h"

static void grow(uint64_t *total, uint64_t *seen, uint64_t now)
{
    if (now <= *seen)
        return;
    *total = figures_add(*total, now - *seen);
    *seen = now;
}

static uint64_t read(const _Atomic uint64_t *from)
{
    return atomic_load_explicit(from, memory_order_relaxed);
}

void figures_grow(struct figures *total, struct figures *seen, const struct pdm_slot *slot)
{
    const struct pdm_delay *const delay[FIGURES_DELAYS] = {
        [FIGURES_NETWORK] = &slot->network,
        [FIGURES_SERVER] = &slot->server,
        [FIGURES_TOTAL] = &slot->total,
    };

    for (int d = 0; d < FIGURES_DELAYS; d++) {
        int64_t sum = atomic_load_explicit(&delay[d]->sum, memory_order_relaxed);

        for (int i = 0; i < PDM_DELAY_BUCKETS; i++)
            grow(&total->bucket[d][i], &seen->bucket[d][i], read(&delay[d]->bucket[i]));
        grow(&total->sum[d], &seen->sum[d], sum > 0 ? (uint64_t)sum : 0);
    }
    for (int i = 0; i < PDM_COUNTER_COUNT; i++)
        grow(&total->counter[i], &seen->counter[i], read(&slot->counter[i]));
}
