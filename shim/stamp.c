/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's receive times. */
#include "shim/stamp.h"

#include "core/limits.h"
#include "shim/options.h"
#include "shim/process.h"
#include "shim/sys.h"

/* CLOCK_REALTIME - CLOCK_MONOTONIC at the last read, to notice when one of them was set. */
static _Atomic int64_t last_offset;

struct pdm_now pdm_stamp_now(void)
{
    struct pdm_now now = {.realtime = pdm_clock(CLOCK_REALTIME),
                          .monotonic = pdm_clock(CLOCK_MONOTONIC)};
    int64_t offset = now.realtime - now.monotonic;
    int64_t before = atomic_load_explicit(&last_offset, memory_order_relaxed);
    int64_t moved = offset - before;

    atomic_store_explicit(&last_offset, offset, memory_order_relaxed);
    now.steady = before == 0 || (moved <= PDM_CLOCK_STEP_NS && moved >= -PDM_CLOCK_STEP_NS);
    return now;
}

bool pdm_stamp_settle(int fd, struct pdm_descriptor *d, int64_t stamp, int64_t entered,
                      const struct pdm_now *now)
{
    int64_t unproven = atomic_load_explicit(&d->unproven, memory_order_relaxed);
    bool proven = stamp > unproven && stamp < entered;
    bool ripe = pdm_mode() == PDM_MODE_AGENT || now->realtime - unproven > PDM_STAMPING_NS;

    if (proven || (ripe && pdm_options_nothing_queued(fd)))
        pdm_descriptor_set(d, PDM_FD_SETTLED);
    else if (pdm_mode() == PDM_MODE_AGENT)
        atomic_store_explicit(&d->unproven, now->realtime, memory_order_relaxed);
    return proven;
}
