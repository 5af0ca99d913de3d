/* SPDX-License-Identifier: BSD-2-Clause */
/* What a primary has for an agent: freed and found. */
#include "keyagent/enrolment/enrolled.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define SERIAL_BIT 0x80000000U

static void free_scope(struct enrolled_scope *scope)
{
    free(scope->group);
    free(scope->serial);
    free(scope->p_pub);
}

void enrolled_scope_remove(struct enrolled_epoch *epoch, unsigned at)
{
    struct enrolled_scope *scope = &epoch->scope[at];

    if (scope->grants > 0)
        sodium_memzero(scope->secret, scope->grants * sizeof *scope->secret);
    if (scope->s_id != NULL)
        sodium_memzero(scope->s_id, PDM_IBC_POINT_LEN);
    free_scope(scope);
    *scope = epoch->scope[--epoch->scopes];
}

void enrolled_epoch_free(struct enrolled_epoch *epoch)
{
    for (unsigned i = 0; i < epoch->scopes; i++)
        free_scope(&epoch->scope[i]);
    free(epoch->scope);
    if (epoch->locked != NULL)
        sodium_free(epoch->locked);
    *epoch = (struct enrolled_epoch){0};
}

void enrolled_pair_free(struct enrolled_pair *pair)
{
    if (pair == NULL)
        return;
    for (unsigned i = 0; i < pair->epochs; i++)
        enrolled_epoch_free(&pair->epoch[i]);
    free(pair);
}

void enrolled_set_free(struct enrolled_set *set)
{
    for (size_t i = 0; i < set->pairs; i++)
        enrolled_pair_free(set->pair[i]);
    free(set->pair);
    *set = (struct enrolled_set){0};
}

struct enrolled_pair *enrolled_pair_find(const struct enrolled_set *set, uint32_t number)
{
    for (size_t i = 0; i < set->pairs; i++)
        if (set->pair[i]->pair == number)
            return set->pair[i];
    return NULL;
}

const struct enrolled_epoch *enrolled_epoch_find(const struct enrolled_pair *pair, uint64_t epoch)
{
    for (unsigned i = 0; pair != NULL && i < pair->epochs; i++)
        if (pair->epoch[i].epoch == epoch)
            return &pair->epoch[i];
    return NULL;
}

struct enrolled_scope *enrolled_scope_find(const struct enrolled_epoch *epoch,
                                           const uint8_t own[static PDM_ADDR_LEN])
{
    for (unsigned i = 0; epoch != NULL && i < epoch->scopes; i++)
        if (memcmp(epoch->scope[i].address, own, PDM_ADDR_LEN) == 0)
            return &epoch->scope[i];
    return NULL;
}

const struct enrolled_epoch *enrolled_epoch_same(const struct enrolled_pair *old,
                                                 const struct enrolled_pair *pair,
                                                 const struct enrolled_epoch *epoch)
{
    const struct enrolled_epoch *found = enrolled_epoch_find(old, epoch->epoch);

    return found != NULL && memcmp(found->tag, epoch->tag, sizeof found->tag) == 0 &&
                   old->side == pair->side && old->secmop == pair->secmop &&
                   old->poller == pair->poller
               ? found
               : NULL;
}

bool enrolled_identity_same(const struct enrolled_scope *a, const struct enrolled_scope *b)
{
    return (a->s_id == NULL && b->s_id == NULL) ||
           (a->s_id != NULL && b->s_id != NULL &&
            sodium_memcmp(a->s_id, b->s_id, PDM_IBC_POINT_LEN) == 0 &&
            memcmp(a->p_pub, b->p_pub, PDM_IBC_POINT_LEN) == 0);
}

bool enrolled_is_secret(const struct pdm_suite *suite, const uint8_t secret[static PDM_NH_MAX])
{
    size_t nh = pdm_suite_nh(suite);

    return sodium_is_zero(secret, nh) != 1 &&
           (nh == PDM_NH_MAX || sodium_is_zero(secret + nh, PDM_NH_MAX - nh) == 1);
}

uint32_t enrolled_next_serial(void)
{
    /* Of all enrolments: two of them may know the same two addresses. */
    static uint32_t serials;

    return SERIAL_BIT | ++serials;
}

int64_t enrolled_time(int64_t now, uint64_t ms)
{
    return ms <= (uint64_t)((INT64_MAX - now) / PDM_NSEC_PER_MSEC)
               ? now + (int64_t)ms * PDM_NSEC_PER_MSEC
               : INT64_MAX;
}
