/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The two mappings that a hello returns: the policy and the metrics segment. They keep their places
 * for the life of the process, the policy one for each size that it ever had: a new agent's are
 * mapped over the old ones, so that a flow never finds one of them gone. Where there is no room for
 * them, no flow takes part. With PDMV2_MODE=plain or rfc8250 there is no agent: both are the
 * process's own. Lock-free, signal-safe.
 */
#ifndef PDM_SHIM_MAPPING_H
#define PDM_SHIM_MAPPING_H

#include <stdbool.h>
#include <stdint.h>

#include "core/metrics.h"
#include "core/policy.h"

/* Whether there is a policy in force; asks for one when it is time to. */
bool pdm_policy_ready(int64_t now);
/* The agent's, or the defaults before there is a policy. */
struct pdm_policy_settings pdm_policy_settings(void);
/* Where the version stands: the policy's, or a 0 of its own before there is one. */
extern _Atomic(const _Atomic uint64_t *) pdm_policy_version_at;

/* Never 0; another after each change of the policy. What it names, or does not, holds for as long
 * as this, read before, stays the same. */
static inline uint64_t pdm_policy_version(void)
{
    const _Atomic uint64_t *at = atomic_load_explicit(&pdm_policy_version_at, memory_order_acquire);

    return atomic_load_explicit(at, memory_order_acquire) | 1ULL << 63;
}

/* Never 0; another whenever flows must ask again. */
static inline uint32_t pdm_policy_epoch(void)
{
    return (uint32_t)(pdm_policy_version() >> 32);
}

/* When the agent last showed life, by CLOCK_MONOTONIC, or PDM_POLICY_RETIRED; 0 before there is a
 * policy. */
int64_t pdm_policy_heartbeat(void);
/* Whether the policy names PEER, seen from LOCAL (NULL: any). Without a policy: no. */
bool pdm_policy_names(const uint8_t *local, const uint8_t peer[static PDM_ADDR_LEN]);

/* Whether it names anybody. */
bool pdm_policy_names_any(void);
/* The Global Pointer for the next packet from SADDR. Counts it. */
uint32_t pdm_global_pointer_next(const uint8_t saddr[static PDM_ADDR_LEN]);

/* Counts COUNT packets from SADDR that went without. */
void pdm_global_pointer_skip(const uint8_t saddr[static PDM_ADDR_LEN], uint32_t count);

bool pdm_mapping_ready(void);
/* Says hello again. */
bool pdm_mapping_refresh(int64_t now);
/* Of the agent that made the mappings. */
uint64_t pdm_mapping_instance(void);
/* A slot of the segment; NULL if there is none of that number. */
struct pdm_slot *pdm_mapping_slot(uint32_t number);
/* What is attached without an agent: enum pdm_format. */
uint8_t pdm_mapping_own_format(void);

#endif
