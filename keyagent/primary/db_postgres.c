/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A database of PostgreSQL, that others may share. A server that does not answer within a deadline
 * counts as gone; a lost connection is made anew when a transaction begins, or for a query outside
 * of one.
 */
#include <endian.h>
#include <errno.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keyagent/clock.h"
#include "keyagent/log.h"
#include "keyagent/primary/db_postgres_connection.h"

/* Types of columns, as the catalogue pg_type numbers them. */
enum { TYPE_BYTEA = 17, TYPE_INT8 = 20 };

/* Of whoever makes or looks at the tables for the first time. */
#define LOCK_ALONE "SELECT pg_advisory_xact_lock(8103789431350255921)"

static bool try_once(struct postgres *p, const struct postgres_job *job, PGresult **rows)
{
    *rows = NULL;
    return postgres_send(p, job) && postgres_drain(p, rows);
}

/* A connection that had rested may prove lost: outside of a transaction, nothing is lost with it.
 * If it took its time to prove so, the caller has waited long enough. */
static bool perform(struct postgres *p, const struct postgres_job *job, PGresult **rows)
{
    int64_t began = clock_now();

    *rows = NULL;
    if (p->begun)
        return p->conn != NULL && try_once(p, job, rows);
    if (!postgres_connected(p))
        return false;
    if (try_once(p, job, rows))
        return true;
    if (p->conn != NULL)
        return false;
    if (clock_now() - began >= DB_TIME_NS) {
        p->retry_at = clock_now() + DB_TIME_NS;
        return false;
    }
    PQclear(*rows);
    *rows = NULL;
    return postgres_connected(p) && try_once(p, job, rows);
}

static bool column_of(const PGresult *rows, int row, int i, struct db_value *column)
{
    const uint8_t *at = (const uint8_t *)PQgetvalue(rows, row, i);
    size_t len = (size_t)PQgetlength(rows, row, i);
    uint64_t eight;

    switch (PQftype(rows, i)) {
    case TYPE_BYTEA:
        *column = db_octets(at, len);
        return !PQgetisnull(rows, row, i);
    case TYPE_INT8:
        if (len != sizeof eight)
            return false;
        memcpy(&eight, at, sizeof eight);
        *column = db_number((int64_t)be64toh(eight));
        return true;
    default:
        return false;
    }
}

static bool give_rows(const struct postgres *p, const PGresult *rows, db_each *each, void *arg)
{
    int columns = PQnfields(rows);
    bool good = columns <= DB_COLUMNS_MAX;

    for (int row = 0; row < PQntuples(rows) && good; row++) {
        struct db_value column[DB_COLUMNS_MAX];

        for (int i = 0; i < columns && good; i++)
            good = column_of(rows, row, i, &column[i]);
        good = good && each(arg, column);
    }
    if (!good)
        log_error("store %s: damaged: a row that cannot be; " DB_REMEDY, p->db.label);
    return good;
}

static bool perform_for(struct postgres *p, const struct postgres_job *job, db_each *each,
                        void *arg)
{
    PGresult *rows;
    bool done = perform(p, job, &rows);

    if (done && each != NULL && rows != NULL)
        done = give_rows(p, rows, each, arg);
    PQclear(rows);
    return done;
}

static bool prepare(struct db *db)
{
    struct postgres *p = (struct postgres *)db;

    p->prepared = true;
    return postgres_send_statements(p) && postgres_finish(p);
}

static bool run(struct db *db, const char *sql, db_each *each, void *arg)
{
    return perform_for((struct postgres *)db, &(struct postgres_job){.sql = sql}, each, arg);
}

static bool query(struct db *db, size_t statement, const struct db_value *value, size_t values,
                  db_each *each, void *arg)
{
    const struct postgres_job job = {.statement = statement, .value = value, .values = values};

    return perform_for((struct postgres *)db, &job, each, arg);
}

static bool later(struct db *db, size_t statement, const struct db_value *value, size_t values)
{
    struct postgres *p = (struct postgres *)db;
    const struct postgres_job job = {.statement = statement, .value = value, .values = values};

    if (p->conn == NULL || !postgres_send(p, &job))
        return false;
    return p->queued < DB_QUEUE_MAX || postgres_finish(p);
}

/* What is queued behind a statement that fails is not done, and would not be rolled back by one
 * that is queued with it. */
static void rollback(struct db *db)
{
    struct postgres *p = (struct postgres *)db;

    if (p->queued > 0)
        postgres_finish(p);
    if (p->begun && p->conn != NULL && !run(db, "ROLLBACK", NULL, NULL) && p->conn != NULL)
        postgres_lost(p);
    p->begun = false;
}

static bool begin(struct db *db, bool alone)
{
    struct postgres *p = (struct postgres *)db;

    if (!run(db, "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE", NULL, NULL))
        return false;
    p->begun = true;
    if (!alone || run(db, LOCK_ALONE, NULL, NULL))
        return true;
    rollback(db);
    return false;
}

/* COMMIT of a transaction that failed rolls it back and is content. */
static bool commit(struct db *db)
{
    struct postgres *p = (struct postgres *)db;
    bool done = (p->queued == 0 || postgres_finish(p)) && p->conn != NULL &&
                PQtransactionStatus(p->conn) == PQTRANS_INTRANS && run(db, "COMMIT", NULL, NULL);

    if (!done)
        rollback(db);
    p->begun = false;
    return done;
}

/* The host or socket and the database's name; the URI may hold a password. */
static bool set_label(struct postgres *p)
{
    PQconninfoOption *option = PQconninfoParse(p->uri, NULL);
    const char *host = "local", *name = "";

    if (option == NULL)
        return false;
    for (const PQconninfoOption *o = option; o->keyword != NULL; o++) {
        if (o->val == NULL)
            continue;
        if (strcmp(o->keyword, "host") == 0)
            host = o->val;
        else if (strcmp(o->keyword, "dbname") == 0)
            name = o->val;
    }
    snprintf(p->db.label, sizeof p->db.label, "postgresql at %s, database %s", host, name);
    PQconninfoFree(option);
    return true;
}

static void close_postgres(struct db *db)
{
    struct postgres *p = (struct postgres *)db;

    PQfinish(p->conn);
    free(p->uri);
    free(p);
}

static struct db *open_postgres(const char *where, const char *const *text, size_t statements)
{
    struct postgres *p = calloc(1, sizeof *p);

    if (p == NULL || (p->uri = strdup(where)) == NULL) {
        log_error("store: %s", strerror(errno));
        free(p);
        return NULL;
    }
    p->db.text = text;
    p->db.statements = statements;
    if (!set_label(p)) {
        log_error("store: not an address of PostgreSQL; "
                  "write postgresql://USER@HOST:PORT/DATABASE?OPTION=VALUE");
        goto fail;
    }
    if (postgres_connected(p))
        return &p->db;
fail:
    close_postgres(&p->db);
    return NULL;
}

const struct db_backend db_postgres = {
    .shared = true,
    .open = open_postgres,
    .close = close_postgres,
    .begin = begin,
    .commit = commit,
    .rollback = rollback,
    .run = run,
    .prepare = prepare,
    .query = query,
    .later = later,
};
