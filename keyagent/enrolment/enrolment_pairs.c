/* SPDX-License-Identifier: BSD-2-Clause */
/* Pairs come and go, as SECRET responses say. */
#include "keyagent/enrolment/enrolment_inside.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "keyagent/log.h"

#define TIME_SLACK_NS (1 * PDM_NSEC_PER_SEC) /* times are told relative to when a message came */

/* They go. */

struct ended {
    uint32_t pair;
    uint64_t epoch;
};

static bool of_other_epoch(void *arg, const struct pairwise_item *item)
{
    const struct ended *ended = arg;

    return item->pair != ended->pair || item->epoch != ended->epoch;
}

static void end_epoch(struct enrolment *e, const struct enrolled_pair *pair,
                      const struct enrolled_epoch *epoch)
{
    struct ended ended = {.pair = pair->pair, .epoch = epoch->epoch};

    for (unsigned i = 0; i < epoch->scopes; i++) {
        enrolment_end_scope(e, epoch, &epoch->scope[i]);
        enrolment_note_end(e, epoch, &epoch->scope[i]);
    }
    pairwise_keep(&e->pairwise, of_other_epoch, &ended);
}

bool enrolment_end_epochs(struct enrolment *e, struct enrolled_pair *pair, int64_t now)
{
    bool any = false;

    for (unsigned i = pair->epochs; i-- > 0;) {
        if (pair->epoch[i].ends_at > now)
            continue;
        end_epoch(e, pair, &pair->epoch[i]);
        enrolled_epoch_free(&pair->epoch[i]);
        pair->epochs--;
        memmove(&pair->epoch[i], &pair->epoch[i + 1], (pair->epochs - i) * sizeof pair->epoch[0]);
        pair->epoch[pair->epochs] = (struct enrolled_epoch){0};
        any = true;
    }
    return any;
}

static bool of_other_pair(void *arg, const struct pairwise_item *item)
{
    const struct enrolled_pair *pair = arg;

    return item->pair != pair->pair;
}

static void drop_pair(struct enrolment *e, size_t at)
{
    struct enrolled_pair *pair = e->held.pair[at];

    e->hooks.pair_gone(e->arg, e, pair->pair);
    for (unsigned i = 0; i < pair->epochs; i++)
        for (unsigned j = 0; j < pair->epoch[i].scopes; j++)
            enrolment_end_scope(e, &pair->epoch[i], &pair->epoch[i].scope[j]);
    pairwise_keep(&e->pairwise, of_other_pair, pair);
    enrolled_pair_free(pair);
    e->held.pair[at] = e->held.pair[--e->held.pairs];
}

void enrolment_drop(struct enrolment *e)
{
    while (e->held.pairs > 0)
        drop_pair(e, e->held.pairs - 1);
}

static void drop_missing(struct enrolment *e, const struct enrolled_set *set)
{
    for (size_t i = e->held.pairs; i-- > 0;)
        if (enrolled_pair_find(set, e->held.pair[i]->pair) == NULL)
            drop_pair(e, i);
}

/* They come, in place of what is held. */

/* Equal secrets keep their serials. True if all of SCOPE's are OLD's. */
static bool take_serials(struct enrolled_scope *scope, const struct enrolled_scope *old)
{
    bool same = old != NULL && old->grants == scope->grants;

    for (unsigned i = 0; i < scope->grants; i++) {
        unsigned at = i;

        if (old != NULL && (at >= old->grants || old->group[at] != scope->group[i]))
            for (at = 0; at < old->grants && old->group[at] != scope->group[i];)
                at++;
        if (old != NULL && at < old->grants &&
            sodium_memcmp(old->secret[at], scope->secret[i], PDM_NH_MAX) == 0) {
            scope->serial[i] = old->serial[at];
        } else {
            scope->serial[i] = enrolled_next_serial();
            same = false;
        }
    }
    if (scope->grants == 0)
        scope->serial[0] =
            old != NULL && old->grants == 0 ? old->serial[0] : enrolled_next_serial();
    return same;
}

/* OLD: the same scope as it was, or NULL. True if it was as SCOPE is now. */
static bool take_scope(struct enrolment *e, const struct enrolled_epoch *epoch,
                       struct enrolled_scope *scope, const struct enrolled_scope *old)
{
    struct enrolled_block block = scope->given;
    bool same = take_serials(scope, old);

    scope->given = (struct enrolled_block){0};
    if (old != NULL) {
        scope->block = old->block;
        scope->next = old->next;
        scope->given = old->given;
        scope->asked = old->asked;
        scope->refused_block = old->refused_block;
        scope->ask_at = old->ask_at;
        same = same && enrolled_identity_same(scope, old);
    }
    enrolment_add_block(e, epoch, scope, &block);
    return same;
}

