/* SPDX-License-Identifier: BSD-2-Clause */
/* Waiting for descriptors. */
#include "cli/wait.h"

#include <time.h>

#include "cli/clock.h"
#include "cli/signals.h"
#include "core/limits.h"

int wait_ready(struct pollfd *fds, nfds_t count, int64_t until)
{
    int64_t left = until == WAIT_FOREVER ? 0 : until - clock_monotonic();

    if (left < 0)
        left = 0;
    const struct timespec timeout = {.tv_sec = left / PDM_NSEC_PER_SEC,
                                     .tv_nsec = left % PDM_NSEC_PER_SEC};

    /* Where a descriptor is always ready, ppoll() never waits, and no signal would get in. */
    signals_let_in();
    return ppoll(fds, count, until == WAIT_FOREVER ? NULL : &timeout, signals_during_wait());
}
