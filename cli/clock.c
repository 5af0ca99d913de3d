/* SPDX-License-Identifier: BSD-2-Clause */
/* The two clocks, in nanoseconds. */
#include "cli/clock.h"

#include <time.h>

#include "core/limits.h"

static int64_t read_clock(clockid_t id)
{
    struct timespec t = {0};

    (void)clock_gettime(id, &t); /* cannot fail for these two */
    return t.tv_sec * PDM_NSEC_PER_SEC + t.tv_nsec;
}

int64_t clock_monotonic(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t clock_realtime(void)
{
    return read_clock(CLOCK_REALTIME);
}
