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

const int64_t pdm_delay_bounds[PDM_DELAY_BOUNDS] = {
    50 * PDM_NSEC_PER_USEC,  100 * PDM_NSEC_PER_USEC, 250 * PDM_NSEC_PER_USEC,
    500 * PDM_NSEC_PER_USEC, 1 * PDM_NSEC_PER_MSEC,   2500 * PDM_NSEC_PER_USEC,
    5 * PDM_NSEC_PER_MSEC,   10 * PDM_NSEC_PER_MSEC,  25 * PDM_NSEC_PER_MSEC,
    50 * PDM_NSEC_PER_MSEC,  100 * PDM_NSEC_PER_MSEC, 250 * PDM_NSEC_PER_MSEC,
    500 * PDM_NSEC_PER_MSEC, 1 * PDM_NSEC_PER_SEC,    2500 * PDM_NSEC_PER_MSEC,
    5 * PDM_NSEC_PER_SEC,    10 * PDM_NSEC_PER_SEC};

/* The first step leaves as many bounds as the halving ones can tell apart. */
#define BUCKET_STEP 16
_Static_assert(PDM_DELAY_BOUNDS >= BUCKET_STEP && PDM_DELAY_BOUNDS < 2 * BUCKET_STEP,
               "the search for a bucket begins with the largest power of two that fits");

unsigned pdm_delay_bucket(int64_t ns)
{
    unsigned at = ns > pdm_delay_bounds[BUCKET_STEP - 1] ? PDM_DELAY_BUCKETS - BUCKET_STEP : 0;

    for (unsigned step = BUCKET_STEP / 2; step > 0; step /= 2)
        if (ns > pdm_delay_bounds[at + step - 1])
            at += step;
    return at;
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
    pdm_count(&delay->bucket[pdm_delay_bucket(ns)], 1);
    atomic_store_explicit(&delay->samples, samples + 1, memory_order_release);
}

static void carry_delay(struct pdm_delay *to, const struct pdm_delay *from)
{
    uint64_t samples = atomic_load_explicit(&from->samples, memory_order_relaxed);

    atomic_store_explicit(&to->begun, samples, memory_order_relaxed);
    put(&to->last, get(&from->last));
    put(&to->min, get(&from->min));
    put(&to->max, get(&from->max));
    put(&to->sum, get(&from->sum));
    for (int i = 0; i < PDM_DELAY_BUCKETS; i++)
        pdm_count(&to->bucket[i], atomic_load_explicit(&from->bucket[i], memory_order_relaxed));
    atomic_store_explicit(&to->samples, samples, memory_order_release);
}

void pdm_slot_carry(struct pdm_slot *to, const struct pdm_slot *from)
{
    carry_delay(&to->network, &from->network);
    carry_delay(&to->server, &from->server);
    carry_delay(&to->total, &from->total);
    for (int i = 0; i < PDM_COUNTER_COUNT; i++)
        pdm_count(&to->counter[i], atomic_load_explicit(&from->counter[i], memory_order_relaxed));
    atomic_store_explicit(&to->peer_kri,
                          atomic_load_explicit(&from->peer_kri, memory_order_relaxed),
                          memory_order_relaxed);
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
