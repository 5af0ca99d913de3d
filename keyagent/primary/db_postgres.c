/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A database of PostgreSQL, that others may share, by libpq. Nothing is waited for longer than a
 * deadline: a server that does not answer until then counts as gone. A lost connection is made anew
 * when a transaction begins, or for a query outside of one.
 */
#include "keyagent/primary/db.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keyagent/clock.h"
#include "keyagent/log.h"

/* Types of columns, as the catalogue pg_type numbers them. */
enum { TYPE_BYTEA = 17, TYPE_INT8 = 20, TYPE_INT4 = 23 };

#define NAME_LEN 24 /* of a prepared statement */

struct postgres {
    struct db db;
    char *uri;
    PGconn *conn; /* NULL: lost, or not made yet */
    const char *const *text;
    size_t statements;
    bool prepared; /* they are to be, in every connection */
    bool begun;    /* a transaction */
    size_t queued; /* sent, and not yet drained */
    int64_t retry_at;
};

/*
 * Of every connection. The server ends by itself what takes too long, before this side gives it
 * up, and what a primary left open that stands still. What a commit returned for is durable, also
 * where the server's owner preferred speed. Every statement goes by a key, whatever is known of its
 * tables' sizes so far; without one to go by, it looks so expensive that it would be compiled.
 */
static const char *const settings[] = {
    "SET statement_timeout = " DB_SERVER_TIME_MS,
    "SET lock_timeout = " DB_LOCK_TIME_MS,
    "SET idle_in_transaction_session_timeout = " DB_IDLE_TIME_MS,
    "SELECT set_config('synchronous_commit', 'on', false)"
    " WHERE current_setting('synchronous_commit') IN ('off', 'local')",
    "SET enable_seqscan = off",
    "SET enable_bitmapscan = off",
    "SET plan_cache_mode = force_generic_plan",
    "SET jit = off",
};

/* Of whoever makes or looks at the tables for the first time. */
#define LOCK_ALONE "SELECT pg_advisory_xact_lock(8103789431350255921)"

static void lost(struct postgres *p)
{
    PQfinish(p->conn);
    p->conn = NULL;
    p->queued = 0;
}

/* The first line: the others are hints and places in the text. */
static void tell(const struct postgres *p, const char *message)
{
    int len = (int)strcspn(message, "\n");

    if (len > 0)
        log_error("store %s: %.*s", p->db.label, len, message);
    else
        log_error("store %s: the server closed the connection", p->db.label);
}

/* EVENTS may happen on the connection; false after telling if they do not until DEADLINE. */
static bool await(const struct postgres *p, short events, int64_t deadline)
{
    struct pollfd fd = {.fd = PQsocket(p->conn), .events = events};
    int ready;

    do {
        int64_t left = deadline - clock_now();
        ready = poll(&fd, 1, left > 0 ? (int)(left / PDM_NSEC_PER_MSEC) + 1 : 0);
    } while (ready < 0 && errno == EINTR);
    if (ready == 0)
        log_error("store %s: the server does not answer", p->db.label);
    else if (ready < 0)
        log_error("store %s: %s", p->db.label, strerror(errno));
    return ready > 0;
}

/* The next result, NULL between two queries' and after the connection was lost. False after telling
 * if none came. */
static bool next_result(const struct postgres *p, int64_t deadline, PGresult **result)
{
    while (PQisBusy(p->conn)) {
        int unsent = PQflush(p->conn);
        if (unsent < 0 || !await(p, unsent > 0 ? POLLIN | POLLOUT : POLLIN, deadline))
            return false;
        if (PQconsumeInput(p->conn) == 0)
            break; /* the result says why */
    }
    *result = PQgetResult(p->conn);
    return true;
}

