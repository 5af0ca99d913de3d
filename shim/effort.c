/* SPDX-License-Identifier: BSD-2-Clause */
/* How much of the program's time the shim may take for itself. */
#include "shim/effort.h"

#include <stdatomic.h>

#include "core/limits.h"
#include "shim/mapping.h"
#include "shim/process.h"
#include "shim/sys.h"

static struct {
    _Atomic int64_t until;  /* no request before this */
    _Atomic int64_t pause;  /* after the last failure; 0: the agent answered */
    _Atomic int64_t failed; /* when that was */
    _Atomic int64_t paid;   /* when the share will have paid for all that was done */
} effort;

/* The time of the program that NS of ours take as its share, which the agent must not set to 0. */
static int64_t cost(int64_t ns)
{
    int64_t share = pdm_policy_settings().share;

    return ns * 100 / (share > 0 ? share : 1);
}

bool pdm_effort_left(int64_t now)
{
    return atomic_load_explicit(&effort.paid, memory_order_relaxed) <= now;
}

/* A program that did nothing for long has earned a burst, and no more. */
void pdm_effort_spend(int64_t ns)
{
    int64_t earliest = pdm_clock(CLOCK_MONOTONIC) - cost(PDM_BURST_NS);
    int64_t before = atomic_load_explicit(&effort.paid, memory_order_relaxed), after;

    do
        after = (before > earliest ? before : earliest) + cost(ns);
    while (!atomic_compare_exchange_weak(&effort.paid, &before, after));
}

/* An agent that hung and goes on shows life in the policy: no need to wait for the pause to end. */
static bool has_recovered(void)
{
    return pdm_policy_heartbeat() > atomic_load_explicit(&effort.failed, memory_order_relaxed);
}

bool pdm_effort_may_ask(int64_t now)
{
    return pdm_mode() == PDM_MODE_AGENT &&
           (now >= atomic_load_explicit(&effort.until, memory_order_relaxed) || has_recovered()) &&
           pdm_effort_left(now);
}

void pdm_effort_answered(void)
{
    atomic_store_explicit(&effort.pause, 0, memory_order_relaxed);
    atomic_store_explicit(&effort.until, 0, memory_order_relaxed);
}

void pdm_effort_unanswered(int64_t now, bool absent)
{
    int64_t most = absent ? PDM_BACKOFF_ABSENT_NS : PDM_BACKOFF_SILENT_NS;
    int64_t pause = 2 * atomic_load_explicit(&effort.pause, memory_order_relaxed);

    if (pause < PDM_BACKOFF_MIN_NS)
        pause = PDM_BACKOFF_MIN_NS;
    if (pause > most)
        pause = most;
    atomic_store_explicit(&effort.pause, pause, memory_order_relaxed);
    atomic_store_explicit(&effort.failed, now, memory_order_relaxed);
    atomic_store_explicit(&effort.until, now + pause, memory_order_relaxed);
}

bool pdm_effort_silent(void)
{
    return atomic_load_explicit(&effort.pause, memory_order_relaxed) != 0;
}
