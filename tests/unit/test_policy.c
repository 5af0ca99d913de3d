/* SPDX-License-Identifier: BSD-2-Clause */
/* Which pairs of addresses take part, as entries come and go. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "core/policy.h"

enum { SMALL = PDM_POLICY_BITS_MIN };

static struct pdm_policy policy;
static const struct pdm_policy_settings settings = {
    .option_type = 0x0F, .budget_us = 2000, .share = 5, .max_flows = 8192, .flow_idle_s = 300};
static uint64_t state = 1;

/* splitmix64 */
static uint64_t random_number(void)
{
    uint64_t z = state += 0x9e3779b97f4a7c15U;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

/* For as long as the test runs. */
static void *memory_of(unsigned bits)
{
    size_t size = (pdm_policy_size(bits) + 63) / 64 * 64;
    void *memory = aligned_alloc(64, size);

    cr_assert(memory != NULL);
    memset(memory, 0, size);
    return memory;
}

static void make(struct pdm_policy *p, unsigned bits)
{
    pdm_policy_init(p, memory_of(bits), bits, random_number());
}

static void make_with(const struct pdm_policy_entry *entries, size_t count)
{
    make(&policy, SMALL);
    for (size_t i = 0; i < count; i++)
        cr_assert(pdm_policy_add(&policy, &entries[i]));
}

static uint32_t sequence_of(const struct pdm_policy *p)
{
    return (uint32_t)atomic_load(&p->head->version);
}

static struct pdm_prefix prefix(const char *text, uint8_t len)
{
    uint8_t addr[PDM_ADDR_LEN];

    cr_assert_eq(inet_pton(AF_INET6, text, addr), 1, "%s", text);
    return pdm_prefix_of(addr, len);
}

static struct pdm_policy_entry entry(const char *local, uint8_t local_len, const char *peer,
                                     uint8_t peer_len, uint32_t association)
{
    return (struct pdm_policy_entry){.local = prefix(local, local_len),
                                     .peer = prefix(peer, peer_len),
                                     .format = PDM_FORMAT_ENCRYPTED,
                                     .association = association};
}

/* The association's number, or 0. LOCAL may be NULL. */
static uint32_t find(const char *local, const char *peer)
{
    uint8_t from[PDM_ADDR_LEN], to[PDM_ADDR_LEN];
    struct pdm_policy_entry found;

    cr_assert(local == NULL || inet_pton(AF_INET6, local, from) == 1);
    cr_assert_eq(inet_pton(AF_INET6, peer, to), 1);
    return pdm_policy_find(&policy, local != NULL ? from : NULL, to, &found) ? found.association
                                                                             : 0;
}

Test(policy, prefixes)
{
    struct pdm_prefix p = prefix("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", 45);
    uint8_t addr[PDM_ADDR_LEN];

    cr_assert_eq(inet_pton(AF_INET6, "2001:db8:fff8::", addr), 1);
    cr_assert_arr_eq(p.addr, addr, sizeof addr);
    cr_assert(pdm_prefix_contains(&p, addr));
    addr[5] = 0xF0;
    cr_assert_not(pdm_prefix_contains(&p, addr));

    struct pdm_prefix all = prefix("2001:db8::1", 0), one = prefix("2001:db8::1", 128);
    cr_assert(pdm_prefix_contains(&all, addr));
    cr_assert_not(pdm_prefix_contains(&one, addr));
    cr_assert(pdm_prefix_contains(&one, one.addr));
    cr_assert_not(pdm_prefix_equal(&all, &one));
    struct pdm_prefix longer = all;
    longer.len = 1;
    cr_assert_not(pdm_prefix_equal(&all, &longer));
}

/* Each length cuts where it says: the bit before it counts, the bit behind it does not. */
Test(policy, prefix_at_every_length)
{
    static const uint8_t zeros[PDM_ADDR_LEN];

    for (unsigned len = 0; len <= 128; len++) {
        struct pdm_prefix p = pdm_prefix_of(zeros, (uint8_t)len);

        for (unsigned bit = 0; bit < 128; bit++) {
            uint8_t addr[PDM_ADDR_LEN] = {0};

            addr[bit / 8] = (uint8_t)(0x80U >> bit % 8);
            cr_assert_eq(pdm_prefix_contains(&p, addr), bit >= len, "/%u, bit %u", len, bit);
        }
    }
}

Test(policy, nothing_named)
{
    make(&policy, SMALL);
    cr_assert_eq(find(NULL, "2001:db8::1"), 0);
    cr_assert_eq(pdm_policy_used(&policy), 0);
    uint32_t epoch = pdm_policy_epoch_of(&policy);
    pdm_policy_set(&policy, &settings);
    cr_assert_eq(policy.head->settings.flow_idle_s, 300);
    cr_assert_eq(pdm_policy_epoch_of(&policy), epoch + 1);
    cr_assert_eq(find(NULL, "2001:db8::1"), 0);
}

Test(policy, longest_peer_prefix_then_longest_local)
{
    const struct pdm_policy_entry entries[] = {
        entry("::", 0, "::", 0, 1),
        entry("::", 0, "2001:db8::", 32, 2),
        entry("2001:db8:1::", 48, "2001:db8:2::", 48, 3),
        entry("2001:db8:1:1::", 64, "2001:db8:2::", 48, 4),
        entry("2001:db8:1:1::1", 128, "2001:db8:2::", 48, 5),
        entry("2001:db8:9::", 48, "2001:db8:2::1", 128, 6),
    };

    make_with(entries, 6);
    cr_assert_eq(find("2001:db8:1:1::1", "2001:db9::1"), 1);
    cr_assert_eq(find("2001:db8:1:1::1", "2001:db8:3::1"), 2);
    cr_assert_eq(find("2001:db8:1:2::1", "2001:db8:2::2"), 3);
    cr_assert_eq(find("2001:db8:1:1::2", "2001:db8:2::2"), 4);
    cr_assert_eq(find("2001:db8:1:1::1", "2001:db8:2::2"), 5);
    /* The longest prefix of the peer counts only if this end is in its local one. */
    cr_assert_eq(find("2001:db8:9::1", "2001:db8:2::1"), 6);
    cr_assert_eq(find("2001:db8:1:1::1", "2001:db8:2::1"), 5);
    cr_assert_eq(find("2001:db8:7::1", "2001:db8:2::1"), 2);
    /* Not known yet from where: any. */
    cr_assert_eq(find(NULL, "2001:db8:2::1"), 6);
    cr_assert_eq(find(NULL, "2001:db8:2::2"), 5);
}

Test(policy, the_later_of_two_alike)
{
    struct pdm_policy_entry one = entry("2001:db8:1::", 48, "2001:db8:2::", 48, 1);

    make_with(&one, 1);
    uint32_t sequence = sequence_of(&policy);
    cr_assert(pdm_policy_add(&policy, &one));
    cr_assert_eq(sequence_of(&policy), sequence, "it is there already: nothing changed");
    one.association = 3;
    one.group = 65535;
    one.format = PDM_FORMAT_PLAIN;
    cr_assert(pdm_policy_add(&policy, &one));
    cr_assert_eq(sequence_of(&policy), sequence + 2);
    cr_assert_eq(pdm_policy_used(&policy), 1);

    struct pdm_policy_entry found;
    cr_assert(pdm_policy_find(&policy, NULL, one.peer.addr, &found));
    cr_assert_eq(found.association, 3);
    cr_assert_eq(found.group, 65535);
    cr_assert_eq(found.format, PDM_FORMAT_PLAIN);
    cr_assert(pdm_prefix_equal(&found.local, &one.local));
    cr_assert(pdm_prefix_equal(&found.peer, &one.peer));
}

Test(policy, changes_leave_the_epoch)
{
    const struct pdm_policy_entry one = entry("::", 0, "2001:db8:2::", 48, 1);
    const struct pdm_policy_entry other = entry("::", 0, "2001:db8:3::", 64, 2);

    make_with(&one, 1);
    uint32_t epoch = pdm_policy_epoch_of(&policy), sequence = sequence_of(&policy);

    cr_assert(pdm_policy_add(&policy, &other));
    cr_assert_eq(find(NULL, "2001:db8:3::1"), 2);
    cr_assert(pdm_policy_remove(&policy, &one.local, &one.peer));
    cr_assert_eq(find(NULL, "2001:db8:2::1"), 0);
    cr_assert_eq(find(NULL, "2001:db8:3::1"), 2);
    cr_assert_eq(sequence_of(&policy), sequence + 4);
    cr_assert_not(pdm_policy_remove(&policy, &one.local, &one.peer));
    cr_assert_not(pdm_policy_remove(&policy, &one.peer, &other.peer), "another local prefix");
    cr_assert_eq(sequence_of(&policy), sequence + 4, "nothing was removed");
    cr_assert_eq(pdm_policy_epoch_of(&policy), epoch);
}

Test(policy, prefixes_that_are_none)
{
    static const struct {
        uint8_t len, octet;
    } bad[] = {{129, 0}, {255, 0}, {0, 1}, {7, 1}, {127, 1}};

    make(&policy, SMALL);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct pdm_policy_entry e = entry("::", 0, "::", 0, 1);

        e.peer.len = bad[i].len;
        e.peer.addr[bad[i].len < 8 ? 0 : 15] = bad[i].octet;
        cr_assert_not(pdm_policy_add(&policy, &e));
        e.local = e.peer;
        e.peer = prefix("::", 0);
        cr_assert_not(pdm_policy_add(&policy, &e));
        cr_assert_not(pdm_policy_remove(&policy, &e.local, &e.peer));
    }
    cr_assert_eq(pdm_policy_used(&policy), 0);
}

