/* SPDX-License-Identifier: BSD-2-Clause */
/* The store: negotiations and their secrets. */
#include <inttypes.h>
#include <sodium.h>

#include "keyagent/log.h"
#include "keyagent/primary/store_inside.h"

#define SEALED_LEN (PDM_NH_MAX + VAULT_OVERHEAD)

static bool no_epoch(struct store *store, uint64_t epoch)
{
    log_error("store %s: %" PRIu64 " is no number of a negotiation", store->db->label, epoch);
    return store_refuse(store);
}

bool store_negotiation(struct store *store, uint32_t pair, uint64_t at_least, uint64_t *epoch)
{
    struct store_number next = {.found = false};

    if (at_least > STORE_EPOCH_MAX)
        return no_epoch(store, at_least);
    if (!store_write(store, PAIR_NEGOTIATE, VALUES(db_number(pair), db_number((int64_t)at_least)),
                     store_number_each, &next))
        return false;
    if (!next.found)
        return store_no_pair(store, pair);
    *epoch = (uint64_t)next.number - 1;
    return true;
}

static struct vault_place place_of(const struct store *store, uint32_t pair, uint64_t epoch)
{
    struct vault_place place = {.pair = pair, .epoch = epoch};

    memcpy(place.store, store->id, sizeof place.store);
    return place;
}

static bool add(struct store *store, uint32_t pair, const struct store_secret *s)
{
    const struct vault_place place = place_of(store, pair, s->epoch);
    uint8_t sealed[SEALED_LEN];

    vault_seal(store->vault, &place, s->pms, sizeof s->pms, sealed);
    return store_write(
        store, SECRET_ADD,
        VALUES(db_number(pair), db_number((int64_t)s->epoch), db_number(s->suite.kem),
               db_number(s->suite.kdf), db_number(s->suite.aead), db_octets(s->tag, sizeof s->tag),
               db_number(s->secmop), db_number(s->poller), db_number(s->unprotected),
               db_number(s->lifetime_s), db_number(s->grace_s), db_number(s->made_at),
               db_number(s->ends_at), db_octets(sealed, sizeof sealed)),
        NULL, NULL);
}

bool store_secret_add(struct store *store, uint32_t pair, const struct store_secret *secret,
                      bool *taken)
{
    const struct db_value number = db_number(pair), epoch = db_number((int64_t)secret->epoch);
    struct store_number locked = {.found = false}, first = {.found = false};

    *taken = false;
    if (secret->epoch > STORE_EPOCH_MAX)
        return no_epoch(store, secret->epoch);
    if (!store_write(store, PAIR_NEGOTIATED, VALUES(number, db_number((int64_t)secret->epoch + 1)),
                     store_number_each, &locked))
        return false;
    if (!locked.found)
        return store_no_pair(store, pair);
    if (!store_write(store, EPOCH_ADD, VALUES(number, epoch), store_number_each, &first))
        return false;
    *taken = !first.found;
    if (*taken)
        return false;
    store->changed = true;
    return add(store, pair, secret) &&
           store_write(store, SECRET_TRIM, VALUES(number, db_number(STORE_SECRETS_PENDING)), NULL,
                       NULL);
}

static bool forget(struct store *store, uint32_t pair, uint64_t epoch)
{
    store->changed = true;
    return store_grants_forget(store, pair, epoch) &&
           store_write(store, SECRET_FORGET, VALUES(db_number(pair), db_number((int64_t)epoch)),
                       NULL, NULL);
}

struct states {
    uint64_t epoch; /* to be confirmed */
    bool pending;   /* it is */
    uint32_t grace_s;
    bool later;                       /* one that is not before it has been confirmed */
    uint64_t past[STORE_SECRETS_MAX]; /* to be forgotten then */
    size_t pasts;
};

static bool states_each(void *arg, const struct db_value *column)
{
    struct states *s = arg;
    uint64_t epoch = (uint64_t)column[0].number;
    int64_t state = column[1].number;

    if (epoch == s->epoch && state == STORE_SECRET_PENDING) {
        s->pending = true;
        s->grace_s = (uint32_t)column[2].number;
    } else if (epoch >= s->epoch && state != STORE_SECRET_PENDING) {
        s->later = true;
    } else if (epoch < s->epoch && state != STORE_SECRET_CURRENT) {
        if (s->pasts == STORE_SECRETS_MAX)
            return false;
        s->past[s->pasts++] = epoch;
    }
    return store_range(&column[0], INT64_MAX) && store_range(&column[1], STORE_SECRET_PREVIOUS) &&
           store_range(&column[2], UINT32_MAX);
}