/* Results of all that is queued. ROWS: the last that has some; freed by the caller. */
static bool drain(struct postgres *p, PGresult **rows)
{
    int64_t deadline = clock_now() + DB_TIME_NS;
    bool good = true, told = false, in_step = false;
    PGresult *result;

    *rows = NULL;
    p->queued = 0;
    if (PQpipelineSync(p->conn) == 0) {
        tell(p, PQerrorMessage(p->conn));
        lost(p);
        return false;
    }
    while (next_result(p, deadline, &result)) {
        ExecStatusType status = PQresultStatus(result);

        if (result == NULL && PQstatus(p->conn) == CONNECTION_BAD)
            break;
        in_step = status == PGRES_PIPELINE_SYNC;
        if (status == PGRES_TUPLES_OK) {
            PQclear(*rows);
            *rows = result;
            continue;
        }
        if (result != NULL && status != PGRES_COMMAND_OK && !in_step) {
            if (!told)
                tell(p, PQresultErrorMessage(result));
            told = true;
            good = false;
        }
        PQclear(result);
        if (in_step)
            break;
    }
    if (!in_step)
        lost(p);
    return good && in_step;
}

/* A statement of the table, or SQL. */
struct job {
    const char *sql;
    size_t statement;
    const struct db_value *value;
    size_t values;
};

static bool send_prepared(const struct postgres *p, const struct job *job)
{
    int64_t number[DB_VALUES_MAX]; /* big-endian */
    const char *at[DB_VALUES_MAX];
    int len[DB_VALUES_MAX], format[DB_VALUES_MAX];
    char name[NAME_LEN];

    for (size_t i = 0; i < job->values; i++) {
        const struct db_value *v = &job->value[i];

        number[i] = (int64_t)htobe64((uint64_t)v->number);
        at[i] = v->octets != NULL ? (const char *)v->octets : (const char *)&number[i];
        len[i] = v->octets != NULL ? (int)v->len : (int)sizeof number[i];
        format[i] = 1;
    }
    snprintf(name, sizeof name, "s%zu", job->statement);
    return PQsendQueryPrepared(p->conn, name, (int)job->values, at, len, format, 1) == 1;
}

static bool send_job(struct postgres *p, const struct job *job)
{
    bool sent = job->sql != NULL
                    ? PQsendQueryParams(p->conn, job->sql, 0, NULL, NULL, NULL, NULL, 1) == 1
                    : send_prepared(p, job);

    if (sent) {
        p->queued++;
        return true;
    }
    tell(p, PQerrorMessage(p->conn));
    lost(p);
    return false;
}

static bool send_all_prepares(struct postgres *p)
{
    for (size_t i = 0; i < p->statements; i++) {
        char name[NAME_LEN];

        snprintf(name, sizeof name, "s%zu", i);
        if (PQsendPrepare(p->conn, name, p->text[i], 0, NULL) == 0) {
            tell(p, PQerrorMessage(p->conn));
            lost(p);
            return false;
        }
    }
    return true;
}

static bool drain_quietly(struct postgres *p)
{
    PGresult *rows;
    bool good = drain(p, &rows);

    PQclear(rows);
    return good;
}

static bool prepare(struct db *db)
{
    struct postgres *p = (struct postgres *)db;

    p->prepared = true;
    return send_all_prepares(p) && drain_quietly(p);
}

static void no_notice(void *arg, const PGresult *result)
{
    (void)arg;
    (void)result;
}

static bool handshake(struct postgres *p)
{
    static const char *const key[] = {"dbname", "fallback_application_name", NULL};
    const char *const value[] = {p->uri, "pdmprimary", NULL};
    int64_t deadline = clock_now() + DB_TIME_NS;
    PostgresPollingStatusType state = PGRES_POLLING_WRITING;

    p->conn = PQconnectStartParams(key, value, 1);
    if (p->conn == NULL || PQstatus(p->conn) == CONNECTION_BAD)
        state = PGRES_POLLING_FAILED;
    while (state == PGRES_POLLING_WRITING || state == PGRES_POLLING_READING) {
        if (!await(p, state == PGRES_POLLING_WRITING ? POLLOUT : POLLIN, deadline))
            return false;
        state = PQconnectPoll(p->conn);
    }
    if (state != PGRES_POLLING_OK) {
        tell(p, PQerrorMessage(p->conn));
        return false;
    }
    PQsetNoticeReceiver(p->conn, no_notice, NULL);
    return PQsetnonblocking(p->conn, 1) == 0 && PQenterPipelineMode(p->conn) == 1;
}

