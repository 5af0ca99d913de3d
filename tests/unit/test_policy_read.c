/* SPDX-License-Identifier: BSD-2-Clause */
/* Finding out who takes part while that changes. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/policy.h"

/*
 * A writer goes on: hosts with odd numbers come and go, the others are always there and change
 * their terms, above a prefix that covers them all. A reader finds a host's own entry, of one
 * moment, or nothing, or for those that come and go the prefix above them.
 */
enum { ROUNDS = 200000, HOSTS = 30, COVER = HOSTS + 1 };
static struct pdm_policy policy;
static _Atomic bool done;

static struct pdm_policy_entry host_entry(uint32_t host, uint8_t terms)
{
    uint8_t addr[PDM_ADDR_LEN] = {0x20, 0x01, (uint8_t)(host >> 8), (uint8_t)host};
    struct pdm_policy_entry e = {.peer = pdm_prefix_of(addr, host == COVER ? 16 : 128),
                                 .format = terms,
                                 .group = (uint16_t)host,
                                 .association = host + 1000U * terms};

    e.local = pdm_prefix_of(addr, (uint8_t)(host % 17));
    return e;
}

/* One more is named by the longest prefix that there is or, while it is not, by the shortest but
 * one: between them a look-up is long under way. */
static struct pdm_policy_entry moving_entry(uint8_t len)
{
    const uint8_t addr[PDM_ADDR_LEN] = {0x30, 0x01, [15] = 1};

    return (struct pdm_policy_entry){.peer = pdm_prefix_of(addr, len), .association = len};
}

static void move(uint8_t from, uint8_t to)
{
    struct pdm_policy_entry before = moving_entry(from), after = moving_entry(to);

    pdm_policy_add(&policy, &after);
    pdm_policy_remove(&policy, &before.local, &before.peer);
}

static void *change_hosts(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        move(i % 2 == 0 ? 128 : 1, i % 2 == 0 ? 1 : 128);
        struct pdm_policy_entry e = host_entry((uint32_t)i * 7 % HOSTS, (uint8_t)(i / HOSTS % 2));

        if (e.group % 2 == 0 || !pdm_policy_remove(&policy, &e.local, &e.peer))
            pdm_policy_add(&policy, &e);
    }
    done = true;
    return NULL;
}

static bool same(const struct pdm_policy_entry *a, const struct pdm_policy_entry *b)
{
    return a->association == b->association && a->group == b->group && a->format == b->format &&
           pdm_prefix_equal(&a->local, &b->local) && pdm_prefix_equal(&a->peer, &b->peer);
}

static bool is_right(const struct pdm_policy_entry *found, uint32_t host)
{
    struct pdm_policy_entry own = host_entry(host, found->format), cover = host_entry(COVER, 0);

    return same(found, &own) || (host % 2 != 0 && same(found, &cover));
}

static void *read_hosts(void *arg)
{
    uintptr_t wrong = 0, hits = 0;

    (void)arg;
    for (uint32_t host = 0; !done || hits == 0; host = (host + 1) % HOSTS) {
        struct pdm_policy_entry own = host_entry(host, 0), moving = moving_entry(128), found;

        if (pdm_policy_find(&policy, NULL, moving.peer.addr, &found) && found.association == 0)
            wrong++;
        if (!pdm_policy_find(&policy, own.peer.addr, own.peer.addr, &found))
            continue;
        hits++;
        if (!is_right(&found, host))
            wrong++;
    }
    return (void *)wrong;
}

Test(policy, read_while_changed, .timeout = 60)
{
    pthread_t writer, reader[2];

    size_t size = (pdm_policy_size(PDM_POLICY_BITS_MIN) + 63) / 64 * 64;
    void *memory = aligned_alloc(64, size);

    cr_assert(memory != NULL);
    memset(memory, 0, size);
    pdm_policy_init(&policy, memory, PDM_POLICY_BITS_MIN, 1);
    for (uint32_t host = 0; host <= COVER; host += host == HOSTS ? 1 : 2) {
        struct pdm_policy_entry e = host_entry(host, 0);

        cr_assert(pdm_policy_add(&policy, &e));
    }
    for (unsigned len = 0; len <= 128; len++) {
        struct pdm_policy_entry e = moving_entry((uint8_t)len);

        if (len > 1 && len < 128)
            e.peer.addr[0] ^= 0x80; /* only there to be looked for */
        cr_assert(pdm_policy_add(&policy, &e));
    }
    cr_assert_eq(pthread_create(&writer, NULL, change_hosts, NULL), 0);
    for (int i = 0; i < 2; i++)
        cr_assert_eq(pthread_create(&reader[i], NULL, read_hosts, NULL), 0);
    cr_assert_eq(pthread_join(writer, NULL), 0);
    for (int i = 0; i < 2; i++) {
        void *wrong;

        cr_assert_eq(pthread_join(reader[i], &wrong), 0);
        cr_assert_null(wrong);
    }
    free(memory);
}