bool store_secret_confirm(struct store *store, uint32_t pair, uint64_t epoch, int64_t now)
{
    const struct db_value number = db_number(pair), at = db_number((int64_t)epoch);
    struct store_number locked = {.found = false};
    struct states s = {.epoch = epoch};

    if (!store_write(store, PAIR_LOCK, VALUES(number), store_number_each, &locked))
        return false;
    if (!locked.found)
        return store_no_pair(store, pair);
    if (!store_read(store, SECRET_STATES, VALUES(number), states_each, &s))
        return false;
    if (!s.pending || s.later)
        return true;
    for (size_t i = 0; i < s.pasts; i++)
        if (!forget(store, pair, s.past[i]))
            return false;
    store->changed = true;
    return store_write(store, SECRET_MAKE_PREVIOUS, VALUES(number, db_number(now + s.grace_s)),
                       NULL, NULL) &&
           store_write(store, SECRET_MAKE_CURRENT, VALUES(number, at), NULL, NULL);
}

struct secrets {
    struct store *store;
    uint32_t pair;
    struct store_secret *secret;
    size_t count;
    bool strange; /* one does not open, of epoch: */
    uint64_t epoch;
};

static bool secret_of(const struct db_value *column, struct store_secret *s)
{
    *s = (struct store_secret){
        .epoch = (uint64_t)column[0].number,
        .state = (uint8_t)column[1].number,
        .suite = {(uint16_t)column[2].number, (uint16_t)column[3].number,
                  (uint16_t)column[4].number},
        .secmop = (uint8_t)column[6].number,
        .poller = (uint8_t)column[7].number,
        .unprotected = (uint8_t)column[8].number,
        .lifetime_s = (uint32_t)column[9].number,
        .grace_s = (uint32_t)column[10].number,
        .made_at = column[11].number,
        .ends_at = column[12].number,
    };
    return store_octets(&column[5], s->tag, sizeof s->tag) && store_range(&column[0], INT64_MAX) &&
           store_range(&column[1], STORE_SECRET_PREVIOUS) && store_range(&column[2], UINT16_MAX) &&
           store_range(&column[3], UINT16_MAX) && store_range(&column[4], UINT16_MAX) &&
           store_range(&column[6], UINT8_MAX) && store_range(&column[7], UINT8_MAX) &&
           store_range(&column[8], UINT8_MAX) && store_range(&column[9], UINT32_MAX) &&
           store_range(&column[10], UINT32_MAX) && store_range(&column[11], INT64_MAX) &&
           store_range(&column[12], INT64_MAX);
}

static bool secrets_each(void *arg, const struct db_value *column)
{
    struct secrets *all = arg;

    if (all->count == STORE_SECRETS_MAX)
        return false;
    struct store_secret *s = &all->secret[all->count++];
    const struct db_value *sealed = &column[13];
    if (!secret_of(column, s) || sealed->octets == NULL || sealed->len != SEALED_LEN)
        return false;
    const struct vault_place place = place_of(all->store, all->pair, s->epoch);
    if (!vault_unseal(all->store->vault, &place, sealed->octets, sizeof s->pms, s->pms)) {
        all->strange = true;
        all->epoch = s->epoch;
    }
    return true;
}

bool store_secrets(struct store *store, uint32_t pair, struct store_secret *secret, size_t *count)
{
    struct secrets all = {.store = store, .pair = pair, .secret = secret};
    bool got = store_read(store, SECRETS, VALUES(db_number(pair)), secrets_each, &all);

    if (all.strange) {
        log_error("store %s: the secret of pair %" PRIu32 ", negotiation %" PRIu64
                  " was not sealed for it; " DB_REMEDY,
                  store->db->label, pair, all.epoch);
        got = store_refuse(store);
    }
    if (!got)
        sodium_memzero(secret, all.count * sizeof *secret);
    *count = got ? all.count : 0;
    return got;
}

struct ended {
    bool found;
    uint32_t pair;
    uint64_t epoch;
};

static bool ended_each(void *arg, const struct db_value *column)
{
    *(struct ended *)arg =
        (struct ended){true, (uint32_t)column[0].number, (uint64_t)column[1].number};
    return store_range(&column[0], UINT32_MAX) && store_range(&column[1], INT64_MAX);
}

bool store_secrets_expire(struct store *store, int64_t now, bool *any)
{
    *any = false;
    for (;;) {
        struct ended e = {.found = false};

        if (!store_read(store, SECRET_ENDED, VALUES(db_number(now)), ended_each, &e))
            return false;
        if (!e.found)
            return true;
        if (!forget(store, e.pair, e.epoch))
            return false;
        *any = true;
    }
}
