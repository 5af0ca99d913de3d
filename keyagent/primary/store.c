/* SPDX-License-Identifier: BSD-2-Clause */
/* The store: opening it, transactions. */
#include "keyagent/primary/store.h"

#include <sodium.h>
#include <stdlib.h>

#include "keyagent/log.h"
#include "keyagent/primary/store_inside.h"

#define VERSION 1 /* of the tables */
#define CHECK_LEN 32
#define SEALED_LEN (CHECK_LEN + VAULT_OVERHEAD)

static const char *const statements[] = {STORE_SQL_STATEMENTS(STORE_SQL_TEXT)};
static const char *const tables[] = {STORE_SQL_TABLES};

/* What every store seals with its key, to know it again. */
static const uint8_t known[CHECK_LEN] = "pdmv2 store";

bool store_refuse(struct store *store)
{
    store->failed = true;
    return false;
}

bool store_no_memory(struct store *store)
{
    log_error("store %s: no memory", store->db->label);
    return store_refuse(store);
}

bool store_no_row(struct store *store)
{
    log_error("store %s: damaged: its own row is gone; " DB_REMEDY, store->db->label);
    return store_refuse(store);
}

bool store_read(struct store *store, enum store_sql statement, const struct db_value *value,
                size_t values, db_each *each, void *arg)
{
    if (store->begun && store->failed)
        return false;
    return store->backend->query(store->db, statement, value, values, each, arg) ||
           store_refuse(store);
}

/* Whoever changes something without a transaction takes it for durable when it is not. */
static bool may_write(struct store *store)
{
    if (store->begun && !store->failed)
        return true;
    if (!store->begun)
        log_error("store %s: a change outside of a transaction", store->db->label);
    return false;
}

bool store_write(struct store *store, enum store_sql statement, const struct db_value *value,
                 size_t values, db_each *each, void *arg)
{
    if (!may_write(store))
        return false;
    return store->backend->query(store->db, statement, value, values, each, arg) ||
           store_refuse(store);
}

bool store_write_later(struct store *store, enum store_sql statement, const struct db_value *value,
                       size_t values)
{
    if (!may_write(store))
        return false;
    return store->backend->later(store->db, statement, value, values) || store_refuse(store);
}

bool store_number_each(void *arg, const struct db_value *column)
{
    struct store_number *n = arg;

    *n = (struct store_number){.found = true, .number = column->number};
    return store_range(column, INT64_MAX);
}

struct root {
    bool found;
    uint8_t id[VAULT_STORE_LEN];
    uint8_t sealed[SEALED_LEN];
};

static bool root_each(void *arg, const struct db_value *column)
{
    struct root *r = arg;

    r->found = true;
    return store_octets(&column[0], r->id, sizeof r->id) &&
           store_octets(&column[1], r->sealed, sizeof r->sealed);
}

static bool read_root(struct store *store, struct root *root)
{
    *root = (struct root){.found = false};
    return store->backend->query(store->db, STORE_ROOT, NULL, 0, root_each, root);
}

static bool make(struct store *store)
{
    struct vault_place place = {.pair = 0};
    uint8_t sealed[SEALED_LEN];

    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        if (!store->backend->run(store->db, tables[i], NULL, NULL))
            return false;
    if (!store->backend->prepare(store->db))
        return false;
    randombytes_buf(store->id, sizeof store->id);
    memcpy(place.store, store->id, sizeof place.store);
    vault_seal(store->vault, &place, known, sizeof known, sealed);
    return store->backend->query(store->db, STORE_MAKE,
                                 VALUES(db_number(VERSION), db_octets(store->id, sizeof store->id),
                                        db_octets(sealed, sizeof sealed)),
                                 NULL, NULL);
}

