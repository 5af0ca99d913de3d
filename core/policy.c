/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The policy: a hash table by peer prefix, looked up once per prefix length in use. The buckets are
 * in groups; an entry is in the group that its hash chooses or, where that is full, in the next
 * that is not. A look-up reads little but the tags, a word a group, which fit the processor's
 * caches, and asks memory for those of several lengths at once.
 */
#include "core/policy.h"

#include <endian.h>
#include <string.h>

#define GROUP 8  /* buckets: a word of tags */
#define AHEAD 16 /* lengths: about as many lines as a processor fetches at once */
#define LENGTH_WORDS (PDM_PREFIX_LENGTHS / 64 + 1)
/* Far from any epoch that flows may have been opened under. */
#define EPOCH_RETIRED (1ULL << 62)

__extension__ typedef unsigned __int128 wide;

/* A prefix as numbers. */
struct key {
    uint64_t high, low;
    uint8_t len;
};

/* What a bucket holds. */
struct content {
    struct key peer;
    uint32_t association;
    uint16_t local; /* the number of that prefix */
    uint16_t group;
    uint8_t format;
};

/* The group that the entries of a peer prefix begin in, and their tag. */
struct probe {
    struct key peer;
    uint32_t group;
    uint8_t tag;
};

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

static struct key key_of(const uint8_t addr[static PDM_ADDR_LEN], uint8_t len)
{
    struct key key = {.len = len};

    memcpy(&key.high, addr, sizeof key.high);
    memcpy(&key.low, addr + sizeof key.high, sizeof key.low);
    key.high = be64toh(key.high);
    key.low = be64toh(key.low);
    return key;
}

static struct pdm_prefix prefix_of(const struct key *key)
{
    struct pdm_prefix prefix = {.len = key->len};
    uint64_t high = htobe64(key->high), low = htobe64(key->low);

    memcpy(prefix.addr, &high, sizeof high);
    memcpy(prefix.addr + sizeof high, &low, sizeof low);
    return prefix;
}

static struct key cut(const struct key *addr, uint8_t len)
{
    uint64_t high = len == 0 ? 0 : len < 64 ? UINT64_MAX << (64 - len) : UINT64_MAX;
    uint64_t low = len <= 64 ? 0 : UINT64_MAX << (128 - len);

    return (struct key){addr->high & high, addr->low & low, len};
}

static bool equal(const struct key *a, const struct key *b)
{
    return a->high == b->high && a->low == b->low && a->len == b->len;
}

