/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The agent's clock: monotonic nanoseconds, as in the slots that the shim writes. And the time of
 * day, nanoseconds since 1970, for what is shown alone.
 */
#ifndef PDM_KEYAGENT_CLOCK_H
#define PDM_KEYAGENT_CLOCK_H

#include <stdint.h>
#include <time.h>

#include "core/limits.h"

static inline int64_t clock_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * PDM_NSEC_PER_SEC + now.tv_nsec;
}

static inline int64_t clock_realtime(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * PDM_NSEC_PER_SEC + now.tv_nsec;
}

#endif
