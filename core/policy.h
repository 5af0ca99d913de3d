/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The policy: which pairs of addresses take part, in memory that the agent writes and the shim
 * reads, so that other traffic costs no request. PDM is off for every peer that no entry names
 * (RFC 8250 section 3.5.1). The longest matching peer prefix wins, then the longest local one.
 *
 * The writer changes it in place. A reader that meets a change under way finds no entry; it never
 * waits.
 */
#ifndef PDM_CORE_POLICY_H
#define PDM_CORE_POLICY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/limits.h"
#include "core/option.h"

#define PDM_POLICY_MAGIC 0x70646d7632706fULL
#define PDM_POLICY_BUCKETS (2 * PDM_POLICY_ENTRIES_MAX)
#define PDM_PREFIX_LENGTHS 129

struct pdm_prefix {
    uint8_t addr[PDM_ADDR_LEN]; /* octets and bits beyond len are 0 */
    uint8_t len;                /* 0..128 */
};

struct pdm_policy_entry {
    struct pdm_prefix local;
    struct pdm_prefix peer;
    uint8_t format; /* enum pdm_format: what to attach */
    uint8_t used;
    uint32_t association; /* the agent's number for it */
};

#define PDM_POLICY_WORDS (sizeof(struct pdm_policy_entry) / sizeof(uint64_t))
_Static_assert(sizeof(struct pdm_policy_entry) % sizeof(uint64_t) == 0, "an entry is whole words");

struct pdm_policy_settings {
    uint8_t option_type;
    uint32_t budget_us;   /* time that one request may take */
    uint32_t share;       /* percent of a program's time that all requests may take */
    uint32_t max_flows;   /* of one process */
    uint32_t flow_idle_s; /* a flow idle for longer may be forgotten */
};

struct pdm_policy {
    uint64_t magic;
    _Atomic uint32_t sequence; /* odd while a change is under way */
    _Atomic uint32_t epoch;    /* changes when flows must ask again: policy changed, leases void;
                                  starts at random */
    _Atomic int64_t heartbeat; /* CLOCK_MONOTONIC, written every second while the agent lives */
    struct pdm_policy_settings settings;
    /* What a reader may meet while it is written is atomic, part by part. */
    _Atomic uint32_t lengths;                   /* distinct peer prefix lengths */
    _Atomic uint8_t length[PDM_PREFIX_LENGTHS]; /* longest first */
    /* Of struct pdm_policy_entry; open addressing by peer prefix. */
    _Atomic uint64_t entry[PDM_POLICY_BUCKETS][PDM_POLICY_WORDS];
};

/* ADDR cut to LEN bits. */
struct pdm_prefix pdm_prefix_of(const uint8_t addr[static PDM_ADDR_LEN], uint8_t len);
bool pdm_prefix_contains(const struct pdm_prefix *prefix, const uint8_t addr[static PDM_ADDR_LEN]);
bool pdm_prefix_equal(const struct pdm_prefix *a, const struct pdm_prefix *b);

/* Replaces settings and entries and advances the epoch. False, and nothing changed, if COUNT is
 * over PDM_POLICY_ENTRIES_MAX. One writer. */
bool pdm_policy_write(struct pdm_policy *policy, const struct pdm_policy_settings *settings,
                      const struct pdm_policy_entry *entries, size_t count);
/*
 * The entry for LOCAL (NULL: not known yet, any) and PEER. False if none, or a change is under
 * way. Lock-free, signal-safe, any number of readers.
 */
bool pdm_policy_find(const struct pdm_policy *policy, const uint8_t *local,
                     const uint8_t peer[static PDM_ADDR_LEN], struct pdm_policy_entry *found);

#endif