Test(policy, change_under_way)
{
    const struct pdm_policy_entry only = entry("::", 0, "2001:db8:2::", 48, 1);

    make_with(&only, 1);
    cr_assert_eq(sequence_of(&policy) % 2, 0);
    policy.head->version++;
    cr_assert_eq(find(NULL, "2001:db8:2::1"), 0);
    policy.head->version++;
    cr_assert_eq(find(NULL, "2001:db8:2::1"), 1);
}

static struct pdm_policy_entry numbered(uint32_t i)
{
    uint8_t addr[PDM_ADDR_LEN] = {0x20, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};

    return (struct pdm_policy_entry){.peer = pdm_prefix_of(addr, (uint8_t)(32 + i % 97)),
                                     .association = i + 1};
}

static void assert_numbered(const struct pdm_policy *p, uint32_t count)
{
    for (uint32_t i = 0; i <= count; i++) {
        struct pdm_policy_entry wanted = numbered(i), found;
        bool hit = pdm_policy_find(p, NULL, wanted.peer.addr, &found);

        cr_assert_eq(hit, i < count, "entry %u", i);
        cr_assert(!hit || found.association == i + 1, "entry %u", i);
    }
}

/* As many as fit, of all lengths: each is found, and what is beside it is not. */
Test(policy, full)
{
    uint32_t count;

    make(&policy, SMALL);
    count = (uint32_t)pdm_policy_capacity(&policy);
    for (uint32_t i = 0; i < count; i++) {
        struct pdm_policy_entry e = numbered(i);

        cr_assert(pdm_policy_add(&policy, &e));
    }
    struct pdm_policy_entry more = numbered(count), last = numbered(count - 1);
    uint64_t version = policy.head->version;

    cr_assert_not(pdm_policy_add(&policy, &more));
    cr_assert_eq(policy.head->version, version, "a refused change changes nothing");
    assert_numbered(&policy, count);
    last.group = 7;
    cr_assert(pdm_policy_add(&policy, &last), "one that is there can change");
}

