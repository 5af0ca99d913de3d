/* SPDX-License-Identifier: BSD-2-Clause */
/* A connection with a server of PostgreSQL. */
#include "keyagent/primary/db_postgres_connection.h"

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "keyagent/clock.h"
#include "keyagent/log.h"

#define NAME_LEN 24 /* of a prepared statement */

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

void postgres_lost(struct postgres *p)
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

bool postgres_drain(struct postgres *p, PGresult **rows)
{
    int64_t deadline = clock_now() + DB_TIME_NS;
    bool good = true, told = false, in_step = false;
    PGresult *result;

    *rows = NULL;
    p->queued = 0;
    if (PQpipelineSync(p->conn) == 0) {
        tell(p, PQerrorMessage(p->conn));
        postgres_lost(p);
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
        postgres_lost(p);
    return good && in_step;
}

static bool send_prepared(const struct postgres *p, const struct postgres_job *job)
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

bool postgres_send(struct postgres *p, const struct postgres_job *job)
{
    bool sent = job->sql != NULL
                    ? PQsendQueryParams(p->conn, job->sql, 0, NULL, NULL, NULL, NULL, 1) == 1
                    : send_prepared(p, job);

    if (sent) {
        p->queued++;
        return true;
    }
    tell(p, PQerrorMessage(p->conn));
    postgres_lost(p);
    return false;
}

bool postgres_send_statements(struct postgres *p)
{
    for (size_t i = 0; i < p->db.statements; i++) {
        char name[NAME_LEN];

        snprintf(name, sizeof name, "s%zu", i);
        if (PQsendPrepare(p->conn, name, p->db.text[i], 0, NULL) == 0) {
            tell(p, PQerrorMessage(p->conn));
            postgres_lost(p);
            return false;
        }
    }
    return true;
}

bool postgres_finish(struct postgres *p)
{
    PGresult *rows;
    bool good = postgres_drain(p, &rows);

    PQclear(rows);
    return good;
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
        postgres_lost(p);
        return false;
    }
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (!postgres_send(p, &(struct postgres_job){.sql = settings[i]}))
            return false;
    if (p->prepared && !postgres_send_statements(p))
        return false;
    if (postgres_finish(p)) {
        p->db.connections++;
        return true;
    }
    postgres_lost(p);
    return false;
}

/* Nobody waits for a server that is gone over and over again: most of the time, that is known. */
bool postgres_connected(struct postgres *p)
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
