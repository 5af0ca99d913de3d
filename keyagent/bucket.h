/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A token bucket, kept as the time at which it will be full again. Fills at RATE a second, holds
 * a second's worth.
 */
#ifndef PDM_KEYAGENT_BUCKET_H
#define PDM_KEYAGENT_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

#include "core/limits.h"

struct bucket {
    int64_t full_at;
};

/* Takes one token; false if there is none. RATE is at least 1. */
static inline bool bucket_take(struct bucket *b, int64_t now, uint32_t rate)
{
    int64_t from = b->full_at > now ? b->full_at : now;
    int64_t to = from + PDM_NSEC_PER_SEC / rate;

    if (to - now > PDM_NSEC_PER_SEC)
        return false;
    b->full_at = to;
    return true;
}

#endif
