/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The process that the shim lives in: whether it takes part at all, and whose memory this is. A
 * page that the kernel clears in a forked child (MADV_WIPEONFORK) tells a child apart however it
 * was made: fork, _Fork, clone. A vfork child finds another pid but the page as it was.
 */
#ifndef PDM_SHIM_PROCESS_H
#define PDM_SHIM_PROCESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What PDMV2_MODE asks for. */
enum pdm_mode { PDM_MODE_AGENT, PDM_MODE_PLAIN, PDM_MODE_RFC8250, PDM_MODE_OFF };

extern _Atomic bool pdm_active; /* false: every hook is the plain call */

enum pdm_mode pdm_mode(void);
/* The agent's socket, from the environment when the program started. */
const char *pdm_agent_path(void);

/* The process guard of core/seal.h: random, 0 until the first use and after a fork. */
const _Atomic uint64_t *pdm_guard(void);
/* Its value, drawn if it is 0. 0 if there is no entropy. */
uint64_t pdm_guard_value(void);
/* Fills OUT; false if there is no entropy. */
bool pdm_entropy(void *out, size_t len);
/* SIZE octets, zero, zero again in a forked child; NULL if the kernel cannot. */
void *pdm_wiped_memory(size_t size);

/* False in a vfork or CLONE_VM child: then what is known of descriptors is the parent's. */
bool pdm_own_memory(void);

static inline bool pdm_is_active(void)
{
    return atomic_load_explicit(&pdm_active, memory_order_relaxed);
}

/* For good: before a seccomp filter that may not allow what the shim does. */
void pdm_deactivate(void);

#endif
