/* SPDX-License-Identifier: BSD-2-Clause */
/* A database in a file, by SQLite: of one process at a time. */
#include "keyagent/primary/db.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keyagent/log.h"

struct sqlite {
    struct db db;
    sqlite3 *handle;
    sqlite3_stmt **statement; /* as many as the database's text */
};

/*
 * A commit is durable when it returns (synchronous), and what was deleted is overwritten: forgotten
 * secrets are to be gone. Exclusive before the first access, the write-ahead log needs no memory
 * that processes share.
 */
static const char *const settings[] = {
    "PRAGMA locking_mode = EXCLUSIVE", "PRAGMA journal_mode = WAL",  "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",        "PRAGMA secure_delete = ON",  "PRAGMA trusted_schema = OFF",
    "PRAGMA cell_size_check = ON",     "PRAGMA temp_store = MEMORY",
};

static bool fail(const struct sqlite *s)
{
    switch (sqlite3_errcode(s->handle)) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        log_error("store %s: damaged, or not a store (%s); " DB_REMEDY, s->db.label,
                  sqlite3_errmsg(s->handle));
        break;
    case SQLITE_BUSY:
        log_error("store %s: another process has it open; stop that first", s->db.label);
        break;
    default:
        log_error("store %s: %s", s->db.label, sqlite3_errmsg(s->handle));
    }
    return false;
}

static bool steps(const struct sqlite *s, sqlite3_stmt *statement, db_each *each, void *arg)
{
    int state;
    bool good = true;

    while (good && (state = sqlite3_step(statement)) == SQLITE_ROW) {
        struct db_value column[DB_COLUMNS_MAX];
        int columns = sqlite3_column_count(statement);

        for (int i = 0; i < columns && i < DB_COLUMNS_MAX; i++) {
            if (sqlite3_column_type(statement, i) == SQLITE_INTEGER) {
                column[i] = db_number(sqlite3_column_int64(statement, i));
                continue;
            }
            const void *octets = sqlite3_column_blob(statement, i);
            /* Of no octets, it is NULL, which would say that it is a number. */
            column[i] =
                db_octets(octets != NULL ? octets : "", (size_t)sqlite3_column_bytes(statement, i));
        }
        good = each == NULL || each(arg, column);
    }
    if (!good)
        log_error("store %s: damaged: a row that cannot be; " DB_REMEDY, s->db.label);
    else if (state != SQLITE_DONE)
        good = fail(s);
    sqlite3_reset(statement);
    return good;
}

static bool run(struct db *db, const char *sql, db_each *each, void *arg)
{
    struct sqlite *s = (struct sqlite *)db;
    sqlite3_stmt *statement;

    if (sqlite3_prepare_v2(s->handle, sql, -1, &statement, NULL) != SQLITE_OK)
        return fail(s);
    bool done = steps(s, statement, each, arg);
    sqlite3_finalize(statement);
    return done;
}

