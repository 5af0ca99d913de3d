/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether this process may attach options: CAP_NET_RAW, and nobody said PDMV2_READ_ONLY. */
#ifndef PDM_SHIM_PRIVILEGE_H
#define PDM_SHIM_PRIVILEGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

extern _Atomic bool pdm_attach_is_refused; /* when it was tried last, or never to be tried */

/* False after a refusal, for a while: a program may be given the capability later. */
bool pdm_may_attach(int64_t now);
/* The kernel refused an option with EPERM. */
void pdm_attach_refused(void);
/* It took one. */
static inline void pdm_attach_accepted(void)
{
    if (atomic_load_explicit(&pdm_attach_is_refused, memory_order_relaxed))
        atomic_store_explicit(&pdm_attach_is_refused, false, memory_order_relaxed);
}
/* As the environment says, at start: options are read but none attached. */
void pdm_read_only(void);

#endif
