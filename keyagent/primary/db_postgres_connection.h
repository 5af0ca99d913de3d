/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A connection with a server of PostgreSQL, by libpq: made anew when it was lost, with statements
 * on the way there and results on the way back. Nothing is waited for longer than DB_TIME_NS.
 *
 * False: it could not be done, which was told; the connection may be lost then.
 */
#ifndef PDM_KEYAGENT_PRIMARY_DB_POSTGRES_CONNECTION_H
#define PDM_KEYAGENT_PRIMARY_DB_POSTGRES_CONNECTION_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keyagent/primary/db.h"

struct postgres {
    struct db db;
    char *uri;
    PGconn *conn;  /* NULL: lost, or not made yet */
    bool prepared; /* they are to be, in every connection */
    bool begun;    /* a transaction */
    size_t queued; /* sent, and not yet drained */
    int64_t retry_at;
};

/* A statement of the table, or SQL. */
struct postgres_job {
    const char *sql;
    size_t statement;
    const struct db_value *value;
    size_t values;
};

/* There is one, or can be made now. */
bool postgres_connected(struct postgres *p);
void postgres_lost(struct postgres *p);

/* Queues JOB; its result comes with those of all that is queued. */
bool postgres_send(struct postgres *p, const struct postgres_job *job);
/* Has the server prepare all statements; they are queued. */
bool postgres_send_statements(struct postgres *p);
/* Results of all that is queued. ROWS: the last that has some, or NULL; freed by the caller. */
bool postgres_drain(struct postgres *p, PGresult **rows);
/* The same, when none has rows that matter. */
bool postgres_finish(struct postgres *p);

#endif