static bool prepare(struct db *db)
{
    struct sqlite *s = (struct sqlite *)db;

    for (size_t i = 0; i < s->db.statements; i++)
        if (sqlite3_prepare_v3(s->handle, s->db.text[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &s->statement[i], NULL) != SQLITE_OK)
            return fail(s);
    return true;
}

/* SQLite takes $1 for a name, and numbers names as it meets them. */
static int bind(sqlite3_stmt *statement, size_t number, const struct db_value *value)
{
    char name[24];

    snprintf(name, sizeof name, "$%zu", number);
    int index = sqlite3_bind_parameter_index(statement, name);
    if (value->octets == NULL)
        return sqlite3_bind_int64(statement, index, value->number);
    return sqlite3_bind_blob64(statement, index, value->octets, value->len, SQLITE_STATIC);
}

static bool query(struct db *db, size_t number, const struct db_value *value, size_t values,
                  db_each *each, void *arg)
{
    struct sqlite *s = (struct sqlite *)db;
    sqlite3_stmt *statement = s->statement[number];
    bool done = true;

    for (size_t i = 0; i < values && done; i++)
        done = bind(statement, i + 1, &value[i]) == SQLITE_OK || fail(s);
    done = done && steps(s, statement, each, arg);
    sqlite3_clear_bindings(statement);
    return done;
}

static bool later(struct db *db, size_t number, const struct db_value *value, size_t values)
{
    return query(db, number, value, values, NULL, NULL);
}

/* One process has it, so that every transaction is alone. */
static bool begin(struct db *db, bool alone)
{
    (void)alone;
    return run(db, "BEGIN IMMEDIATE", NULL, NULL);
}

static void rollback(struct db *db)
{
    struct sqlite *s = (struct sqlite *)db;

    /* Some failures roll back by themselves. */
    if (!sqlite3_get_autocommit(s->handle))
        run(db, "ROLLBACK", NULL, NULL);
}

static bool commit(struct db *db)
{
    if (run(db, "COMMIT", NULL, NULL))
        return true;
    rollback(db);
    return false;
}

/*
 * SQLite would make the file readable by all. One that is there is not opened here: closing it
 * would let go of this process's locks on it.
 */
static bool make_private(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
    struct stat st;

    if (fd >= 0) {
        close(fd);
        return true;
    }
    if (errno != EEXIST || stat(path, &st) != 0) {
        log_error("store %s: %s", path, strerror(errno));
        return false;
    }
    if (!S_ISREG(st.st_mode) || st.st_uid != geteuid()) {
        log_error("store %s: %s", path,
                  S_ISREG(st.st_mode) ? "owned by another user" : "not a regular file");
        return false;
    }
    if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        log_error("store %s: open to others (mode %04o); chmod 600 %s", path,
                  (unsigned)st.st_mode & 07777U, path);
        return false;
    }
    return true;
}

static bool is_ok(void *arg, const struct db_value *column)
{
    *(bool *)arg =
        column->octets != NULL && column->len == 2 && memcmp(column->octets, "ok", 2) == 0;
    return true;
}

static bool is_sound(struct db *db)
{
    bool sound = false;

    if (!run(db, "PRAGMA quick_check(1)", is_ok, &sound))
        return false;
    if (!sound)
        log_error("store %s: damaged; " DB_REMEDY, db->label);
    return sound;
}

static void close_sqlite(struct db *db)
{
    struct sqlite *s = (struct sqlite *)db;

    for (size_t i = 0; s->statement != NULL && i < s->db.statements; i++)
        sqlite3_finalize(s->statement[i]);
    sqlite3_close(s->handle);
    free(s->statement);
    free(s);
}

static struct db *open_sqlite(const char *where, const char *const *text, size_t statements)
{
    char path[PATH_MAX]; /* absolute: neither :memory: nor file: mean something else then */
    struct sqlite *s;

    if (!make_private(where))
        return NULL;
    if (realpath(where, path) == NULL || (s = calloc(1, sizeof *s)) == NULL) {
        log_error("store %s: %s", where, strerror(errno));
        return NULL;
    }
    snprintf(s->db.label, sizeof s->db.label, "%s", where);
    s->db.connections = 1;
    s->db.text = text;
    s->db.statements = statements;
    s->statement = calloc(statements, sizeof(sqlite3_stmt *));
    if (s->statement == NULL) {
        log_error("store %s: %s", where, strerror(errno));
        goto fail;
    }
    if (sqlite3_open_v2(path, &s->handle, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK) {
        fail(s);
        goto fail;
    }
    sqlite3_busy_timeout(s->handle, DB_BUSY_MS);
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (!run(&s->db, settings[i], NULL, NULL))
            goto fail;
    if (!is_sound(&s->db))
        goto fail;
    return &s->db;
fail:
    close_sqlite(&s->db);
    return NULL;
}

const struct db_backend db_sqlite = {
    .open = open_sqlite,
    .close = close_sqlite,
    .begin = begin,
    .commit = commit,
    .rollback = rollback,
    .run = run,
    .prepare = prepare,
    .query = query,
    .later = later,
};
