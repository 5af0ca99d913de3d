/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The policy's memory, as those who change it and those who look something up both know it: a hash
 * table by peer prefix. The buckets are in groups; an entry is in the group that its hash chooses
 * or, where that is full, in the next that is not. Each bucket has a tag, of its entry's hash, and
 * a group's tags are a word. For core/policy*.c alone.
 */
#ifndef PDM_CORE_POLICY_TABLE_H
#define PDM_CORE_POLICY_TABLE_H

#include <endian.h>
#include <string.h>

#include "core/policy.h"

#define POLICY_GROUP 8 /* buckets: a word of tags */

__extension__ typedef unsigned __int128 policy_wide;

/* A prefix as numbers. */
struct policy_key {
    uint64_t high, low;
    uint8_t len;
};

/* What a bucket holds. */
struct policy_content {
    struct policy_key peer;
    uint32_t association;
    uint16_t local; /* the number of that prefix */
    uint16_t group;
    uint8_t format;
};

/* The group that the entries of a peer prefix begin in, and their tag. */
struct policy_probe {
    struct policy_key peer;
    uint32_t group;
    uint8_t tag;
};

/* --- numbers --- */

static inline struct policy_key policy_key_of(const uint8_t addr[static PDM_ADDR_LEN], uint8_t len)
{
    struct policy_key key = {.len = len};

    memcpy(&key.high, addr, sizeof key.high);
    memcpy(&key.low, addr + sizeof key.high, sizeof key.low);
    key.high = be64toh(key.high);
    key.low = be64toh(key.low);
    return key;
}

static inline struct pdm_prefix policy_prefix_of(const struct policy_key *key)
{
    struct pdm_prefix prefix = {.len = key->len};
    uint64_t high = htobe64(key->high), low = htobe64(key->low);

    memcpy(prefix.addr, &high, sizeof high);
    memcpy(prefix.addr + sizeof high, &low, sizeof low);
    return prefix;
}

static inline struct policy_key policy_cut(const struct policy_key *addr, uint8_t len)
{
    uint64_t high = len == 0 ? 0 : len < 64 ? UINT64_MAX << (64 - len) : UINT64_MAX;
    uint64_t low = len <= 64 ? 0 : UINT64_MAX << (128 - len);

    return (struct policy_key){addr->high & high, addr->low & low, len};
}

static inline bool policy_equal(const struct policy_key *a, const struct policy_key *b)
{
    return a->high == b->high && a->low == b->low && a->len == b->len;
}

/* Both halves of the product: every bit of either factor reaches the result. */
static inline uint64_t policy_fold(uint64_t a, uint64_t b)
{
    policy_wide product = (policy_wide)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* The upper bits choose the group, so that all entries in their order stay so in a larger table.
 */
static inline struct policy_probe policy_probe_of(const struct pdm_policy *policy,
                                                  const struct policy_key *peer)
{
    uint64_t seed = policy->head->seed;
    uint64_t hash = policy_fold(peer->high ^ seed ^ (peer->len + 1) * 0x9e3779b97f4a7c15U,
                                peer->low ^ (seed << 31 | seed >> 33) ^ 0xd1b54a32d192ed03U);
    uint8_t tag = (uint8_t)hash;

    return (struct policy_probe){*peer, (uint32_t)(hash >> (64 - policy->bits)) / POLICY_GROUP,
                                 (uint8_t)(tag != 0 ? tag : 1)};
}

/* --- what stands in memory --- */

static inline uint32_t policy_buckets(const struct pdm_policy *policy)
{
    return 1U << policy->bits;
}

/* The last group's number, which cuts others to those that there are. */
static inline uint32_t policy_mask(const struct pdm_policy *policy)
{
    return policy_buckets(policy) / POLICY_GROUP - 1;
}

static inline struct policy_key policy_load_local(const struct pdm_policy *policy, uint32_t number)
{
    const struct pdm_policy_local *local = &policy->local[number];

    return (struct policy_key){atomic_load_explicit(&local->high, memory_order_relaxed),
                               atomic_load_explicit(&local->low, memory_order_relaxed),
                               (uint8_t)atomic_load_explicit(&local->len, memory_order_relaxed)};
}

static inline struct policy_content policy_load(const struct pdm_policy *policy, uint32_t at)
{
    const _Atomic uint64_t *word = policy->bucket[at].word;
    uint64_t terms = atomic_load_explicit(&word[2], memory_order_relaxed);
    uint64_t kind = atomic_load_explicit(&word[3], memory_order_relaxed);

    return (struct policy_content){.peer = {atomic_load_explicit(&word[0], memory_order_relaxed),
                                            atomic_load_explicit(&word[1], memory_order_relaxed),
                                            (uint8_t)kind},
                                   .association = (uint32_t)terms,
                                   .local = (uint16_t)(terms >> 32),
                                   .group = (uint16_t)(terms >> 48),
                                   .format = (uint8_t)(kind >> 8)};
}

static inline uint64_t policy_tags_of(const struct pdm_policy *policy, uint32_t group)
{
    return atomic_load_explicit(&policy->tags[group], memory_order_relaxed);
}

static inline uint8_t policy_tag_at(const struct pdm_policy *policy, uint32_t at)
{
    return (uint8_t)(policy_tags_of(policy, at / POLICY_GROUP) >> 8 * (at % POLICY_GROUP));
}

/*
 * The upper bits of the octets of TAGS that are TAG. The lowest is right; above it an octet that
 * differs from TAG by 1 may look like it.
 */
static inline uint64_t policy_octets_with(uint64_t tags, uint8_t tag)
{
    const uint64_t ones = 0x0101010101010101U;
    uint64_t differing = tags ^ tag * ones;

    return (differing - ones) & ~differing & ones << 7;
}

static inline bool policy_has_room(const struct pdm_policy *policy, uint32_t group)
{
    return policy_octets_with(policy_tags_of(policy, group), 0) != 0;
}

/* The bucket of the lowest of such octets. */
static inline uint32_t policy_bucket_of(uint32_t group, uint64_t octets)
{
    return group * POLICY_GROUP + (uint32_t)__builtin_ctzll(octets) / 8;
}

static inline struct pdm_policy_entry policy_entry_of(const struct pdm_policy *policy,
                                                      const struct policy_content *c)
{
    struct policy_key local = policy_load_local(policy, c->local);

    return (struct pdm_policy_entry){.local = policy_prefix_of(&local),
                                     .peer = policy_prefix_of(&c->peer),
                                     .format = c->format,
                                     .group = c->group,
                                     .association = c->association};
}

/* After a change is begun, or ended; the epoch stays. */
static inline uint64_t policy_next_version(uint64_t version)
{
    return (version & ~(uint64_t)UINT32_MAX) | (uint32_t)(version + 1);
}

#endif
