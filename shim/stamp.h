/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's receive times: CLOCK_REALTIME stamps, made CLOCK_MONOTONIC by their age. */
#ifndef PDM_SHIM_STAMP_H
#define PDM_SHIM_STAMP_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/descriptor.h"

struct pdm_now {
    int64_t realtime, monotonic;
    bool steady; /* no clock was set since the last read */
};

struct pdm_now pdm_stamp_now(void);

/*
 * A stamp is the kernel's own only if stamping was on when the packet came; else the kernel invents
 * one when it is read (but not for TCP). Proof is a stamp later than all that may be invented and
 * earlier than this read, which began at ENTERED; or that the queue was seen empty: what came later
 * was stamped. Whether STAMP is proven; settles D if it can.
 */
bool pdm_stamp_settle(int fd, struct pdm_descriptor *d, int64_t stamp, int64_t entered,
                      const struct pdm_now *now);

/* Whether STAMP can be the time of something that was received by NOW. */
static inline bool pdm_stamp_is_sane(int64_t stamp, const struct pdm_now *now)
{
    return now->steady && stamp <= now->realtime;
}

/* STAMP as CLOCK_MONOTONIC. */
static inline int64_t pdm_stamp_monotonic(int64_t stamp, const struct pdm_now *now)
{
    return now->monotonic - (now->realtime - stamp);
}

#endif
