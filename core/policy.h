/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The policy: which pairs of addresses take part, in memory that the agent writes and the shim
 * reads, so that other traffic costs no request. PDM is off for every peer that no entry names
 * (RFC 8250 section 3.5.1). The longest matching peer prefix wins, then the longest local one.
 *
 * The one writer changes it in place, an entry at a time. A reader that meets a change under way
 * finds no entry; it never waits. Memory that has become too small is left for larger, and retired:
 * whoever still reads it finds nothing there and is told to ask for the other.
 */
#ifndef PDM_CORE_POLICY_H
#define PDM_CORE_POLICY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/limits.h"
#include "core/option.h"
#include "core/prefix.h"

#define PDM_POLICY_MAGIC 0x70646d76327071ULL

struct pdm_policy_entry {
    struct pdm_prefix local;
    struct pdm_prefix peer;
    uint8_t format;       /* enum pdm_format: what to attach */
    uint16_t group;       /* that the peer is in; 0: none */
    uint32_t association; /* the agent's number for it */
};

struct pdm_policy_settings {
    uint8_t option_type;
    uint32_t budget_us;   /* time that one request may take */
    uint32_t share;       /* percent of a program's time that all requests may take */
    uint32_t max_flows;   /* of one process */
    uint32_t flow_idle_s; /* a flow idle for longer may be forgotten */
};

/*
 * The shared memory, of a power of two of buckets: this, an octet of tag for each bucket, an entry
 * for each, and the local prefixes that entries name by number. What a reader may meet while it is
 * written is atomic, part by part.
 */
struct pdm_policy_head {
    uint64_t magic;
    uint32_t bits; /* log2 of the buckets */
    _Atomic uint32_t used;
    uint64_t seed; /* of the hash: peers' lists are not all the administrator's own */
    /*
     * Lower half: the sequence, odd while a change is under way, another after each. Upper half:
     * the epoch, another when flows must ask again: terms changed, leases void. Both start at
     * random.
     */
    _Atomic uint64_t version;
    _Atomic uint64_t lengths[PDM_PREFIX_LENGTHS / 64 + 1]; /* bit n: peer prefixes of length n */
    /* CLOCK_MONOTONIC, written every second while the agent lives; or PDM_POLICY_RETIRED. */
    _Atomic int64_t heartbeat;
    struct pdm_policy_settings settings;
    /* The writer's: */
    uint32_t locals;                        /* numbers of local prefixes given out */
    uint32_t of_length[PDM_PREFIX_LENGTHS]; /* entries */
};

#define PDM_POLICY_RETIRED INT64_MAX

struct pdm_policy_bucket {
    _Atomic uint64_t word[4];
};

struct pdm_policy_local {
    _Atomic uint64_t high, low;
    _Atomic uint32_t len;
    uint32_t uses; /* entries; the writer's */
};

/* The memory as one process has it mapped, checked: nothing in it leads a reader outside. */
struct pdm_policy {
    struct pdm_policy_head *head;
    _Atomic uint64_t *tags; /* of the hashes of a group of buckets' peer prefixes; 0: empty */
    struct pdm_policy_bucket *bucket;
    struct pdm_policy_local *local;
    unsigned bits;
};

/* The smallest size, as log2 of its buckets, that holds ENTRIES; 0: over PDM_POLICY_ENTRIES_LIMIT.
 */
unsigned pdm_policy_bits(size_t entries);
/* Octets of a policy of 2^BITS buckets. */
size_t pdm_policy_size(unsigned bits);
/* The size that takes just OCTETS, 0 if none does. */
unsigned pdm_policy_bits_of_size(size_t octets);
/* A policy of 2^BITS buckets without entries, in MEMORY that is 0s and aligned to 64 octets. SEED
 * is random. */
void pdm_policy_init(struct pdm_policy *policy, void *memory, unsigned bits, uint64_t seed);
/* One that another process wrote, of SIZE octets at MEMORY. False if it is not one of that size. */
bool pdm_policy_open(struct pdm_policy *policy, void *memory, size_t size);

/*
 * The writer: one thread of one process. None of this takes system calls or memory.
 */

/* Changes the settings and the epoch. */
void pdm_policy_set(struct pdm_policy *policy, const struct pdm_policy_settings *settings);
/*
 * Adds ENTRY, in place of one with the same two prefixes. The epoch stays. False, and nothing
 * changed, if the policy is full or a prefix is none.
 */
bool pdm_policy_add(struct pdm_policy *policy, const struct pdm_policy_entry *entry);
/* Removes the entry with these two prefixes; false if there is none. The epoch stays. */
bool pdm_policy_remove(struct pdm_policy *policy, const struct pdm_prefix *local,
                       const struct pdm_prefix *peer);
/* Removes all entries that WANTED says no to; returns how many. It may be asked twice of one. */
size_t pdm_policy_keep(struct pdm_policy *policy,
                       bool (*wanted)(const void *arg, const struct pdm_policy_entry *entry),
                       const void *arg);
/* The entries one by one, *AT being 0 at first; false after the last. None may be added or removed
 * between. */
bool pdm_policy_next(const struct pdm_policy *policy, uint32_t *at, struct pdm_policy_entry *entry);
/* Entries that fit in all; with this many distinct local prefixes at most: PDM_POLICY_LOCALS_MAX.
 */
size_t pdm_policy_capacity(const struct pdm_policy *policy);
/*
 * A policy like FROM, but of 2^BITS buckets, in MEMORY that is 0s: same settings, entries and
 * epoch, so that flows opened under the one stay open under the other. BITS is at least FROM's.
 */
void pdm_policy_grow(struct pdm_policy *policy, void *memory, unsigned bits,
                     const struct pdm_policy *from);
/* Nothing is found in it any more, and no flow was opened under it. */
void pdm_policy_retire(struct pdm_policy *policy);

/*
 * Readers, any number of them. Lock-free, signal-safe.
 */

/*
 * The entry for LOCAL (NULL: not known yet, any) and PEER. False if none, or a change is under way:
 * a no holds for as long as the version stays what it was before.
 */
bool pdm_policy_find(const struct pdm_policy *policy, const uint8_t *local,
                     const uint8_t peer[static PDM_ADDR_LEN], struct pdm_policy_entry *found);

static inline uint32_t pdm_policy_epoch_of(const struct pdm_policy *policy)
{
    return (uint32_t)(atomic_load_explicit(&policy->head->version, memory_order_relaxed) >> 32);
}

/* How many entries it has. */
static inline uint32_t pdm_policy_used(const struct pdm_policy *policy)
{
    return atomic_load_explicit(&policy->head->used, memory_order_relaxed);
}

#endif
