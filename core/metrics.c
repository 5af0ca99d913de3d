/* SPDX-License-Identifier: BSD-2-Clause */
/* Delays of a flow, kept so that they can be read while they are written. */
#include "core/metrics.h"

static void put(_Atomic int64_t *where, int64_t value)
{
    atomic_store_explicit(where, value, memory_order_relaxed);
}

static int64_t get(const _Atomic int64_t *where)
{
    return atomic_load_explicit(where, memory_order_relaxed);
}

void pdm_delay_add(struct pdm_delay *delay, int64_t ns)
{
    bool first = atomic_load_explicit(&delay->samples, memory_order_relaxed) == 0;

    put(&delay->last, ns);
    if (first || ns < get(&delay->min))
        put(&delay->min, ns);
    if (first || ns > get(&delay->max))
        put(&delay->max, ns);
    /* Unsigned, because another process of the agent may have put anything here. */
    put(&delay->sum, (int64_t)((uint64_t)get(&delay->sum) + (uint64_t)ns));
    pdm_count(&delay->samples, 1);
}
