/* SPDX-License-Identifier: BSD-2-Clause */
/* The primary: what the store has, in memory. */
#include <sodium.h>
#include <string.h>

#include "keyagent/log.h"
#include "keyagent/primary/partners.h"
#include "keyagent/primary/primary_inside.h"

struct barred {
    struct list list;
    bool failed;
};

static bool bar_each(void *arg, const struct store_secondary *s)
{
    struct barred *barred = arg;
    struct list_change change = {.entry.prefix = pdm_prefix_of(s->addr, 8 * PDM_ADDR_LEN),
                                 .add = true};

    if (s->barred)
        barred->failed = !list_apply(&barred->list, &change, 1);
    return !barred->failed;
}

bool primary_take_barred(struct primary *primary)
{
    struct barred barred = {.failed = false};

    if (!store_secondaries(primary->store, 0, bar_each, &barred) || barred.failed) {
        list_free(&barred.list);
        return false;
    }
    list_free(&primary->barred);
    primary->barred = barred.list;
    return true;
}

static bool sync_own(struct primary *primary)
{
    for (unsigned side = 0; side < PDM_SIDES; side++) {
        uint64_t before = primary->own[side].version;

        if (!list_sync(&primary->own[side], primary->store))
            return false;
        if (primary->own[side].version != before)
            partners_list_changed(primary, (uint8_t)side);
    }
    secondaries_own_changed(primary);
    return true;
}

/* What secondaries are given by the latest secrets follows from these. */
struct standing {
    uint64_t epoch;
    uint64_t usable_from;
    bool any;
    uint8_t groups[crypto_generichash_BYTES];
};

static struct standing standing_of(const struct pair *pair)
{
    const struct store_secret *s = grants_current(pair->secret, pair->secrets);

    struct standing standing = {
        .epoch = s != NULL ? s->epoch : 0, .usable_from = pair->row.usable_from, .any = s != NULL};
    crypto_generichash(standing.groups, sizeof standing.groups, (const uint8_t *)pair->list.group,
                       pair->list.groups * sizeof *pair->list.group, NULL, 0);
    return standing;
}

bool primary_take_own(struct primary *primary)
{
    return primary_take_barred(primary) && sync_own(primary);
}

bool primary_pair_changed(struct primary *primary, struct pair *pair)
{
    const struct standing before = standing_of(pair);
    const uint64_t version = pair->list.version;

    if (!pair_sync(pair, primary->store))
        return false;
    const struct standing after = standing_of(pair);
    if (before.any != after.any || before.epoch != after.epoch ||
        before.usable_from != after.usable_from)
        secondaries_secrets_changed(primary, pair);
    if (version != pair->list.version)
        secondaries_list_changed(primary, pair,
                                 memcmp(before.groups, after.groups, sizeof before.groups) != 0);
    return true;
}

bool primary_take_all(struct primary *primary)
{
    if (!primary_take_own(primary))
        return false;
    for (size_t i = 0; i < primary->pairs; i++)
        if (!primary_pair_changed(primary, primary->pair[i]))
            return false;
    return true;
}

/* After a transaction was lost memory may have what the store has not: lists are read anew,
 * secondaries are told again, and may bring about again what they did. */
static bool resume(struct primary *primary)
{
    uint64_t changes;

    if (!store_changes(primary->store, &changes))
        return false;
    for (size_t side = 0; side < PDM_SIDES; side++)
        primary->own[side].version = 0;
    for (size_t i = 0; i < primary->pairs; i++) {
        primary->pair[i]->list.version = 0;
        primary->pair[i]->suspected_at = 0;
    }
    if (!primary_take_all(primary))
        return false;
    for (size_t i = 0; i < primary->pairs; i++)
        secondaries_secrets_changed(primary, primary->pair[i]);
    log_info("the store answers again");
    primary->changes = changes;
    primary->store_up = true;
    primary->outbox.halted = false;
    return true;
}

void primary_settled(void *arg, bool committed)
{
    struct primary *primary = arg;

    if (!committed && primary->store_up)
        log_error("the store cannot be written to: requests wait until it can");
    primary->store_up = committed;
}

void primary_look(struct primary *primary)
{
    uint64_t changes;

    outbox_settle(&primary->outbox);
    if (primary->outbox.halted) {
        resume(primary);
        return;
    }
    if (!store_changes(primary->store, &changes)) {
        primary->outbox.halted = true;
        primary_settled(primary, false);
        return;
    }
    if (changes == primary->changes)
        return;
    primary->changes = changes;
    if (!primary_take_all(primary)) {
        primary->outbox.halted = true;
        primary_settled(primary, false);
    }
}

void primary_expire(struct primary *primary)
{
    int64_t now = primary_time();
    bool any = false;

    for (size_t i = 0; i < primary->pairs; i++)
        any = any || pair_has_ended(primary->pair[i], now);
    if (!any || !outbox_begin(&primary->outbox) || !store_secrets_expire(primary->store, now, &any))
        return;
    for (size_t i = 0; i < primary->pairs; i++)
        if (!primary_pair_changed(primary, primary->pair[i]))
            return;
}