/* All entries in one run of buckets, told apart by their local prefix, wherever the run begins. */
Test(policy, one_peer_many_locals)
{
    static const char *const peers[] = {"2001:db8::", "2001:db9::", "2001:dba::"};

    for (size_t p = 0; p < sizeof peers / sizeof peers[0]; p++) {
        struct pdm_policy_entry e = {.peer = prefix(peers[p], 32)};

        make(&policy, SMALL + 1);
        for (uint32_t i = 0; i < PDM_POLICY_LOCALS_MAX; i++) {
            uint8_t addr[PDM_ADDR_LEN] = {0xfd, 0, (uint8_t)(i >> 8), (uint8_t)i};

            e.local = pdm_prefix_of(addr, 32);
            e.association = i + 1;
            cr_assert(pdm_policy_add(&policy, &e));
        }
        cr_assert_eq(find("fd00::5", peers[p]), 1);
        cr_assert_eq(find("fd00:fff::5", peers[p]), PDM_POLICY_LOCALS_MAX);
        cr_assert_eq(find("fd00:1000::5", peers[p]), 0);

        e.local = prefix("fd01::", 32);
        cr_assert_not(pdm_policy_add(&policy, &e), "a local prefix too many");
        struct pdm_prefix gone = prefix("fd00:7::", 32);

        cr_assert(pdm_policy_remove(&policy, &gone, &e.peer));
        cr_assert(pdm_policy_add(&policy, &e), "another has left its number");
        cr_assert_eq(find("fd01::1", peers[p]), e.association);
        cr_assert_eq(find("fd00:7::1", peers[p]), 0);
        cr_assert_eq(find("fd00:8::1", peers[p]), 9);
    }
}