/* Once the older secret is no longer sent under it is not again. */
static bool take_times(struct enrolled_epoch *epoch, const struct enrolled_epoch *old, int64_t now)
{
    int64_t earlier = old->send_at - TIME_SLACK_NS;
    bool same = old->send_at <= now ||
                (epoch->send_at >= earlier && epoch->send_at - TIME_SLACK_NS <= old->send_at);

    if (same)
        epoch->send_at = old->send_at;
    return same;
}

/* OLD: the same epoch as it was, or NULL. True if it was as EPOCH is now. */
static bool take_epoch(struct enrolment *e, const struct enrolled_pair *pair,
                       struct enrolled_epoch *epoch, const struct enrolled_epoch *old, int64_t now)
{
    bool same = old != NULL && old->scopes == epoch->scopes && take_times(epoch, old, now);

    epoch->sending = epoch->send_at <= now;
    if (!pdm_suite_usable(&epoch->suite)) {
        log_error("association %s: this processor cannot do what was negotiated with %s: %s (no "
                  "AES-NI); have the primaries prefer %s",
                  e->name, pair->name, pdm_aead_name(epoch->suite.aead),
                  pdm_aead_name(PDM_AEAD_CHACHA20POLY1305));
        while (epoch->scopes > 0)
            enrolled_scope_remove(epoch, epoch->scopes - 1U);
    }
    for (unsigned i = 0; i < epoch->scopes; i++) {
        struct enrolled_scope *scope = &epoch->scope[i];

        same = take_scope(e, epoch, scope, enrolled_scope_find(old, scope->address)) && same;
    }
    enrolment_number_scopes(e, epoch);
    return same;
}

/* Before what follows takes its place. */
static void end_what_is_over(struct enrolment *e, struct enrolled_pair *old,
                             struct enrolled_pair *pair)
{
    for (unsigned i = 0; i < old->epochs; i++) {
        const struct enrolled_epoch *before = &old->epoch[i];
        const struct enrolled_epoch *after = enrolled_epoch_same(pair, old, before);

        if (after == NULL)
            end_epoch(e, old, before);
        for (unsigned j = 0; after != NULL && j < before->scopes; j++)
            if (enrolled_scope_find(after, before->scope[j].address) == NULL)
                enrolment_end_scope(e, before, &before->scope[j]);
    }
}

/* What PAIR holds and OLD held change places. */
static void swap_pairs(struct enrolled_pair *pair, struct enrolled_pair *old)
{
    struct enrolled_pair between = *old;

    *old = *pair;
    *pair = between;
}

/* PAIR is taken over, or what it has goes into OLD, which is known by its address. */
static void take_pair(struct enrolment *e, struct enrolled_pair *pair, int64_t now)
{
    struct enrolled_pair *old = enrolled_pair_find(&e->held, pair->pair);
    bool same = old != NULL && memcmp(old->name, pair->name, sizeof old->name) == 0 &&
                old->side == pair->side && old->secmop == pair->secmop &&
                old->poller == pair->poller && old->unprotected == pair->unprotected &&
                old->epochs == pair->epochs;

    if (old != NULL)
        end_what_is_over(e, old, pair);
    for (unsigned i = 0; i < pair->epochs; i++) {
        struct enrolled_epoch *epoch = &pair->epoch[i];

        same = take_epoch(e, pair, epoch, enrolled_epoch_same(old, pair, epoch), now) && same;
    }
    if (old == NULL) {
        e->held.pair[e->held.pairs++] = pair;
        old = pair;
    } else {
        pair->list = old->list;
        swap_pairs(pair, old);
        enrolled_pair_free(pair);
    }
    if (!same)
        e->hooks.pair_changed(e->arg, e, old);
}

static bool still_held(void *arg, const struct pairwise_item *item)
{
    const struct enrolment *e = arg;
    const struct enrolled_pair *pair = enrolled_pair_find(&e->held, item->pair);

    return enrolled_scope_find(enrolled_epoch_find(pair, item->epoch), item->own) != NULL;
}

const char *enrolment_take_secrets(struct enrolment *e, struct pdm_reader *body, int64_t now,
                                   enum pdm_registration_status *status)
{
    struct enrolled_set set;
    const char *wrong = enrolled_read(body, now, &set, status);

    if (wrong != NULL)
        return wrong;
    if (*status != PDM_REGISTRATION_OK) {
        enrolled_set_free(&set);
        return NULL;
    }
    wrong = enrolment_check_points(e, &set);
    if (wrong != NULL) {
        enrolled_set_free(&set);
        return wrong;
    }
    drop_missing(e, &set);
    for (size_t i = 0; i < set.pairs; i++)
        take_pair(e, set.pair[i], now);
    pairwise_keep(&e->pairwise, still_held, e);
    free(set.pair);
    return NULL;
}