static bool recognise(struct store *store, const char *key)
{
    struct vault_place place = {.pair = 0};
    uint8_t plain[CHECK_LEN];
    struct root root;

    if (!store->backend->prepare(store->db) || !read_root(store, &root))
        return false;
    memcpy(store->id, root.id, sizeof store->id);
    memcpy(place.store, root.id, sizeof place.store);
    if (vault_unseal(store->vault, &place, root.sealed, sizeof plain, plain) &&
        sodium_memcmp(plain, known, sizeof known) == 0)
        return true;
    log_error("store %s: made with another key than %s; name the one that it was made with",
              store->db->label, key);
    return false;
}

static bool set_up(struct store *store, const char *key)
{
    struct store_number version = {.found = false};

    if (!store->backend->run(store->db, STORE_SQL_ROOT, NULL, NULL) ||
        !store->backend->run(store->db, STORE_SQL_VERSION, store_number_each, &version))
        return false;
    if (!version.found)
        return make(store);
    if (version.number == VERSION)
        return recognise(store, key);
    log_error("store %s: of version %lld, and this program knows %d; use the program that made it",
              store->db->label, (long long)version.number, VERSION);
    return false;
}

static const struct db_backend *backend_of(const char *where)
{
    static const char *const prefix[] = {"postgresql://", "postgres://"};

    for (size_t i = 0; i < sizeof prefix / sizeof *prefix; i++)
        if (strncmp(where, prefix[i], strlen(prefix[i])) == 0)
            return &db_postgres;
    return &db_sqlite;
}

struct store *store_open(const char *where, const char *key)
{
    struct store *store = calloc(1, sizeof *store);

    if (store == NULL) {
        log_error("store: no memory");
        return NULL;
    }
    store->backend = backend_of(where);
    randombytes_buf(&store->claimant, sizeof store->claimant);
    store->vault = vault_open(key);
    if (store->vault == NULL)
        goto fail;
    store->db = store->backend->open(where, statements, sizeof statements / sizeof *statements);
    if (store->db == NULL || !store->backend->begin(store->db, true))
        goto fail;
    if (!set_up(store, key)) {
        store->backend->rollback(store->db);
        goto fail;
    }
    if (!store->backend->commit(store->db))
        goto fail;
    store->connections = store->db->connections;
    return store;
fail:
    store_close(store);
    return NULL;
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    if (store->begun)
        store_rollback(store);
    if (store->db != NULL)
        store->backend->close(store->db);
    vault_close(store->vault);
    free(store);
}

/*
 * Behind a new connection may be a database that was made anew: what the caller knows would mean
 * something else there, and generations would begin again.
 */
static bool is_the_same(struct store *store)
{
    struct root root;

    if (store->connections == store->db->connections)
        return true;
    if (!read_root(store, &root))
        return false;
    if (!root.found || memcmp(root.id, store->id, sizeof root.id) != 0) {
        log_error("store %s: replaced by another while in use; start this program again",
                  store->db->label);
        return false;
    }
    store->connections = store->db->connections;
    return true;
}

bool store_begin(struct store *store)
{
    if (store->begun) {
        log_error("store %s: a transaction within another", store->db->label);
        return store_refuse(store);
    }
    if (!store->backend->begin(store->db, false))
        return false;
    store->begun = true;
    store->failed = false;
    store->changed = false;
    if (is_the_same(store))
        return true;
    store_rollback(store);
    return false;
}

bool store_commit(struct store *store)
{
    /* Last of all: other primaries wait for each other here. */
    if (store->changed)
        store_write(store, STORE_CHANGED, NULL, 0, NULL, NULL);
    if (!store->begun || store->failed) {
        store_rollback(store);
        return false;
    }
    store->begun = false;
    return store->backend->commit(store->db);
}

void store_rollback(struct store *store)
{
    if (store->begun)
        store->backend->rollback(store->db);
    store->begun = false;
    store->changed = false;
}

bool store_changes(struct store *store, uint64_t *number)
{
    struct store_number n = {.found = false};

    if (!store_read(store, STORE_CHANGES, NULL, 0, store_number_each, &n))
        return false;
    *number = (uint64_t)n.number;
    return n.found || store_no_row(store);
}
