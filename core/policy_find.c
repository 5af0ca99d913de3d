/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Looking something up in the policy: once per prefix length in use, the longest first. It reads
 * little but the tags, which fit the processor's caches, and asks memory for those of several
 * lengths at once.
 */
#include "core/policy.h"
#include "core/policy_table.h"

#define AHEAD 16 /* lengths: about as many lines as a processor fetches at once */
#define LENGTH_WORDS (PDM_PREFIX_LENGTHS / 64 + 1)

static bool contains(const struct policy_key *prefix, const struct policy_key *addr)
{
    struct policy_key bare = policy_cut(addr, prefix->len);

    return policy_equal(&bare, prefix);
}

/* Takes what bucket AT has for LOCAL and this PEER, if its local prefix is longer than LONGEST's.
 */
static void look_at(const struct pdm_policy *policy, uint32_t at, const struct policy_probe *peer,
                    const struct policy_key *local, struct policy_content *best, int *longest)
{
    struct policy_content c = policy_load(policy, at);

    if (policy_tag_at(policy, at) != peer->tag || !policy_equal(&c.peer, &peer->peer) ||
        c.local >= PDM_POLICY_LOCALS_MAX)
        return;
    struct policy_key prefix = policy_load_local(policy, c.local);

    if (prefix.len > *longest && prefix.len < PDM_PREFIX_LENGTHS &&
        (local == NULL || contains(&prefix, local))) {
        *best = c;
        *longest = prefix.len;
    }
}

/* Of the entries with this peer prefix, the one with the longest matching local prefix. */
static bool find_local(const struct pdm_policy *policy, const struct policy_probe *peer,
                       const struct policy_key *local, struct pdm_policy_entry *found)
{
    uint32_t mask = policy_mask(policy);
    struct policy_content best;
    int longest = -1;

    for (uint32_t i = 0, group = peer->group; i <= mask; i++, group = (group + 1) & mask) {
        uint64_t tags = policy_tags_of(policy, group);

        for (uint64_t hits = policy_octets_with(tags, peer->tag); hits != 0; hits &= hits - 1)
            look_at(policy, policy_bucket_of(group, hits), peer, local, &best, &longest);
        if (policy_octets_with(tags, 0) != 0)
            break;
    }
    if (longest >= 0)
        *found = policy_entry_of(policy, &best);
    return longest >= 0;
}

/* Most prefixes are not there: their group has no such tag, and room. */
static bool has(const struct pdm_policy *policy, const struct policy_probe *peer,
                const struct policy_key *local, struct pdm_policy_entry *found)
{
    uint64_t tags = policy_tags_of(policy, peer->group);

    if (policy_octets_with(tags, peer->tag) == 0 && policy_octets_with(tags, 0) != 0)
        return false;
    return find_local(policy, peer, local, found);
}

/* From the longest prefix on. Those of the next AHEAD lengths are asked of memory already. */
static bool find_peer(const struct pdm_policy *policy, const struct policy_key *local,
                      const struct policy_key *peer, struct pdm_policy_entry *found)
{
    const uint64_t lengths_there[LENGTH_WORDS] = {UINT64_MAX, UINT64_MAX, 1};
    struct policy_probe probe[AHEAD];
    unsigned begun = 0, done = 0;

    for (unsigned word = LENGTH_WORDS; word-- > 0;) {
        uint64_t lengths = atomic_load_explicit(&policy->head->lengths[word], memory_order_relaxed);

        for (lengths &= lengths_there[word]; lengths != 0;) {
            unsigned bit = 63 - (unsigned)__builtin_clzll(lengths);
            struct policy_key prefix = policy_cut(peer, (uint8_t)(64 * word + bit));

            lengths &= ~(1ULL << bit);
            if (begun - done == AHEAD && has(policy, &probe[done++ % AHEAD], local, found))
                return true;
            struct policy_probe *next = &probe[begun++ % AHEAD];

            *next = policy_probe_of(policy, &prefix);
            __builtin_prefetch(&policy->tags[next->group]);
        }
    }
    while (done < begun)
        if (has(policy, &probe[done++ % AHEAD], local, found))
            return true;
    return false;
}

bool pdm_policy_find(const struct pdm_policy *policy, const uint8_t *local,
                     const uint8_t peer[static PDM_ADDR_LEN], struct pdm_policy_entry *found)
{
    uint64_t before = atomic_load_explicit(&policy->head->version, memory_order_acquire);

    if (before % 2 != 0)
        return false;
    struct policy_key to = policy_key_of(peer, 128), from = {0};

    if (local != NULL)
        from = policy_key_of(local, 128);
    bool hit = find_peer(policy, local != NULL ? &from : NULL, &to, found);

    atomic_thread_fence(memory_order_acquire);
    return hit && atomic_load_explicit(&policy->head->version, memory_order_relaxed) == before;
}
