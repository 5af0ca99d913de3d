/* SPDX-License-Identifier: BSD-2-Clause */
/* Which pairs of addresses take part, and finding that out while it changes. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>

#include "core/policy.h"

static struct pdm_policy policy;
static const struct pdm_policy_settings settings = {
    .option_type = 0x0F, .budget_us = 2000, .share = 5, .max_flows = 8192, .flow_idle_s = 300};

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
    cr_assert_eq(find(NULL, "2001:db8::1"), 0, "before anything was written");
    cr_assert(pdm_policy_write(&policy, &settings, NULL, 0));
    cr_assert_eq(find(NULL, "2001:db8::1"), 0);
    cr_assert_eq(policy.magic, PDM_POLICY_MAGIC);
    cr_assert_eq(policy.settings.flow_idle_s, 300);
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

    cr_assert(pdm_policy_write(&policy, &settings, entries, 6));
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

Test(policy, ties_go_to_the_first)
{
    const struct pdm_policy_entry entries[] = {
        entry("2001:db8:1::", 48, "2001:db8:2::", 48, 1),
        entry("2001:db8:3::", 48, "2001:db8:2::", 48, 2),
        entry("2001:db8:1::", 48, "2001:db8:2::", 48, 3),
    };

    cr_assert(pdm_policy_write(&policy, &settings, entries, 3));
    cr_assert_eq(find("2001:db8:1::1", "2001:db8:2::1"), 1);
    cr_assert_eq(find("2001:db8:3::1", "2001:db8:2::1"), 2);
    cr_assert_eq(find(NULL, "2001:db8:2::1"), 1);
}

Test(policy, replaced_as_a_whole)
{
    const struct pdm_policy_entry before = entry("::", 0, "2001:db8:2::", 48, 1);
    const struct pdm_policy_entry after = entry("::", 0, "2001:db8:3::", 64, 2);

    cr_assert(pdm_policy_write(&policy, &settings, &before, 1));
    uint32_t epoch = policy.epoch;
    cr_assert(pdm_policy_write(&policy, &settings, &after, 1));
    cr_assert_eq(policy.epoch, epoch + 1);
    cr_assert_eq(find(NULL, "2001:db8:2::1"), 0);
    cr_assert_eq(find(NULL, "2001:db8:3::1"), 2);
}

Test(policy, change_under_way)
{
    const struct pdm_policy_entry only = entry("::", 0, "2001:db8:2::", 48, 1);

    cr_assert(pdm_policy_write(&policy, &settings, &only, 1));
    cr_assert_eq(policy.sequence % 2, 0);
    policy.sequence++;
    cr_assert_eq(find(NULL, "2001:db8:2::1"), 0);
    policy.sequence++;
    cr_assert_eq(find(NULL, "2001:db8:2::1"), 1);
}

/* As many as may be configured, of all lengths: each is found, and what is beside it is not. */
Test(policy, full)
{
    static struct pdm_policy_entry entries[PDM_POLICY_ENTRIES_MAX + 1];

    for (uint32_t i = 0; i <= PDM_POLICY_ENTRIES_MAX; i++) {
        uint8_t addr[PDM_ADDR_LEN] = {0x20, 0x01, (uint8_t)(i >> 8), (uint8_t)i};

        entries[i] = (struct pdm_policy_entry){.peer = pdm_prefix_of(addr, (uint8_t)(32 + i % 97)),
                                               .association = i + 1};
    }
    cr_assert(pdm_policy_write(&policy, &settings, entries, PDM_POLICY_ENTRIES_MAX));
    uint32_t epoch = policy.epoch;
    cr_assert_not(pdm_policy_write(&policy, &settings, entries, PDM_POLICY_ENTRIES_MAX + 1));
    cr_assert_eq(policy.epoch, epoch, "a refused change changes nothing");

    for (uint32_t i = 0; i <= PDM_POLICY_ENTRIES_MAX; i++) {
        struct pdm_policy_entry found;
        bool hit = pdm_policy_find(&policy, NULL, entries[i].peer.addr, &found);

        cr_assert_eq(hit, i < PDM_POLICY_ENTRIES_MAX, "entry %u", i);
        cr_assert(!hit || found.association == i + 1, "entry %u", i);
    }
}