/*
 * Thousands of random changes, and after each some look-ups, against a list that is searched from
 * end to end. Of the three bits of which each prefix is made some repeat at each of 129 lengths.
 */
enum { CHANGES = 12000, MODEL = 4096, MODEL_LOCALS = 12 };
static struct pdm_policy_entry model[MODEL];
static size_t modelled;

static void random_address(uint8_t addr[static PDM_ADDR_LEN])
{
    memset(addr, 0, PDM_ADDR_LEN);
    for (int i = 0; i < 3; i++) {
        unsigned bit = (unsigned)(random_number() % 128);

        addr[bit / 8] |= (uint8_t)(0x80U >> bit % 8);
    }
}

static struct pdm_prefix random_prefix(unsigned lengths)
{
    uint8_t addr[PDM_ADDR_LEN];

    random_address(addr);
    return pdm_prefix_of(addr, (uint8_t)(random_number() % lengths));
}

static size_t model_find(const struct pdm_prefix *local, const struct pdm_prefix *peer)
{
    size_t i = 0;

    while (i < modelled &&
           !(pdm_prefix_equal(&model[i].local, local) && pdm_prefix_equal(&model[i].peer, peer)))
        i++;
    return i;
}

static const struct pdm_policy_entry *model_best(const uint8_t *local, const uint8_t *peer)
{
    const struct pdm_policy_entry *best = NULL;

    for (size_t i = 0; i < modelled; i++) {
        const struct pdm_policy_entry *e = &model[i];

        if (!pdm_prefix_contains(&e->peer, peer) ||
            (local != NULL && !pdm_prefix_contains(&e->local, local)))
            continue;
        if (best == NULL || e->peer.len > best->peer.len ||
            (e->peer.len == best->peer.len && e->local.len > best->local.len))
            best = e;
    }
    return best;
}

static void change_at_random(const struct pdm_prefix *locals)
{
    struct pdm_policy_entry e = {.local = locals[random_number() % MODEL_LOCALS],
                                 .peer = random_prefix(PDM_PREFIX_LENGTHS),
                                 .group = (uint16_t)random_number(),
                                 .association = (uint32_t)random_number()};

    if (modelled != 0 && random_number() % 4 == 0) {
        const struct pdm_policy_entry *known = &model[random_number() % modelled];

        e.local = known->local;
        e.peer = known->peer;
    }
    size_t at = model_find(&e.local, &e.peer);

    if (modelled == MODEL || (at < modelled && random_number() % 2 != 0)) {
        cr_assert_eq(pdm_policy_remove(&policy, &e.local, &e.peer), at < modelled);
        if (at < modelled)
            model[at] = model[--modelled];
    } else {
        cr_assert(pdm_policy_add(&policy, &e));
        model[at] = e;
        modelled += at == modelled;
    }
}

static bool same(const struct pdm_policy_entry *a, const struct pdm_policy_entry *b)
{
    return a->association == b->association && a->group == b->group && a->format == b->format &&
           pdm_prefix_equal(&a->local, &b->local) && pdm_prefix_equal(&a->peer, &b->peer);
}