static bool make_connection(struct postgres *p)
{
    if (!handshake(p)) {
        lost(p);
        return false;
    }
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (!send_job(p, &(struct job){.sql = settings[i]}))
            return false;
    if (p->prepared && !send_all_prepares(p))
        return false;
    if (drain_quietly(p)) {
        p->db.connections++;
        return true;
    }
    lost(p);
    return false;
}

/* Nobody waits for a server that is gone over and over again: most of the time, that is known. */
static bool connected(struct postgres *p)
{
    int64_t began = clock_now();

    if (p->conn != NULL)
        return true;
    if (began < p->retry_at) {
        log_error("store %s: not connected", p->db.label);
        return false;
    }
    if (make_connection(p))
        return true;
    int64_t now = clock_now();
    int64_t pause = (now - began) * DB_RETRY_FACTOR;
    p->retry_at = now + (pause > DB_RETRY_MIN_NS ? pause : DB_RETRY_MIN_NS);
    return false;
}

static bool try_once(struct postgres *p, const struct job *job, PGresult **rows)
{
    *rows = NULL;
    return send_job(p, job) && drain(p, rows);
}

/* A connection that had rested may prove lost: outside of a transaction, nothing is lost with it.
 * If it took its time to prove so, the caller has waited long enough. */
static bool perform(struct postgres *p, const struct job *job, PGresult **rows)
{
    int64_t began = clock_now();

    *rows = NULL;
    if (p->begun)
        return p->conn != NULL && try_once(p, job, rows);
    if (!connected(p))
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
    return connected(p) && try_once(p, job, rows);
}

static bool column_of(const PGresult *rows, int row, int i, struct db_value *column)
{
    const uint8_t *at = (const uint8_t *)PQgetvalue(rows, row, i);
    size_t len = (size_t)PQgetlength(rows, row, i);
    uint64_t eight;
    uint32_t four;

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
    case TYPE_INT4:
        if (len != sizeof four)
            return false;
        memcpy(&four, at, sizeof four);
        *column = db_number((int32_t)be32toh(four));
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

static bool perform_for(struct postgres *p, const struct job *job, db_each *each, void *arg)
{
    PGresult *rows;
    bool done = perform(p, job, &rows);

    if (done && each != NULL && rows != NULL)
        done = give_rows(p, rows, each, arg);
    PQclear(rows);
    return done;
}

static bool run(struct db *db, const char *sql, db_each *each, void *arg)
{
    return perform_for((struct postgres *)db, &(struct job){.sql = sql}, each, arg);
}

static bool query(struct db *db, size_t statement, const struct db_value *value, size_t values,
                  db_each *each, void *arg)
{
    const struct job job = {.statement = statement, .value = value, .values = values};

    return perform_for((struct postgres *)db, &job, each, arg);
}

static bool later(struct db *db, size_t statement, const struct db_value *value, size_t values)
{
    struct postgres *p = (struct postgres *)db;
    const struct job job = {.statement = statement, .value = value, .values = values};

    if (p->conn == NULL || !send_job(p, &job))
        return false;
    return p->queued < DB_QUEUE_MAX || drain_quietly(p);
}

/* What is queued behind a statement that fails is not done, and would not be rolled back by one
 * that is queued with it. */
static void rollback(struct db *db)
{
    struct postgres *p = (struct postgres *)db;

    if (p->queued > 0)
        drain_quietly(p);
    if (p->begun && p->conn != NULL && !run(db, "ROLLBACK", NULL, NULL) && p->conn != NULL)
        lost(p);
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
    bool done = (p->queued == 0 || drain_quietly(p)) && p->conn != NULL &&
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
    p->text = text;
    p->statements = statements;
    if (!set_label(p)) {
        log_error("store: not an address of PostgreSQL; "
                  "write postgresql://USER@HOST:PORT/DATABASE?OPTION=VALUE");
        goto fail;
    }
    if (connected(p))
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