/* All entries in one run of buckets, told apart by their local prefix, wherever the run begins. */
Test(policy, one_peer_many_locals)
{
    static const char *const peers[] = {"2001:db8::", "2001:db9::", "2001:dba::", "2001:dbb::",
                                        "2001:dbc::", "2001:dbd::", "2001:dbe::", "2001:dbf::"};
    static struct pdm_policy_entry entries[PDM_POLICY_ENTRIES_MAX];

    for (size_t p = 0; p < sizeof peers / sizeof peers[0]; p++) {
        for (uint32_t i = 0; i < PDM_POLICY_ENTRIES_MAX; i++) {
            uint8_t addr[PDM_ADDR_LEN] = {0xfd, 0, (uint8_t)(i >> 8), (uint8_t)i};

            entries[i] = (struct pdm_policy_entry){.local = pdm_prefix_of(addr, 32),
                                                   .peer = prefix(peers[p], 32),
                                                   .association = i + 1};
        }
        cr_assert(pdm_policy_write(&policy, &settings, entries, PDM_POLICY_ENTRIES_MAX));
        cr_assert_eq(find("fd00::5", peers[p]), 1);
        cr_assert_eq(find("fd00:fff::5", peers[p]), PDM_POLICY_ENTRIES_MAX);
        cr_assert_eq(find("fd00:1000::5", peers[p]), 0);
    }
}

/*
 * A writer goes on replacing the policy. In each version every host has an entry of its own, put in
 * after the one that covers them all: a reader finds the host's own, of one version, or nothing.
 */
enum { ROUNDS = 2000, HOSTS = 4000 };
static _Atomic bool done;

static void *write_policies(void *arg)
{
    static struct pdm_policy_entry entries[2][1 + HOSTS];

    (void)arg;
    for (uint8_t version = 0; version < 2; version++)
        for (uint32_t i = 0; i <= HOSTS; i++) {
            struct pdm_policy_entry *e = &entries[version][i];
            uint8_t addr[PDM_ADDR_LEN] = {0x20, 0x01, (uint8_t)(i >> 8), (uint8_t)i};

            *e = (struct pdm_policy_entry){.peer = pdm_prefix_of(addr, i == 0 ? 16 : 128),
                                           .format = version,
                                           .association = i};
            memset(e->local.addr, version, sizeof e->local.addr);
        }
    for (int i = 0; i < ROUNDS; i++)
        pdm_policy_write(&policy, &settings, entries[i % 2], 1 + HOSTS);
    done = true;
    return NULL;
}

static bool is_whole(const struct pdm_policy_entry *found, uint32_t host)
{
    uint8_t version[PDM_ADDR_LEN];

    memset(version, found->format, sizeof version);
    return found->association == host && found->peer.len == 128 &&
           memcmp(found->local.addr, version, sizeof version) == 0;
}

static void *read_policies(void *arg)
{
    uintptr_t mixed = 0, hits = 0;

    (void)arg;
    for (uint32_t host = 1; !done || hits == 0; host = host % HOSTS + 1) {
        uint8_t peer[PDM_ADDR_LEN] = {0x20, 0x01, (uint8_t)(host >> 8), (uint8_t)host};
        struct pdm_policy_entry found;

        if (!pdm_policy_find(&policy, NULL, peer, &found))
            continue;
        hits++;
        if (!is_whole(&found, host))
            mixed++;
    }
    return (void *)mixed;
}

Test(policy, read_while_written, .timeout = 60)
{
    pthread_t writer, reader[2];

    cr_assert_eq(pthread_create(&writer, NULL, write_policies, NULL), 0);
    for (int i = 0; i < 2; i++)
        cr_assert_eq(pthread_create(&reader[i], NULL, read_policies, NULL), 0);
    cr_assert_eq(pthread_join(writer, NULL), 0);
    for (int i = 0; i < 2; i++) {
        void *mixed;

        cr_assert_eq(pthread_join(reader[i], &mixed), 0);
        cr_assert_null(mixed);
    }
}
