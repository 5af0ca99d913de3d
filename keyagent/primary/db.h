/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A database, thinly: one text of SQL for SQLite and PostgreSQL, with parameters $1, $2 and so on,
 * of two types that both have: whole numbers (BIGINT) and octets (BYTEA).
 *
 * Every function that returns bool returns false if it could not be done, after telling why. None
 * takes longer than DB_TIME_NS: an event loop waits for it. Not thread-safe.
 */
#ifndef PDM_KEYAGENT_PRIMARY_DB_H
#define PDM_KEYAGENT_PRIMARY_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/limits.h"

/* For one that is damaged: an older one would grant what is granted already. */
#define DB_REMEDY                                                                                  \
    "begin with a new store (all pairs negotiate anew; revoke and add again what pdmctl did), or " \
    "put back its very latest copy, never an older one"

/* A connection. What the backend keeps follows. */
struct db {
    char label[DB_LABEL_MAX]; /* what it is called in messages; tells no password */
    uint64_t connections;     /* made so far: another number is perhaps another database */
    const char *const *text;  /* the statements that it was opened for */
    size_t statements;
};

/* A parameter, or a column of a row. */
struct db_value {
    int64_t number;
    const uint8_t *octets; /* NULL: a number */
    size_t len;
};

static inline struct db_value db_number(int64_t number)
{
    return (struct db_value){.number = number};
}

static inline struct db_value db_octets(const void *octets, size_t len)
{
    return (struct db_value){.octets = octets, .len = len};
}

/* Gets a row of a result, valid until it returns; false if that is not what such a row can be. It
 * may not use the database. */
typedef bool db_each(void *arg, const struct db_value *column);

struct db_backend {
    bool shared; /* other processes may use the same database meanwhile */
    /* STATEMENTS of them, which prepare() makes ready. NULL after telling why. */
    struct db *(*open)(const char *where, const char *const *statement, size_t statements);
    void (*close)(struct db *db);
    /* ALONE: no other process is between such a begin and its end, as far as they share it. */
    bool (*begin)(struct db *db, bool alone);
    /* What it returns true for is durable; what it returns false for may have happened if the
     * connection was lost meanwhile. The transaction is over either way. */
    bool (*commit)(struct db *db);
    void (*rollback)(struct db *db);
    /* One statement without parameters. EACH may be NULL, here and below. */
    bool (*run)(struct db *db, const char *sql, db_each *each, void *arg);
    bool (*prepare)(struct db *db);
    /* A prepared one; each row to EACH. */
    bool (*query)(struct db *db, size_t statement, const struct db_value *value, size_t values,
                  db_each *each, void *arg);
    /* As query, of one that gives no rows, in a transaction. It may be done and tell of its failure
     * only with a later one, or with commit. */
    bool (*later)(struct db *db, size_t statement, const struct db_value *value, size_t values);
};

extern const struct db_backend db_sqlite;   /* WHERE: a path */
extern const struct db_backend db_postgres; /* WHERE: postgresql://... */

#endif