/* Both halves of the product: every bit of either factor reaches the result. */
static uint64_t fold(uint64_t a, uint64_t b)
{
    wide product = (wide)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* The upper bits choose the group, so that all entries in their order stay so in a larger table.
 */
static struct probe probe_of(const struct pdm_policy *policy, const struct key *peer)
{
    uint64_t seed = policy->head->seed;
    uint64_t hash = fold(peer->high ^ seed ^ (peer->len + 1) * 0x9e3779b97f4a7c15U,
                         peer->low ^ (seed << 31 | seed >> 33) ^ 0xd1b54a32d192ed03U);
    uint8_t tag = (uint8_t)hash;

    return (struct probe){*peer, (uint32_t)(hash >> (64 - policy->bits)) / GROUP,
                          (uint8_t)(tag != 0 ? tag : 1)};
}

/* --- the memory --- */

static uint32_t buckets_of(const struct pdm_policy *policy)
{
    return 1U << policy->bits;
}

/* The last group's number, which cuts others to those that there are. */
static uint32_t mask_of(const struct pdm_policy *policy)
{
    return buckets_of(policy) / GROUP - 1;
}

static size_t tags_offset(void)
{
    size_t line = sizeof(struct pdm_policy_bucket) * 2;

    return (sizeof(struct pdm_policy_head) + line - 1) / line * line;
}

unsigned pdm_policy_bits(size_t entries)
{
    for (unsigned bits = PDM_POLICY_BITS_MIN; bits <= PDM_POLICY_BITS_MAX; bits++)
        if (entries <= (size_t)1 << (bits - 1))
            return bits;
    return 0;
}

size_t pdm_policy_size(unsigned bits)
{
    return tags_offset() + ((sizeof(uint8_t) + sizeof(struct pdm_policy_bucket)) << bits) +
           PDM_POLICY_LOCALS_MAX * sizeof(struct pdm_policy_local);
}

unsigned pdm_policy_bits_of_size(size_t octets)
{
    for (unsigned bits = PDM_POLICY_BITS_MIN; bits <= PDM_POLICY_BITS_MAX; bits++)
        if (pdm_policy_size(bits) == octets)
            return bits;
    return 0;
}

static void lay_out(struct pdm_policy *policy, void *memory, unsigned bits)
{
    uint8_t *tags = (uint8_t *)memory + tags_offset();
    uint8_t *buckets = tags + ((size_t)1 << bits);
    uint8_t *locals = buckets + (sizeof(struct pdm_policy_bucket) << bits);

    *policy = (struct pdm_policy){.head = memory,
                                  .tags = (_Atomic uint64_t *)(void *)tags,
                                  .bucket = (struct pdm_policy_bucket *)(void *)buckets,
                                  .local = (struct pdm_policy_local *)(void *)locals,
                                  .bits = bits};
}

void pdm_policy_init(struct pdm_policy *policy, void *memory, unsigned bits, uint64_t seed)
{
    lay_out(policy, memory, bits);
    policy->head->magic = PDM_POLICY_MAGIC;
    policy->head->bits = bits;
    policy->head->seed = seed;
    /* Told apart from the seed's own bits, which choose buckets. */
    atomic_store_explicit(&policy->head->version, fold(seed, 0x8cb92ba72f3d8dd7U) & ~1ULL,
                          memory_order_relaxed);
}

bool pdm_policy_open(struct pdm_policy *policy, void *memory, size_t size)
{
    const struct pdm_policy_head *head = memory;
    unsigned bits = pdm_policy_bits_of_size(size);

    if (bits == 0 || head->magic != PDM_POLICY_MAGIC || head->bits != bits)
        return false;
    lay_out(policy, memory, bits);
    return true;
}

static struct key load_local(const struct pdm_policy *policy, uint32_t number)
{
    const struct pdm_policy_local *local = &policy->local[number];

    return (struct key){atomic_load_explicit(&local->high, memory_order_relaxed),
                        atomic_load_explicit(&local->low, memory_order_relaxed),
                        (uint8_t)atomic_load_explicit(&local->len, memory_order_relaxed)};
}

static struct content load(const struct pdm_policy *policy, uint32_t at)
{
    const _Atomic uint64_t *word = policy->bucket[at].word;
    uint64_t terms = atomic_load_explicit(&word[2], memory_order_relaxed);
    uint64_t kind = atomic_load_explicit(&word[3], memory_order_relaxed);

    return (struct content){.peer = {atomic_load_explicit(&word[0], memory_order_relaxed),
                                     atomic_load_explicit(&word[1], memory_order_relaxed),
                                     (uint8_t)kind},
                            .association = (uint32_t)terms,
                            .local = (uint16_t)(terms >> 32),
                            .group = (uint16_t)(terms >> 48),
                            .format = (uint8_t)(kind >> 8)};
}

static uint64_t tags_of(const struct pdm_policy *policy, uint32_t group)
{
    return atomic_load_explicit(&policy->tags[group], memory_order_relaxed);
}

static uint8_t tag_at(const struct pdm_policy *policy, uint32_t at)
{
    return (uint8_t)(tags_of(policy, at / GROUP) >> 8 * (at % GROUP));
}

static void store(struct pdm_policy *policy, uint32_t at, uint8_t tag, const struct content *c)
{
    const uint64_t value[] = {c->peer.high, c->peer.low,
                              c->association | (uint64_t)c->local << 32 | (uint64_t)c->group << 48,
                              c->peer.len | (uint64_t)c->format << 8};
    unsigned shift = 8 * (at % GROUP);
    uint64_t tags = (tags_of(policy, at / GROUP) & ~(0xFFULL << shift)) | (uint64_t)tag << shift;

    for (size_t i = 0; i < sizeof value / sizeof value[0]; i++)
        atomic_store_explicit(&policy->bucket[at].word[i], value[i], memory_order_relaxed);
    atomic_store_explicit(&policy->tags[at / GROUP], tags, memory_order_relaxed);
}

/*
 * The upper bits of the octets of TAGS that are TAG. The lowest is right; above it an octet that
 * differs from TAG by 1 may look like it.
 */
static uint64_t octets_with(uint64_t tags, uint8_t tag)
{
    const uint64_t ones = 0x0101010101010101U;
    uint64_t differing = tags ^ tag * ones;

    return (differing - ones) & ~differing & ones << 7;
}

static bool has_room(const struct pdm_policy *policy, uint32_t group)
{
    return octets_with(tags_of(policy, group), 0) != 0;
}

/* The bucket of the lowest of such octets. */
static uint32_t bucket_of(uint32_t group, uint64_t octets)
{
    return group * GROUP + (uint32_t)__builtin_ctzll(octets) / 8;
}

/* --- the writer --- */

static uint64_t next_version(uint64_t version)
{
    return (version & ~(uint64_t)UINT32_MAX) | (uint32_t)(version + 1);
}

static void begin_change(struct pdm_policy *policy)
{
    uint64_t version = atomic_load_explicit(&policy->head->version, memory_order_relaxed);

    atomic_store_explicit(&policy->head->version, next_version(version), memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
}

static void end_change(struct pdm_policy *policy)
{
    uint64_t version = atomic_load_explicit(&policy->head->version, memory_order_relaxed);

    atomic_store_explicit(&policy->head->version, next_version(version), memory_order_release);
}

void pdm_policy_set(struct pdm_policy *policy, const struct pdm_policy_settings *settings)
{
    begin_change(policy);
    policy->head->settings = *settings;
    atomic_fetch_add_explicit(&policy->head->version, 1ULL << 32, memory_order_relaxed);
    end_change(policy);
}

/* The number of LOCAL, or of a place for it; PDM_POLICY_LOCALS_MAX if there is neither. */
static uint32_t number_of(const struct pdm_policy *policy, const struct key *local)
{
    uint32_t place = policy->head->locals;

    for (uint32_t i = policy->head->locals; i-- > 0;) {
        struct key known = load_local(policy, i);

        if (policy->local[i].uses == 0)
            place = i;
        else if (equal(&known, local))
            return i;
    }
    return place;
}

static bool has_entry(const struct pdm_policy *policy, uint32_t at, const struct probe *peer,
                      uint32_t local)
{
    struct content c = load(policy, at);

    return tag_at(policy, at) == peer->tag && c.local == local && equal(&c.peer, &peer->peer);
}

/* The bucket of the entry for PEER and local prefix number LOCAL, or the empty one for it. */
static uint32_t place_of(const struct pdm_policy *policy, const struct probe *peer, uint32_t local)
{
    uint32_t group = peer->group;

    for (;; group = (group + 1) & mask_of(policy)) {
        uint64_t tags = tags_of(policy, group);

        for (uint64_t hits = octets_with(tags, peer->tag); hits != 0; hits &= hits - 1)
            if (has_entry(policy, bucket_of(group, hits), peer, local))
                return bucket_of(group, hits);
        if (has_room(policy, group))
            return bucket_of(group, octets_with(tags, 0));
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

static void take_local(struct pdm_policy *policy, uint32_t number, const struct key *prefix)
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

static bool is_prefix(const struct pdm_prefix *prefix, struct key *key)
{
    if (prefix->len >= PDM_PREFIX_LENGTHS)
        return false;
    *key = key_of(prefix->addr, prefix->len);
    struct key bare = cut(key, prefix->len);

    return equal(key, &bare);
}

static bool same_terms(const struct content *a, const struct content *b)
{
    return a->association == b->association && a->group == b->group && a->format == b->format;
}

bool pdm_policy_add(struct pdm_policy *policy, const struct pdm_policy_entry *entry)
{
    struct key local, peer;

    if (!is_prefix(&entry->local, &local) || !is_prefix(&entry->peer, &peer))
        return false;
    uint32_t number = number_of(policy, &local);
    struct probe probe = probe_of(policy, &peer);
    struct content c = {peer, entry->association, (uint16_t)number, entry->group, entry->format};
    uint32_t at = place_of(policy, &probe, number);
    struct content old = load(policy, at);
    bool is_new = tag_at(policy, at) == 0;

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

/* An entry of group FROM that was put there for want of room in GROUP, or before; else GROUP's. */
static uint32_t overflow_of(const struct pdm_policy *policy, uint32_t group, uint32_t from)
{
    uint32_t mask = mask_of(policy);

    for (uint32_t at = from * GROUP; at < (from + 1) * GROUP; at++) {
        struct content c = load(policy, at);
        struct probe home = probe_of(policy, &c.peer);

        if (tag_at(policy, at) != 0 && ((from - home.group) & mask) >= ((from - group) & mask))
            return at;
    }
    return group * GROUP;
}

/*
 * Empties bucket AT. If its group was full, an entry that had to go on from there takes its place,
 * and so on: a look-up ends at the first group with room.
 */
static void empty(struct pdm_policy *policy, uint32_t at)
{
    static const struct content nothing;
    uint32_t group = at / GROUP, from = group;

    while (!has_room(policy, from)) {
        from = (from + 1) & mask_of(policy);
        uint32_t next = overflow_of(policy, group, from);

        if (next / GROUP != from)
            continue;
        struct content c = load(policy, next);

        store(policy, at, tag_at(policy, next), &c);
        at = next;
        group = from;
    }
    store(policy, at, 0, &nothing);
}

static void remove_at(struct pdm_policy *policy, uint32_t at)
{
    struct content c = load(policy, at);

    begin_change(policy);
    empty(policy, at);
    policy->local[c.local].uses--;
    count_length(policy, c.peer.len, false);
    end_change(policy);
}

bool pdm_policy_remove(struct pdm_policy *policy, const struct pdm_prefix *local,
                       const struct pdm_prefix *peer)
{
    struct key from, to;

    if (!is_prefix(local, &from) || !is_prefix(peer, &to))
        return false;
    struct probe probe = probe_of(policy, &to);
    uint32_t number = number_of(policy, &from);
    uint32_t at = place_of(policy, &probe, number);

    if (tag_at(policy, at) == 0)
        return false;
    remove_at(policy, at);
    return true;
}

static struct pdm_policy_entry entry_of(const struct pdm_policy *policy, const struct content *c)
{
    struct key local = load_local(policy, c->local);

    return (struct pdm_policy_entry){.local = prefix_of(&local),
                                     .peer = prefix_of(&c->peer),
                                     .format = c->format,
                                     .group = c->group,
                                     .association = c->association};
}

static bool stays(const struct pdm_policy *policy, uint32_t at,
                  bool (*wanted)(const void *arg, const struct pdm_policy_entry *entry),
                  const void *arg)
{
    if (tag_at(policy, at) == 0)
        return true;
    struct content c = load(policy, at);
    struct pdm_policy_entry entry = entry_of(policy, &c);

    return wanted(arg, &entry);
}

/* A bucket that was emptied holds what moved up, if anything: it is looked at again. */
size_t pdm_policy_keep(struct pdm_policy *policy,
                       bool (*wanted)(const void *arg, const struct pdm_policy_entry *entry),
                       const void *arg)
{
    size_t removed = 0;

    for (uint32_t at = 0; at < buckets_of(policy);) {
        if (stays(policy, at, wanted, arg)) {
            at++;
        } else {
            remove_at(policy, at);
            removed++;
        }
    }
    return removed;
}

bool pdm_policy_next(const struct pdm_policy *policy, uint32_t *at, struct pdm_policy_entry *entry)
{
    while (*at < buckets_of(policy) && tag_at(policy, *at) == 0)
        ++*at;
    if (*at >= buckets_of(policy))
        return false;
    struct content c = load(policy, (*at)++);

    *entry = entry_of(policy, &c);
    return true;
}

size_t pdm_policy_capacity(const struct pdm_policy *policy)
{
    return (size_t)1 << (policy->bits - 1);
}

void pdm_policy_grow(struct pdm_policy *policy, void *memory, unsigned bits,
                     const struct pdm_policy *from)
{
    struct pdm_policy_entry entry;
    uint64_t version = atomic_load_explicit(&from->head->version, memory_order_relaxed);

    pdm_policy_init(policy, memory, bits, from->head->seed);
    policy->head->settings = from->head->settings;
    atomic_store_explicit(&policy->head->version, next_version(next_version(version)),
                          memory_order_relaxed);
    atomic_store_explicit(&policy->head->heartbeat,
                          atomic_load_explicit(&from->head->heartbeat, memory_order_relaxed),
                          memory_order_relaxed);
    for (uint32_t at = 0; pdm_policy_next(from, &at, &entry);)
        pdm_policy_add(policy, &entry);
}

void pdm_policy_retire(struct pdm_policy *policy)
{
    uint64_t version = atomic_load_explicit(&policy->head->version, memory_order_relaxed);

    atomic_store_explicit(&policy->head->heartbeat, PDM_POLICY_RETIRED, memory_order_relaxed);
    atomic_store_explicit(&policy->head->version, next_version(version) ^ EPOCH_RETIRED,
                          memory_order_release);
}

/* --- readers --- */

static bool contains(const struct key *prefix, const struct key *addr)
{
    struct key bare = cut(addr, prefix->len);

    return equal(&bare, prefix);
}

/* Takes what bucket AT has for LOCAL and this PEER, if its local prefix is longer than LONGEST's.
 */
static void look_at(const struct pdm_policy *policy, uint32_t at, const struct probe *peer,
                    const struct key *local, struct content *best, int *longest)
{
    struct content c = load(policy, at);

    if (tag_at(policy, at) != peer->tag || !equal(&c.peer, &peer->peer) ||
        c.local >= PDM_POLICY_LOCALS_MAX)
        return;
    struct key prefix = load_local(policy, c.local);

    if (prefix.len > *longest && prefix.len < PDM_PREFIX_LENGTHS &&
        (local == NULL || contains(&prefix, local))) {
        *best = c;
        *longest = prefix.len;
    }
}

/* Of the entries with this peer prefix, the one with the longest matching local prefix. */
static bool find_local(const struct pdm_policy *policy, const struct probe *peer,
                       const struct key *local, struct pdm_policy_entry *found)
{
    uint32_t mask = mask_of(policy);
    struct content best;
    int longest = -1;

    for (uint32_t i = 0, group = peer->group; i <= mask; i++, group = (group + 1) & mask) {
        uint64_t tags = tags_of(policy, group);

        for (uint64_t hits = octets_with(tags, peer->tag); hits != 0; hits &= hits - 1)
            look_at(policy, bucket_of(group, hits), peer, local, &best, &longest);
        if (octets_with(tags, 0) != 0)
            break;
    }
    if (longest >= 0)
        *found = entry_of(policy, &best);
    return longest >= 0;
}

/* Most prefixes are not there: their group has no such tag, and room. */
static bool has(const struct pdm_policy *policy, const struct probe *peer, const struct key *local,
                struct pdm_policy_entry *found)
{
    uint64_t tags = tags_of(policy, peer->group);

    if (octets_with(tags, peer->tag) == 0 && octets_with(tags, 0) != 0)
        return false;
    return find_local(policy, peer, local, found);
}

/* From the longest prefix on. Those of the next AHEAD lengths are asked of memory already. */
static bool find_peer(const struct pdm_policy *policy, const struct key *local,
                      const struct key *peer, struct pdm_policy_entry *found)
{
    const uint64_t lengths_there[LENGTH_WORDS] = {UINT64_MAX, UINT64_MAX, 1};
    struct probe probe[AHEAD];
    unsigned begun = 0, done = 0;

    for (unsigned word = LENGTH_WORDS; word-- > 0;) {
        uint64_t lengths = atomic_load_explicit(&policy->head->lengths[word], memory_order_relaxed);

        for (lengths &= lengths_there[word]; lengths != 0;) {
            unsigned bit = 63 - (unsigned)__builtin_clzll(lengths);
            struct key prefix = cut(peer, (uint8_t)(64 * word + bit));

            lengths &= ~(1ULL << bit);
            if (begun - done == AHEAD && has(policy, &probe[done++ % AHEAD], local, found))
                return true;
            struct probe *next = &probe[begun++ % AHEAD];

            *next = probe_of(policy, &prefix);
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
    struct key to = key_of(peer, 128), from = {0};

    if (local != NULL)
        from = key_of(local, 128);
    bool hit = find_peer(policy, local != NULL ? &from : NULL, &to, found);

    atomic_thread_fence(memory_order_acquire);
    return hit && atomic_load_explicit(&policy->head->version, memory_order_relaxed) == before;
}