static void look_up_at_random(void)
{
    uint8_t local[PDM_ADDR_LEN], peer[PDM_ADDR_LEN];
    struct pdm_policy_entry found;

    random_address(local);
    random_address(peer);
    if (modelled != 0 && random_number() % 2 == 0) {
        memcpy(local, model[random_number() % modelled].local.addr, sizeof local);
        memcpy(peer, model[random_number() % modelled].peer.addr, sizeof peer);
    }
    const uint8_t *from = random_number() % 8 == 0 ? NULL : local;
    const struct pdm_policy_entry *best = model_best(from, peer);
    bool hit = pdm_policy_find(&policy, from, peer, &found);

    cr_assert_eq(hit, best != NULL);
    if (!hit)
        return;
    /* From anywhere, of two local prefixes of one length either will do. */
    if (from == NULL)
        cr_assert(found.peer.len == best->peer.len && found.local.len == best->local.len);
    else
        cr_assert(same(&found, best));
}

static void assert_like_model(const struct pdm_policy *p)
{
    struct pdm_policy_entry e;
    size_t seen = 0;

    cr_assert_eq(pdm_policy_used(p), modelled);
    for (uint32_t at = 0; pdm_policy_next(p, &at, &e); seen++) {
        size_t i = model_find(&e.local, &e.peer);

        cr_assert(i < modelled && same(&e, &model[i]));
    }
    cr_assert_eq(seen, modelled);
}

static bool is_odd(const void *arg, const struct pdm_policy_entry *e)
{
    size_t *asked = *(size_t *const *)arg;

    ++*asked;
    return e->association % 2 != 0;
}

Test(policy, like_a_list, .timeout = 120)
{
    struct pdm_prefix locals[MODEL_LOCALS];

    make(&policy, SMALL);
    for (int i = 0; i < MODEL_LOCALS; i++)
        locals[i] = random_prefix(i < 8 ? 5 : PDM_PREFIX_LENGTHS);
    for (int i = 0; i < CHANGES; i++) {
        change_at_random(locals);
        look_up_at_random();
    }
    cr_assert(modelled > 1000);
    assert_like_model(&policy);

    struct pdm_policy grown;
    pdm_policy_set(&policy, &settings);
    pdm_policy_grow(&grown, memory_of(SMALL + 2), SMALL + 2, &policy);
    assert_like_model(&grown);
    cr_assert_eq(memcmp(&grown.head->settings, &settings, sizeof settings), 0);

    size_t asked = 0, before = modelled, *counter = &asked;
    size_t removed = pdm_policy_keep(&policy, is_odd, &counter);

    for (size_t i = 0; i < modelled;) {
        if (model[i].association % 2 != 0)
            i++;
        else
            model[i] = model[--modelled];
    }
    cr_assert_eq(removed, before - modelled);
    cr_assert(asked >= before);
    assert_like_model(&policy);
    for (int i = 0; i < CHANGES; i++)
        look_up_at_random();
}

Test(policy, emptied)
{
    uint64_t lengths = 0;

    make(&policy, SMALL);
    for (int round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < 4096; i++) {
            struct pdm_policy_entry e = numbered(i);

            cr_assert(pdm_policy_add(&policy, &e));
        }
        for (uint32_t i = 0; i < 4096; i++) {
            struct pdm_policy_entry e = numbered(i);

            cr_assert(pdm_policy_remove(&policy, &e.local, &e.peer));
        }
        for (size_t i = 0; i < sizeof policy.head->lengths / sizeof policy.head->lengths[0]; i++)
            lengths |= policy.head->lengths[i];
        cr_assert_eq(lengths, 0);
        cr_assert_eq(pdm_policy_used(&policy), 0);
    }
}

