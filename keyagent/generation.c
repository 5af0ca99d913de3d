/* SPDX-License-Identifier: BSD-2-Clause */
/* The generation of a pre-shared key. */
#include "keyagent/generation.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/limits.h"
#include "keyagent/harden.h"
#include "keyagent/log.h"

#define SUFFIX ".gen"
#define NEW_SUFFIX ".gen.new"
#define NUMBER_MAX 12 /* octets: ten digits, a newline, and one that must not be there */

/* The key with its directory; names below are relative to that. */
struct place {
    char path[PATH_MAX]; /* without symbolic links: through any name, a key has one generation */
    char name[NAME_MAX + 1];
    char file[NAME_MAX + 1];     /* NAME.gen */
    char new_file[NAME_MAX + 1]; /* NAME.gen.new */
    int directory;
    int key;
};

static bool fail(const struct place *p, const char *what)
{
    log_error("generation of key %s: %s: %s", p->path, what, strerror(errno));
    return false;
}

static void place_close(struct place *p)
{
    if (p->key >= 0)
        close(p->key); /* unlocks */
    if (p->directory >= 0)
        close(p->directory);
}

static bool place_open(struct place *p, const char *key)
{
    char copy[PATH_MAX];

    *p = (struct place){.directory = -1, .key = -1};
    if (realpath(key, p->path) == NULL) {
        snprintf(p->path, sizeof p->path, "%s", key);
        return fail(p, "cannot be found");
    }
    memcpy(copy, p->path, sizeof copy);
    const char *base = strrchr(p->path, '/') + 1;
    if (strlen(base) + sizeof NEW_SUFFIX > sizeof p->name) {
        errno = ENAMETOOLONG;
        return fail(p, "cannot be found");
    }
    snprintf(p->name, sizeof p->name, "%s", base);
    snprintf(p->file, sizeof p->file, "%.*s" SUFFIX, NAME_MAX - (int)sizeof SUFFIX, base);
    snprintf(p->new_file, sizeof p->new_file, "%.*s" NEW_SUFFIX, NAME_MAX - (int)sizeof NEW_SUFFIX,
             base);
    p->directory = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (p->directory < 0)
        return fail(p, "cannot open its directory");
    p->key = keyfile_open(p->path);
    return p->key >= 0;
}

/* Another agent holds the lock only while it writes; one that hangs must not hang this one. */
static bool lock(const struct place *p)
{
    const struct timespec pause = {.tv_nsec = PDM_NSEC_PER_MSEC};

    for (int i = 0; i < AGENT_KEY_LOCK_TRIES; i++) {
        if (flock(p->key, LOCK_EX | LOCK_NB) == 0)
            return true;
        if (errno != EWOULDBLOCK)
            break;
        nanosleep(&pause, NULL);
    }
    return fail(p, "cannot lock the key");
}

/* At most ten digits and a newline. */
static bool parse(const char *text, size_t len, uint64_t *number)
{
    if (len < 2 || len >= NUMBER_MAX || text[len - 1] != '\n')
        return false;
    *number = 0;
    for (size_t i = 0; i < len - 1; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        *number = 10 * *number + (uint64_t)(text[i] - '0');
    }
    return true;
}

static bool read_number(const struct place *p, uint64_t *number)
{
    char text[NUMBER_MAX];
    struct stat st;
    int fd = openat(p->directory, p->file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd < 0 && errno == ENOENT) {
        log_error("key %s has no %s beside it: its generations are not known; make a new key with: "
                  "pdmctl keygen FILE",
                  p->path, p->file);
        return false;
    }
    if (fd < 0)
        return fail(p, "cannot open it");
    bool ours =
        fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
    ssize_t got = read(fd, text, sizeof text);
    close(fd);
    if (got < 0)
        return fail(p, "cannot be read");
    if (!ours || !parse(text, (size_t)got, number)) {
        log_error("key %s: %s is not a file of one number, writable by its owner alone; make a new "
                  "key with: pdmctl keygen FILE",
                  p->path, p->file);
        return false;
    }
    if (*number > UINT32_MAX) {
        log_error("key %s: its generations are used up; make a new key with: pdmctl keygen FILE",
                  p->path);
        return false;
    }
    return true;
}

/* All of it on the disk, under a name of its own. */
static bool write_new(const struct place *p, uint64_t number)
{
    char text[NUMBER_MAX];
    int len = snprintf(text, sizeof text, "%" PRIu64 "\n", number);

    if (unlinkat(p->directory, p->new_file, 0) != 0 && errno != ENOENT)
        return fail(p, "cannot remove what a crash left");
    int fd = openat(p->directory, p->new_file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                    S_IRUSR | S_IWUSR);
    if (fd < 0)
        return fail(p, "cannot be written");
    bool good = write(fd, text, (size_t)len) == len && fsync(fd) == 0;
    int error = errno;
    good = close(fd) == 0 && good;
    errno = error;
    return good || fail(p, "cannot be written");
}

/* Durable when this returns true: the file, its name, and the directory that holds the name. */
static bool write_number(const struct place *p, uint64_t number)
{
    if (!write_new(p, number))
        return false;
    if (renameat(p->directory, p->new_file, p->directory, p->file) != 0)
        return fail(p, "cannot be replaced");
    return fsync(p->directory) == 0 || fail(p, "cannot be made durable");
}

bool generation_check(const char *key)
{
    struct place p;
    uint64_t number;
    bool good = place_open(&p, key) && read_number(&p, &number);

    place_close(&p);
    return good;
}

static bool same_key(const struct place *p, const uint8_t id[static KEYFILE_ID_LEN])
{
    uint8_t found[KEYFILE_ID_LEN];
    uint8_t *psk = harden_alloc(1, PDM_PSK_LEN);
    bool good = psk != NULL && keyfile_read(p->key, p->path, psk);

    if (good)
        keyfile_id(psk, found);
    if (psk != NULL)
        sodium_free(psk);
    if (good && sodium_memcmp(found, id, KEYFILE_ID_LEN) != 0) {
        log_error("key %s is another than when it was read; reload the configuration", p->path);
        return false;
    }
    return good;
}

bool generation_take(const char *key, const uint8_t id[static KEYFILE_ID_LEN], uint32_t *generation)
{
    struct place p;
    uint64_t number = 0;
    bool good = place_open(&p, key) && lock(&p) && same_key(&p, id) && read_number(&p, &number) &&
                write_number(&p, number + 1);

    place_close(&p);
    *generation = (uint32_t)number;
    return good;
}
