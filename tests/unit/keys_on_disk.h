/* SPDX-License-Identifier: BSD-2-Clause */
/* For tests of the agent: a directory of key files, and what is logged about them. */
#ifndef PDM_TESTS_KEYS_ON_DISK_H
#define PDM_TESTS_KEYS_ON_DISK_H

#include <criterion/criterion.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/limits.h"

#define LOGGED_MAX 8192

static char keys_directory[64];
static char keys_logged[LOGGED_MAX];
static int keys_log = -1;

/* In memory if possible: ledgers that empty often sync often. The working directory is the new one.
 */
static inline void keys_begin(void)
{
    cr_assert(sodium_init() >= 0);
    snprintf(keys_directory, sizeof keys_directory, "/dev/shm/pdmv2-test.XXXXXX");
    if (mkdtemp(keys_directory) == NULL) {
        snprintf(keys_directory, sizeof keys_directory, "/tmp/pdmv2-test.XXXXXX");
        cr_assert_not_null(mkdtemp(keys_directory));
    }
    cr_assert_eq(chdir(keys_directory), 0);
    keys_log = open("log", O_RDWR | O_CREAT | O_APPEND, 0600);
    cr_assert(keys_log >= 0 && dup2(keys_log, STDERR_FILENO) >= 0);
}

static inline void keys_end(void)
{
    char command[128];

    cr_assert_eq(chdir("/"), 0);
    snprintf(command, sizeof command, "rm -rf %s", keys_directory);
    cr_assert_eq(system(command), 0);
}

/* What was logged since the last call. */
static inline const char *keys_said(void)
{
    ssize_t got = pread(keys_log, keys_logged, sizeof keys_logged - 1, 0);

    cr_assert(got >= 0);
    keys_logged[got] = '\0';
    cr_assert_eq(ftruncate(keys_log, 0), 0);
    return keys_logged;
}

static inline void keys_write(const char *path, const char *text, mode_t mode)
{
    FILE *file = fopen(path, "w");

    cr_assert_not_null(file);
    fputs(text, file);
    cr_assert_eq(fclose(file), 0);
    cr_assert_eq(chmod(path, mode), 0);
}

/* A key of octets OCTET and its generation. */
static inline void keys_make(const char *path, uint8_t octet, const char *generation)
{
    uint8_t psk[PDM_PSK_LEN];
    char text[2 * PDM_PSK_LEN + 2];
    char name[64];

    memset(psk, octet, sizeof psk);
    sodium_bin2hex(text, sizeof text, psk, sizeof psk);
    strcat(text, "\n");
    keys_write(path, text, 0600);
    snprintf(name, sizeof name, "%s.gen", path);
    keys_write(name, generation, 0600);
}

#endif
