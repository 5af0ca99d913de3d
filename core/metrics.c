/* SPDX-License-Identifier: BSD-2-Clause */
/* Delays of a flow, kept so that they can be read while they are written. */
#include "core/metrics.h"

/* Released and acquired one by one: who sees any of an addition sees that it has begun. */
static void put(_Atomic int64_t *where, int64_t value)
{
    atomic_store_explicit(where, value, memory_order_release);
}

static int64_t get(const _Atomic int64_t *where)
{
    return atomic_load_explicit(where, memory_order_acquire);
}

void pdm_delay_add(struct pdm_delay *delay, int64_t ns)
{
    uint64_t samples = atomic_load_explicit(&delay->samples, memory_order_relaxed);
    bool first = samples == 0;

    atomic_store_explicit(&delay->begun, samples + 1, memory_order_relaxed);
    put(&delay->last, ns);
    if (first || ns < get(&delay->min))
        put(&delay->min, ns);
    if (first || ns > get(&delay->max))
        put(&delay->max, ns);
    /* Unsigned, because another process of the agent may have put anything here. */
    put(&delay->sum, (int64_t)((uint64_t)get(&delay->sum) + (uint64_t)ns));
    atomic_store_explicit(&delay->samples, samples + 1, memory_order_release);
}

void pdm_delay_copy(struct pdm_delay *to, const struct pdm_delay *from)
{
    uint64_t samples = atomic_load_explicit(&from->samples, memory_order_relaxed);

    atomic_store_explicit(&to->begun, samples, memory_order_relaxed);
    put(&to->last, get(&from->last));
    put(&to->min, get(&from->min));
    put(&to->max, get(&from->max));
    put(&to->sum, get(&from->sum));
    atomic_store_explicit(&to->samples, samples, memory_order_release);
}

bool pdm_delay_read(const struct pdm_delay *delay, struct pdm_delay_seen *seen)
{
    seen->samples = atomic_load_explicit(&delay->samples, memory_order_acquire);
    seen->last = get(&delay->last);
    seen->min = get(&delay->min);
    seen->max = get(&delay->max);
    seen->sum = get(&delay->sum);
    return atomic_load_explicit(&delay->begun, memory_order_relaxed) == seen->samples;
}
