/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared by the parts of the store: its connection, and how they ask and tell. */
#ifndef PDM_KEYAGENT_PRIMARY_STORE_INSIDE_H
#define PDM_KEYAGENT_PRIMARY_STORE_INSIDE_H

#include <string.h>

#include "keyagent/primary/db.h"
#include "keyagent/primary/store.h"
#include "keyagent/primary/store_sql.h"
#include "keyagent/primary/vault.h"

struct store {
    const struct db_backend *backend;
    struct db *db;
    struct vault *vault;
    uint8_t id[VAULT_STORE_LEN];
    int64_t claimant;     /* random: who claims here */
    uint64_t connections; /* of the database that was last seen to be this store */
    bool begun;           /* a transaction */
    bool failed;          /* it has */
    bool changed;         /* it has what other primaries must know of */
};

/* Parameters: an array and its length. */
#define VALUES(...)                                                                                \
    (const struct db_value[]){__VA_ARGS__},                                                        \
        sizeof((const struct db_value[]){__VA_ARGS__}) / sizeof(struct db_value)

/* A statement that changes nothing, in a transaction or not. */
bool store_read(struct store *store, enum store_sql statement, const struct db_value *value,
                size_t values, db_each *each, void *arg);
/* One that changes something: in a transaction alone. */
bool store_write(struct store *store, enum store_sql statement, const struct db_value *value,
                 size_t values, db_each *each, void *arg);
/* As store_write, but it may be known only later that it failed: no later than at the commit. */
bool store_write_later(struct store *store, enum store_sql statement, const struct db_value *value,
                       size_t values);
/* Forgets what was granted under a secret that is to be forgotten next, but for a last page, which
 * goes with it. */
bool store_grants_forget(struct store *store, uint32_t pair, uint64_t epoch);
/* What was asked for cannot be, after the caller has told why. Returns false. */
bool store_refuse(struct store *store);
/* Likewise, and tell why: there is no such pair, not even the store's own row, or no memory. */
bool store_no_pair(struct store *store, uint32_t pair);
bool store_no_row(struct store *store);
bool store_no_memory(struct store *store);

/* The first column of the last row, a number that is not negative. */
struct store_number {
    bool found;
    int64_t number;
};
db_each store_number_each;

static inline bool store_octets(const struct db_value *column, uint8_t *octets, size_t len)
{
    if (column->octets == NULL || column->len != len)
        return false;
    memcpy(octets, column->octets, len);
    return true;
}

static inline bool store_range(const struct db_value *column, int64_t max)
{
    return column->octets == NULL && column->number >= 0 && column->number <= max;
}

#endif
