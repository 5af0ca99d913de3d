/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether this process may attach options. */
#include "shim/privilege.h"

#include "core/limits.h"
#include "shim/sys.h"

_Atomic bool pdm_attach_is_refused;

static _Atomic int64_t refused_until;

bool pdm_may_attach(int64_t now)
{
    return now >= atomic_load_explicit(&refused_until, memory_order_relaxed);
}

void pdm_attach_refused(void)
{
    atomic_store_explicit(&refused_until, pdm_clock(CLOCK_MONOTONIC) + PDM_NO_ATTACH_NS,
                          memory_order_relaxed);
    atomic_store_explicit(&pdm_attach_is_refused, true, memory_order_relaxed);
}

void pdm_read_only(void)
{
    atomic_store_explicit(&refused_until, INT64_MAX, memory_order_relaxed);
    atomic_store_explicit(&pdm_attach_is_refused, true, memory_order_relaxed);
}
