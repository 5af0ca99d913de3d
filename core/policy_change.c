/* SPDX-License-Identifier: BSD-2-Clause */
/* The writer of the policy, an entry at a time. */
#include "core/policy.h"
#include "core/policy_table.h"

static void store(struct pdm_policy *policy, uint32_t at, uint8_t tag,
                  const struct policy_content *c)
{
    const uint64_t value[] = {c->peer.high, c->peer.low,
                              c->association | (uint64_t)c->local << 32 | (uint64_t)c->group << 48,
                              c->peer.len | (uint64_t)c->format << 8};
    unsigned shift = 8 * (at % POLICY_GROUP);
    uint64_t tags =
        (policy_tags_of(policy, at / POLICY_GROUP) & ~(0xFFULL << shift)) | (uint64_t)tag << shift;

    for (size_t i = 0; i < sizeof value / sizeof value[0]; i++)
        atomic_store_explicit(&policy->bucket[at].word[i], value[i], memory_order_relaxed);
    atomic_store_explicit(&policy->tags[at / POLICY_GROUP], tags, memory_order_relaxed);
}

static void begin_change(struct pdm_policy *policy)
{
    uint64_t version = atomic_load_explicit(&policy->head->version, memory_order_relaxed);

    atomic_store_explicit(&policy->head->version, policy_next_version(version),
                          memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
}

static void end_change(struct pdm_policy *policy)
{
    uint64_t version = atomic_load_explicit(&policy->head->version, memory_order_relaxed);

    atomic_store_explicit(&policy->head->version, policy_next_version(version),
                          memory_order_release);
}

void pdm_policy_set(struct pdm_policy *policy, const struct pdm_policy_settings *settings)
{
    begin_change(policy);
    policy->head->settings = *settings;
    atomic_fetch_add_explicit(&policy->head->version, 1ULL << 32, memory_order_relaxed);
    end_change(policy);
}

/* The number of LOCAL, or of a place for it; PDM_POLICY_LOCALS_MAX if there is neither. */
static uint32_t number_of(const struct pdm_policy *policy, const struct policy_key *local)
{
    uint32_t place = policy->head->locals;

    for (uint32_t i = policy->head->locals; i-- > 0;) {
        struct policy_key known = policy_load_local(policy, i);

        if (policy->local[i].uses == 0)
            place = i;
        else if (policy_equal(&known, local))
            return i;
    }
    return place;
}

static bool has_entry(const struct pdm_policy *policy, uint32_t at, const struct policy_probe *peer,
                      uint32_t local)
{
    struct policy_content c = policy_load(policy, at);

    return policy_tag_at(policy, at) == peer->tag && c.local == local &&
           policy_equal(&c.peer, &peer->peer);
}

/* The bucket of the entry for PEER and local prefix number LOCAL, or the empty one for it. */
static uint32_t place_of(const struct pdm_policy *policy, const struct policy_probe *peer,
                         uint32_t local)
{
    uint32_t group = peer->group;

    for (;; group = (group + 1) & policy_mask(policy)) {
        uint64_t tags = policy_tags_of(policy, group);

        for (uint64_t hits = policy_octets_with(tags, peer->tag); hits != 0; hits &= hits - 1)
            if (has_entry(policy, policy_bucket_of(group, hits), peer, local))
                return policy_bucket_of(group, hits);
        if (policy_has_room(policy, group))
            return policy_bucket_of(group, policy_octets_with(tags, 0));
    }
}

static void count_length(struct pdm_policy *policy, uint8_t len, bool more)
{
    uint32_t *count = &policy->head->of_length[len];
    _Atomic uint64_t *word = &policy->head->lengths[len / 64];
    uint64_t bit = 1ULL << len % 64, bits = atomic_load_explicit(word, memory_order_relaxed);

    *count = more ? *count + 1 : *count - 1;
    atomic_store_explicit(word, *count != 0 ? bits | bit : bits & ~bit, memory_order_relaxed);
    atomic_store_explicit(&policy->head->used, pdm_policy_used(policy) + (more ? 1 : UINT32_MAX),
                          memory_order_relaxed);
}

static void take_local(struct pdm_policy *policy, uint32_t number, const struct policy_key *prefix)
{
    struct pdm_policy_local *local = &policy->local[number];

    if (local->uses++ != 0)
        return;
    if (number == policy->head->locals)
        policy->head->locals++;
    atomic_store_explicit(&local->high, prefix->high, memory_order_relaxed);
    atomic_store_explicit(&local->low, prefix->low, memory_order_relaxed);
    atomic_store_explicit(&local->len, prefix->len, memory_order_relaxed);
}

static bool is_prefix(const struct pdm_prefix *prefix, struct policy_key *key)
{
    if (prefix->len >= PDM_PREFIX_LENGTHS)
        return false;
    *key = policy_key_of(prefix->addr, prefix->len);
    struct policy_key bare = policy_cut(key, prefix->len);

    return policy_equal(key, &bare);
}

static bool same_terms(const struct policy_content *a, const struct policy_content *b)
{
    return a->association == b->association && a->group == b->group && a->format == b->format;
}

bool pdm_policy_add(struct pdm_policy *policy, const struct pdm_policy_entry *entry)
{
    struct policy_key local, peer;

    if (!is_prefix(&entry->local, &local) || !is_prefix(&entry->peer, &peer))
        return false;
    uint32_t number = number_of(policy, &local);
    struct policy_probe probe = policy_probe_of(policy, &peer);
    struct policy_content c = {peer, entry->association, (uint16_t)number, entry->group,
                               entry->format};
    uint32_t at = place_of(policy, &probe, number);
    struct policy_content old = policy_load(policy, at);
    bool is_new = policy_tag_at(policy, at) == 0;

    if (!is_new && same_terms(&old, &c))
        return true;
    if (is_new &&
        (number == PDM_POLICY_LOCALS_MAX || pdm_policy_used(policy) == pdm_policy_capacity(policy)))
        return false;
    begin_change(policy);
    store(policy, at, probe.tag, &c);
    if (is_new) {
        take_local(policy, number, &local);
        count_length(policy, peer.len, true);
    }
    end_change(policy);
    return true;
}

/* An entry of group FROM that was put there for want of room in POLICY_GROUP, or before; else
 * POLICY_GROUP's. */
static uint32_t overflow_of(const struct pdm_policy *policy, uint32_t group, uint32_t from)
{
    uint32_t mask = policy_mask(policy);

    for (uint32_t at = from * POLICY_GROUP; at < (from + 1) * POLICY_GROUP; at++) {
        struct policy_content c = policy_load(policy, at);
        struct policy_probe home = policy_probe_of(policy, &c.peer);

        if (policy_tag_at(policy, at) != 0 &&
            ((from - home.group) & mask) >= ((from - group) & mask))
            return at;
    }
    return group * POLICY_GROUP;
}

/*
 * Empties bucket AT. If its group was full, an entry that had to go on from there takes its place,
 * and so on: a look-up ends at the first group with room.
 */
static void empty(struct pdm_policy *policy, uint32_t at)
{
    static const struct policy_content nothing;
    uint32_t group = at / POLICY_GROUP, from = group;

    while (!policy_has_room(policy, from)) {
        from = (from + 1) & policy_mask(policy);
        uint32_t next = overflow_of(policy, group, from);

        if (next / POLICY_GROUP != from)
            continue;
        struct policy_content c = policy_load(policy, next);

        store(policy, at, policy_tag_at(policy, next), &c);
        at = next;
        group = from;
    }
    store(policy, at, 0, &nothing);
}

static void remove_at(struct pdm_policy *policy, uint32_t at)
{
    struct policy_content c = policy_load(policy, at);

    begin_change(policy);
    empty(policy, at);
    policy->local[c.local].uses--;
    count_length(policy, c.peer.len, false);
    end_change(policy);
}

bool pdm_policy_remove(struct pdm_policy *policy, const struct pdm_prefix *local,
                       const struct pdm_prefix *peer)
{
    struct policy_key from, to;

    if (!is_prefix(local, &from) || !is_prefix(peer, &to))
        return false;
    struct policy_probe probe = policy_probe_of(policy, &to);
    uint32_t number = number_of(policy, &from);
    uint32_t at = place_of(policy, &probe, number);

    if (policy_tag_at(policy, at) == 0)
        return false;
    remove_at(policy, at);
    return true;
}

static bool stays(const struct pdm_policy *policy, uint32_t at,
                  bool (*wanted)(const void *arg, const struct pdm_policy_entry *entry),
                  const void *arg)
{
    if (policy_tag_at(policy, at) == 0)
        return true;
    struct policy_content c = policy_load(policy, at);
    struct pdm_policy_entry entry = policy_entry_of(policy, &c);

    return wanted(arg, &entry);
}

/* A bucket that was emptied holds what moved up, if anything: it is looked at again. */
size_t pdm_policy_keep(struct pdm_policy *policy,
                       bool (*wanted)(const void *arg, const struct pdm_policy_entry *entry),
                       const void *arg)
{
    size_t removed = 0;

    for (uint32_t at = 0; at < policy_buckets(policy);) {
        if (stays(policy, at, wanted, arg)) {
            at++;
        } else {
            remove_at(policy, at);
            removed++;
        }
    }
    return removed;
}
