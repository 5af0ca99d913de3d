/* SPDX-License-Identifier: BSD-2-Clause */
/* What is kept for one own address and one peer. */
#include "keyagent/enrolment/pairwise.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core/tuple.h"
#include "keyagent/harden.h"

#define CHUNKS (ENROLMENT_SECRETS_MAX / ENROLMENT_SECRETS_CHUNK)

bool pairwise_init(struct pairwise *p, uint64_t seed)
{
    *p = (struct pairwise){.oldest = TABLE_NONE, .newest = TABLE_NONE, .seed = seed};
    p->item = calloc(ENROLMENT_SECRETS_MAX, sizeof *p->item);
    return p->item != NULL && table_init(&p->table, ENROLMENT_SECRETS_MAX);
}

void pairwise_free(struct pairwise *p)
{
    for (size_t i = 0; i < CHUNKS; i++)
        if (p->chunk[i] != NULL)
            sodium_free(p->chunk[i]);
    free(p->item);
    table_free(&p->table);
    *p = (struct pairwise){0};
}

static uint64_t hash_of(const struct pairwise *p, uint32_t pair,
                        const uint8_t own[static PDM_ADDR_LEN],
                        const uint8_t peer[static PDM_ADDR_LEN])
{
    struct pdm_tuple key = {0};

    memcpy(key.saddr, own, sizeof key.saddr);
    memcpy(key.daddr, peer, sizeof key.daddr);
    return pdm_tuple_hash(&key, p->seed) + pair;
}

struct pairwise_item *pairwise_next(const struct pairwise *p, const struct pairwise_item *after,
                                    uint32_t pair, const uint8_t own[static PDM_ADDR_LEN],
                                    const uint8_t peer[static PDM_ADDR_LEN])
{
    uint32_t i = after == NULL ? table_first(&p->table, hash_of(p, pair, own, peer))
                               : table_next(&p->table, (uint32_t)(after - p->item));

    for (; i != TABLE_NONE; i = table_next(&p->table, i)) {
        struct pairwise_item *item = &p->item[i];

        if (item->pair == pair && memcmp(item->own, own, sizeof item->own) == 0 &&
            memcmp(item->peer, peer, sizeof item->peer) == 0)
            return item;
    }
    return NULL;
}

struct pairwise_item *pairwise_find(const struct pairwise *p, uint32_t pair, uint64_t epoch,
                                    const uint8_t own[static PDM_ADDR_LEN],
                                    const uint8_t peer[static PDM_ADDR_LEN])
{
    struct pairwise_item *item = pairwise_next(p, NULL, pair, own, peer);

    while (item != NULL && item->epoch != epoch)
        item = pairwise_next(p, item, pair, own, peer);
    return item;
}

/* The order of use. */

static void take_out(struct pairwise *p, const struct pairwise_item *item)
{
    if (item->older != TABLE_NONE)
        p->item[item->older].newer = item->newer;
    else
        p->oldest = item->newer;
    if (item->newer != TABLE_NONE)
        p->item[item->newer].older = item->older;
    else
        p->newest = item->older;
}

static void put_newest(struct pairwise *p, struct pairwise_item *item)
{
    uint32_t number = (uint32_t)(item - p->item);

    item->older = p->newest;
    item->newer = TABLE_NONE;
    if (p->newest != TABLE_NONE)
        p->item[p->newest].newer = number;
    else
        p->oldest = number;
    p->newest = number;
}

void pairwise_used(struct pairwise *p, struct pairwise_item *item)
{
    take_out(p, item);
    put_newest(p, item);
}

struct pairwise_item *pairwise_add(struct pairwise *p, uint32_t pair, uint64_t epoch,
                                   const uint8_t own[static PDM_ADDR_LEN],
                                   const uint8_t peer[static PDM_ADDR_LEN],
                                   enum pairwise_state state)
{
    if (p->table.used == p->table.capacity)
        pairwise_remove(p, &p->item[p->oldest]);
    struct pairwise_item *item = &p->item[table_add(&p->table, hash_of(p, pair, own, peer))];
    *item = (struct pairwise_item){.pair = pair, .epoch = epoch};
    memcpy(item->own, own, sizeof item->own);
    memcpy(item->peer, peer, sizeof item->peer);
    put_newest(p, item);
    pairwise_set_state(p, item, state);
    return item;
}

void pairwise_set_state(struct pairwise *p, struct pairwise_item *item, enum pairwise_state state)
{
    p->asked -= item->state == PAIRWISE_ASKED;
    item->state = (uint8_t)state;
    p->asked += item->state == PAIRWISE_ASKED;
}

uint8_t *pairwise_secret(struct pairwise *p, const struct pairwise_item *item)
{
    size_t number = (size_t)(item - p->item);
    size_t chunk = number / ENROLMENT_SECRETS_CHUNK;

    if (p->chunk[chunk] == NULL)
        p->chunk[chunk] = harden_alloc(ENROLMENT_SECRETS_CHUNK, sizeof *p->chunk[chunk]);
    return p->chunk[chunk] != NULL ? p->chunk[chunk][number % ENROLMENT_SECRETS_CHUNK] : NULL;
}

void pairwise_remove(struct pairwise *p, struct pairwise_item *item)
{
    uint32_t number = (uint32_t)(item - p->item);

    if (item->state == PAIRWISE_SECRET)
        sodium_memzero(pairwise_secret(p, item), PDM_NH_MAX);
    pairwise_set_state(p, item, PAIRWISE_UNUSED);
    take_out(p, item);
    table_remove(&p->table, hash_of(p, item->pair, item->own, item->peer), number);
}

void pairwise_keep(struct pairwise *p, bool (*wanted)(void *arg, const struct pairwise_item *item),
                   void *arg)
{
    for (uint32_t i = p->oldest; i != TABLE_NONE;) {
        struct pairwise_item *item = &p->item[i];

        i = item->newer;
        if (!wanted(arg, item))
            pairwise_remove(p, item);
    }
}