/* What shims make of it: flows open under the one stay open under the other. */
Test(policy, grown_and_retired)
{
    struct pdm_policy grown;

    make(&policy, SMALL);
    pdm_policy_set(&policy, &settings);
    for (uint32_t i = 0; i < 3000; i++) {
        struct pdm_policy_entry e = numbered(i);

        cr_assert(pdm_policy_add(&policy, &e));
    }
    atomic_store(&policy.head->heartbeat, 12345);
    uint64_t version = policy.head->version;
    uint32_t epoch = pdm_policy_epoch_of(&policy);

    pdm_policy_grow(&grown, memory_of(SMALL + 1), SMALL + 1, &policy);
    cr_assert_eq(policy.head->version, version, "nothing has happened to the one yet");
    pdm_policy_retire(&policy);
    assert_numbered(&policy, 0);
    assert_numbered(&grown, 3000);
    cr_assert_eq(pdm_policy_epoch_of(&grown), epoch);
    cr_assert(sequence_of(&grown) != (uint32_t)version);
    cr_assert_eq(atomic_load(&grown.head->heartbeat), 12345);
    cr_assert((pdm_policy_epoch_of(&policy) | 1U << 31) != (epoch | 1U << 31));
    cr_assert_eq(atomic_load(&policy.head->heartbeat), PDM_POLICY_RETIRED);
}

Test(policy, sizes)
{
    static const struct {
        size_t entries;
        unsigned bits;
    } sizes[] = {{0, SMALL},
                 {4096, SMALL},
                 {4097, SMALL + 1},
                 {1000000, 21},
                 {2000000, 22},
                 {PDM_POLICY_ENTRIES_LIMIT, PDM_POLICY_BITS_MAX},
                 {PDM_POLICY_ENTRIES_LIMIT + 1, 0},
                 {SIZE_MAX, 0}};

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        cr_assert_eq(pdm_policy_bits(sizes[i].entries), sizes[i].bits, "%zu", sizes[i].entries);
    for (unsigned bits = SMALL; bits <= PDM_POLICY_BITS_MAX; bits++) {
        size_t size = pdm_policy_size(bits);

        cr_assert_eq(pdm_policy_bits_of_size(size), bits);
        cr_assert_eq(pdm_policy_bits_of_size(size - 1), 0);
        cr_assert_eq(pdm_policy_bits_of_size(size + 1), 0);
    }
}

/* What may stand in a mapping that is none of ours. */
Test(policy, opened)
{
    struct pdm_policy opened = {.bits = 77};
    size_t size = pdm_policy_size(SMALL);

    make(&policy, SMALL);
    for (uint32_t i = 0; i < 100; i++) {
        struct pdm_policy_entry e = numbered(i);

        cr_assert(pdm_policy_add(&policy, &e));
    }
    const uint32_t bits[] = {0, 1, SMALL - 1, SMALL + 1, PDM_POLICY_BITS_MAX, 32, 63, UINT32_MAX};
    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++) {
        policy.head->bits = bits[i];
        cr_assert_not(pdm_policy_open(&opened, policy.head, size), "%u", bits[i]);
    }
    policy.head->bits = SMALL;
    const size_t wrong[] = {0, 1, size - 1, size + 1, pdm_policy_size(SMALL + 1), SIZE_MAX};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        cr_assert_not(pdm_policy_open(&opened, policy.head, wrong[i]), "%zu", wrong[i]);
    policy.head->magic++;
    cr_assert_not(pdm_policy_open(&opened, policy.head, size));
    policy.head->magic--;
    cr_assert_eq(opened.bits, 77);
    cr_assert(pdm_policy_open(&opened, policy.head, size));
    assert_numbered(&opened, 100);
    policy.head->bits = PDM_POLICY_BITS_MAX; /* after it was checked: of no account */
    assert_numbered(&opened, 100);
}

/* Whatever stands there, a reader stays inside (the sanitizer says) and comes back. */
Test(policy, rubbish)
{
    size_t from = offsetof(struct pdm_policy_head, seed), size = pdm_policy_size(SMALL);

    make(&policy, SMALL);
    for (int round = 0; round < 20; round++) {
        uint8_t *octets = (uint8_t *)policy.head;

        for (size_t i = from; i < size; i++)
            octets[i] = (uint8_t)(random_number() % (round % 2 == 0 ? 256 : 3));
        policy.head->version &= ~1ULL;
        for (int i = 0; i < 200; i++) {
            uint8_t local[PDM_ADDR_LEN], peer[PDM_ADDR_LEN];
            struct pdm_policy_entry found;

            random_address(local);
            random_address(peer);
            if (pdm_policy_find(&policy, i % 2 == 0 ? NULL : local, peer, &found))
                cr_assert(pdm_prefix_contains(&found.peer, peer));
        }
    }
}
