/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For tests of what may be in PostgreSQL: a server of their own, made with tests/net/postgres.sh,
 * which runs while the program does that includes this.
 */
#ifndef PDM_TESTS_POSTGRES_ON_DISK_H
#define PDM_TESTS_POSTGRES_ON_DISK_H

#include <criterion/hooks.h>
#include <sys/wait.h>

#include "tests/unit/keys_on_disk.h"

#define PG_SERVER "PDM_TEST_POSTGRES" /* the environment: the server's directory */
#define PG_TREE "PDM_TEST_TREE"       /* and that which this program was started in */
#define PG_WHERE_MAX 256

/* COMMAND, of a shell that has tests/net/postgres.sh; how it ended. */
static inline int pg_shell(const char *command)
{
    char all[1024];

    snprintf(all, sizeof all, "cd '%s' && . tests/net/postgres.sh && %s", getenv(PG_TREE), command);
    pid_t pid = fork();
    if (pid == 0) {
        execl("/bin/bash", "bash", "-c", all, (char *)NULL);
        _exit(127);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    return status;
}

/*
 * A server below DIRECTORY, for as long as the descriptor is open that is returned: so it goes when
 * this program does, however that ends. -1 if it cannot be started.
 */
static inline int pg_server(const char *directory)
{
    int input[2] = {-1, -1}, answer[2] = {-1, -1};
    char command[256], ready;

    snprintf(command, sizeof command,
             "pg_begin '%s' 9>&- && echo ready >&9; exec 9>&-; cat >/dev/null; pg_end '%s'; "
             "rmdir '%s'",
             directory, directory, directory);
    if (chmod(directory, 0755) != 0 || pipe2(input, O_CLOEXEC) != 0 ||
        pipe2(answer, O_CLOEXEC) != 0)
        return -1;
    if (fork() == 0) {
        dup2(input[0], STDIN_FILENO);
        dup2(answer[1], 9);
        setsid();
        close(input[1]);
        _exit(pg_shell(command));
    }
    close(answer[1]);
    close(input[0]);
    bool started = read(answer[0], &ready, 1) == 1;
    close(answer[0]);
    if (started)
        return input[1];
    close(input[1]);
    return -1;
}

/* That of all tests of the program. */
static int pg_common = -1;

ReportHook(PRE_ALL)(struct criterion_test_set *tests)
{
    char directory[] = "/tmp/pdmv2-pg.XXXXXX", here[256];

    (void)tests;
    if (getcwd(here, sizeof here) == NULL || mkdtemp(directory) == NULL)
        return;
    setenv(PG_TREE, here, 1);
    pg_common = pg_server(directory);
    if (pg_common >= 0)
        setenv(PG_SERVER, directory, 1);
}

ReportHook(POST_ALL)(struct criterion_global_stats *stats)
{
    (void)stats;
    if (pg_common < 0)
        return;
    close(pg_common);
    wait(NULL);
}

static inline int pg_sql(const char *where, const char *sql)
{
    char command[512];

    snprintf(command, sizeof command, "psql -X -q -v ON_ERROR_STOP=1 '%s' -c '%s' 9>&- >/dev/null",
             where, sql);
    return pg_shell(command);
}

/* WHERE a new schema is, in the server below DIRECTORY: $PG_SERVER, or one of the test's own. */
static inline void pg_schema(const char *directory, char where[static PG_WHERE_MAX])
{
    static int schemas;
    char command[64];
    int pid = (int)getpid();

    cr_assert_not_null(directory, "PostgreSQL could not be started");
    snprintf(
        where, PG_WHERE_MAX,
        "postgresql://postgres@:7432/postgres?host=%s/postgres&options=-csearch_path%%3Dt%d_%d",
        directory, pid, ++schemas);
    snprintf(command, sizeof command, "CREATE SCHEMA t%d_%d", pid, schemas);
    cr_assert_eq(pg_sql(where, command), 0);
}

#endif
