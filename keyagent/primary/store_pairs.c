/* SPDX-License-Identifier: BSD-2-Clause */
/* The store: pairs. */
#include <inttypes.h>

#include "keyagent/log.h"
#include "keyagent/primary/store_inside.h"

bool store_no_pair(struct store *store, uint32_t pair)
{
    log_error("store %s: no pair %" PRIu32, store->db->label, pair);
    return store_refuse(store);
}

struct found_pair {
    bool found;
    struct store_pair *pair;
};

static bool pair_each(void *arg, const struct db_value *column)
{
    struct found_pair *f = arg;

    f->found = true;
    f->pair->pair = (uint32_t)column[0].number;
    f->pair->negotiations = (uint64_t)column[1].number;
    f->pair->list_version = (uint64_t)column[2].number;
    f->pair->renew_from = (uint64_t)column[3].number;
    f->pair->usable_from = (uint64_t)column[4].number;
    return store_range(&column[0], UINT32_MAX) && store_range(&column[1], INT64_MAX) &&
           store_range(&column[3], INT64_MAX) && store_range(&column[4], INT64_MAX);
}

static bool find_pair(struct store *store, struct found_pair *f)
{
    return store_read(
        store, PAIR_FIND,
        VALUES(db_octets(f->pair->name, strlen(f->pair->name)), db_number(f->pair->side)),
        pair_each, f);
}

static bool make_pair(struct store *store, const struct store_pair *pair)
{
    struct store_number number = {.found = false};

    store->changed = true;
    return store_write(store, PAIR_NUMBER, NULL, 0, store_number_each, &number) &&
           (number.found || store_no_row(store)) &&
           store_write(store, PAIR_MAKE,
                       VALUES(db_number(number.number), db_octets(pair->name, strlen(pair->name)),
                              db_number(pair->side)),
                       NULL, NULL);
}

bool store_pair(struct store *store, const char *name, uint8_t side, struct store_pair *pair)
{
    struct found_pair f = {.pair = pair};

    *pair = (struct store_pair){.side = side};
    if (strlen(name) >= sizeof pair->name) {
        log_error("store %s: a pair's name of over %zu octets", store->db->label,
                  sizeof pair->name - 1);
        return store_refuse(store);
    }
    memcpy(pair->name, name, strlen(name));
    if (!find_pair(store, &f))
        return false;
    /* Another primary may have made it just now: so it is looked for again either way. */
    return f.found || (make_pair(store, pair) && find_pair(store, &f) && f.found);
}

/* By STATEMENT, which has the pair for $1 and NUMBER for $2. */
static bool change(struct store *store, enum store_sql statement, uint32_t pair, uint64_t number)
{
    struct store_number n = {.found = false};

    store->changed = true;
    if (!store_write(store, statement, VALUES(db_number(pair), db_number((int64_t)number)),
                     store_number_each, &n))
        return false;
    return n.found || store_no_pair(store, pair);
}

bool store_pair_list_version(struct store *store, uint32_t pair, uint64_t version)
{
    return change(store, PAIR_LIST_VERSION, pair, version);
}

bool store_pair_renew(struct store *store, uint32_t pair, uint64_t usable_from)
{
    return change(store, PAIR_RENEW, pair, usable_from);
}

bool store_pair_claim(struct store *store, uint32_t pair, int64_t now, bool *ours)
{
    struct store_number n = {.found = false};
    bool done =
        !store->backend->shared ||
        store_write(store, PAIR_CLAIM,
                    VALUES(db_number(pair), db_number(now), db_number(store->claimant),
                           db_number(now - PRIMARY_CLAIM_S), db_number(now + PRIMARY_CLAIM_S)),
                    store_number_each, &n);

    *ours = n.found || !store->backend->shared;
    return done;
}

bool store_side_renew(struct store *store, uint8_t side)
{
    store->changed = true;
    return store_write(store, SIDE_RENEW, VALUES(db_number(side)), NULL, NULL);
}
