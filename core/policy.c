/* SPDX-License-Identifier: BSD-2-Clause */
/* The policy: a hash table by peer prefix, looked up once per prefix length in use. */
#include "core/policy.h"

#include <string.h>

struct pdm_prefix pdm_prefix_of(const uint8_t addr[static PDM_ADDR_LEN], uint8_t len)
{
    struct pdm_prefix prefix = {.len = len};
    size_t whole = len / 8;

    memcpy(prefix.addr, addr, whole);
    if (len % 8 != 0)
        prefix.addr[whole] = (uint8_t)(addr[whole] & (0xFF00U >> (len % 8)));
    return prefix;
}

bool pdm_prefix_equal(const struct pdm_prefix *a, const struct pdm_prefix *b)
{
    return a->len == b->len && memcmp(a->addr, b->addr, PDM_ADDR_LEN) == 0;
}

bool pdm_prefix_contains(const struct pdm_prefix *prefix, const uint8_t addr[static PDM_ADDR_LEN])
{
    struct pdm_prefix cut = pdm_prefix_of(addr, prefix->len);

    return pdm_prefix_equal(&cut, prefix);
}

/* FNV-1a by words: only the administrator chooses what is in the table. */
static uint32_t bucket_of(const struct pdm_prefix *prefix)
{
    uint64_t high, low;

    memcpy(&high, prefix->addr, sizeof high);
    memcpy(&low, prefix->addr + sizeof high, sizeof low);
    high = (high ^ prefix->len) * 0x9E3779B97F4A7C15ULL;
    low = (low ^ (high >> 29)) * 0xBF58476D1CE4E5B9ULL;
    return (uint32_t)((low ^ (low >> 32)) % PDM_POLICY_BUCKETS);
}

static struct pdm_policy_entry load(const struct pdm_policy *policy, uint32_t at)
{
    struct pdm_policy_entry entry;
    uint64_t word[PDM_POLICY_WORDS] = {0};

    for (size_t i = 0; i < PDM_POLICY_WORDS; i++)
        word[i] = atomic_load_explicit(&policy->entry[at][i], memory_order_relaxed);
    memcpy(&entry, word, sizeof entry);
    return entry;
}

static void store(struct pdm_policy *policy, uint32_t at, const struct pdm_policy_entry *entry)
{
    uint64_t word[PDM_POLICY_WORDS];

    memcpy(word, entry, sizeof word);
    for (size_t i = 0; i < PDM_POLICY_WORDS; i++)
        atomic_store_explicit(&policy->entry[at][i], word[i], memory_order_relaxed);
}

static void clear(struct pdm_policy *policy)
{
    static const struct pdm_policy_entry unused;

    for (uint32_t at = 0; at < PDM_POLICY_BUCKETS; at++)
        store(policy, at, &unused);
}

static void insert(struct pdm_policy *policy, const struct pdm_policy_entry *entry)
{
    struct pdm_policy_entry used = *entry;
    uint32_t at = bucket_of(&entry->peer);

    while (load(policy, at).used)
        at = (at + 1) % PDM_POLICY_BUCKETS;
    used.used = 1;
    store(policy, at, &used);
}

static void index_lengths(struct pdm_policy *policy, const struct pdm_policy_entry *entries,
                          size_t count)
{
    bool present[PDM_PREFIX_LENGTHS] = {false};
    uint32_t lengths = 0;

    for (size_t i = 0; i < count; i++)
        present[entries[i].peer.len] = true;
    for (int len = PDM_PREFIX_LENGTHS - 1; len >= 0; len--)
        if (present[len])
            atomic_store_explicit(&policy->length[lengths++], (uint8_t)len, memory_order_relaxed);
    atomic_store_explicit(&policy->lengths, lengths, memory_order_relaxed);
}

bool pdm_policy_write(struct pdm_policy *policy, const struct pdm_policy_settings *settings,
                      const struct pdm_policy_entry *entries, size_t count)
{
    if (count > PDM_POLICY_ENTRIES_MAX)
        return false;
    uint32_t sequence = atomic_load_explicit(&policy->sequence, memory_order_relaxed);
    atomic_store_explicit(&policy->sequence, sequence + 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);

    policy->magic = PDM_POLICY_MAGIC;
    policy->settings = *settings;
    clear(policy);
    for (size_t i = 0; i < count; i++)
        insert(policy, &entries[i]);
    index_lengths(policy, entries, count);

    atomic_store_explicit(&policy->sequence, sequence + 2, memory_order_release);
    atomic_fetch_add_explicit(&policy->epoch, 1, memory_order_release);
    return true;
}

/* Of the entries with this peer prefix, the one with the longest matching local prefix. */
static bool find_local(const struct pdm_policy *policy, const struct pdm_prefix *peer,
                       const uint8_t *local, struct pdm_policy_entry *found)
{
    uint32_t at = bucket_of(peer);
    bool hit = false;

    for (uint32_t tries = 0; tries < PDM_POLICY_BUCKETS; tries++) {
        struct pdm_policy_entry entry = load(policy, at);

        if (!entry.used)
            break;
        if (entry.local.len <= 128 && pdm_prefix_equal(&entry.peer, peer) &&
            (local == NULL || pdm_prefix_contains(&entry.local, local)) &&
            (!hit || entry.local.len > found->local.len)) {
            *found = entry;
            hit = true;
        }
        at = (at + 1) % PDM_POLICY_BUCKETS;
    }
    return hit;
}

bool pdm_policy_find(const struct pdm_policy *policy, const uint8_t *local,
                     const uint8_t peer[static PDM_ADDR_LEN], struct pdm_policy_entry *found)
{
    uint32_t before = atomic_load_explicit(&policy->sequence, memory_order_acquire);
    uint32_t lengths = atomic_load_explicit(&policy->lengths, memory_order_relaxed);
    bool hit = false;

    if (before % 2 != 0 || lengths > PDM_PREFIX_LENGTHS)
        return false;
    for (uint32_t i = 0; i < lengths && !hit; i++) {
        uint8_t len = atomic_load_explicit(&policy->length[i], memory_order_relaxed);

        if (len > 128)
            return false;
        struct pdm_prefix prefix = pdm_prefix_of(peer, len);
        hit = find_local(policy, &prefix, local, found);
    }
    atomic_thread_fence(memory_order_acquire);
    return hit && atomic_load_explicit(&policy->sequence, memory_order_relaxed) == before;
}
