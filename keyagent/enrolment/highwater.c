/* SPDX-License-Identifier: BSD-2-Clause */
/* The highest generation used of each secret of a primary. */
#include "keyagent/enrolment/highwater.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "keyagent/log.h"

#define NAME "generations"
#define NEW_NAME "generations.new"
#define LINE_OCTETS 256
#define TAG_TEXT ((size_t)2 * PDM_TAG_ID_LEN + 1)

static bool fail(const struct highwater *h, const char *what)
{
    log_error("%s/" NAME ": %s: %s; no generation of a primary's secrets can be taken",
              h->directory, what, strerror(errno));
    return false;
}

bool highwater_init(struct highwater *h, const char *directory)
{
    *h = (struct highwater){.mark = calloc(HIGHWATER_MAX, sizeof *h->mark)};
    if (h->mark == NULL)
        return false;
    if (directory == NULL)
        return true;
    h->directory = strdup(directory);
    return h->directory != NULL;
}

void highwater_free(struct highwater *h)
{
    free(h->mark);
    free(h->directory);
    *h = (struct highwater){0};
}

static struct highwater_mark *find(const struct highwater *h,
                                   const uint8_t tag[static PDM_TAG_ID_LEN],
                                   const uint8_t address[static PDM_ADDR_LEN])
{
    for (size_t i = 0; i < h->marks; i++) {
        struct highwater_mark *mark = &h->mark[i];

        if (memcmp(mark->tag, tag, sizeof mark->tag) == 0 &&
            memcmp(mark->address, address, sizeof mark->address) == 0)
            return mark;
    }
    return NULL;
}

const struct highwater_mark *highwater_find(const struct highwater *h,
                                            const uint8_t tag[static PDM_TAG_ID_LEN],
                                            const uint8_t address[static PDM_ADDR_LEN])
{
    return find(h, tag, address);
}

/* Digits alone: a sign, blanks or nothing would pass strtoull. */
static bool read_number(const char *word, uint64_t max, uint64_t *number)
{
    if (word == NULL || *word == '\0' || word[strspn(word, "0123456789")] != '\0')
        return false;
    errno = 0;
    *number = strtoull(word, NULL, 10);
    return errno == 0 && *number <= max;
}

/* LINE without its newline. */
static bool read_line(char *line, struct highwater_mark *mark)
{
    char *rest;
    const char *tag = strtok_r(line, " ", &rest);
    const char *address = strtok_r(NULL, " ", &rest);
    const char *generation = strtok_r(NULL, " ", &rest);
    const char *ends = strtok_r(NULL, " ", &rest);
    const char *name = strtok_r(NULL, " ", &rest);
    uint64_t number = 0;
    uint64_t seconds = 0;
    size_t octets = 0;

    *mark = (struct highwater_mark){0};
    if (name == NULL || strlen(name) >= sizeof mark->name || strtok_r(NULL, " ", &rest) != NULL ||
        strlen(tag) != TAG_TEXT - 1 ||
        sodium_hex2bin(mark->tag, sizeof mark->tag, tag, TAG_TEXT - 1, NULL, &octets, NULL) != 0 ||
        octets != sizeof mark->tag || inet_pton(AF_INET6, address, mark->address) != 1 ||
        !read_number(generation, UINT32_MAX, &number) || !read_number(ends, INT64_MAX, &seconds))
        return false;
    mark->generation = (uint32_t)number;
    mark->ends = (int64_t)seconds;
    memcpy(mark->name, name, strlen(name));
    return true;
}

/* TEXT: LEN octets, written to. What is not as it was written means that generations may be lost:
 * then none of it counts. */
static bool parse(struct highwater *h, char *text, size_t len)
{
    h->marks = 0;
    if (memchr(text, '\0', len) != NULL)
        return false;
    for (char *at = text; len > 0;) {
        char *end = memchr(at, '\n', len);
        struct highwater_mark mark;

        if (end == NULL || h->marks == HIGHWATER_MAX)
            return false;
        *end = '\0';
        if (!read_line(at, &mark) || find(h, mark.tag, mark.address) != NULL)
            return false;
        h->mark[h->marks++] = mark;
        len -= (size_t)(end + 1 - at);
        at = end + 1;
    }
    return true;
}

/* The whole of FD; one octet more than is allowed shows that there is more. */
static ssize_t read_all(int fd, char *text)
{
    size_t len = 0;
    ssize_t got = 1;

    while (got > 0 && len <= HIGHWATER_FILE_MAX) {
        got = read(fd, text + len, HIGHWATER_FILE_MAX + 1 - len);
        if (got > 0)
            len += (size_t)got;
    }
    return got < 0 ? -1 : (ssize_t)len;
}

static bool read_file(struct highwater *h, int directory)
{
    int fd = openat(directory, NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    char *text = NULL;
    bool good = false;
    struct stat st;

    h->marks = 0;
    if (fd < 0)
        return errno == ENOENT || fail(h, "cannot be opened");
    text = malloc(HIGHWATER_FILE_MAX + 1);
    ssize_t len = text != NULL ? read_all(fd, text) : -1;
    if (len < 0) {
        fail(h, "cannot be read");
        goto out;
    }
    good = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && len <= HIGHWATER_FILE_MAX &&
           parse(h, text, (size_t)len);
    if (!good) {
        h->marks = 0;
        log_error("%s/" NAME " is damaged, so no generation of a primary's secrets can be taken: "
                  "put back what it was, or have the primary negotiate new secrets (pdmctl primary "
                  "renegotiate) and remove it",
                  h->directory);
    }
out:
    free(text);
    close(fd);
    return good;
}

static bool write_mark(FILE *file, const struct highwater_mark *mark)
{
    char tag[TAG_TEXT];
    char address[INET6_ADDRSTRLEN];

    sodium_bin2hex(tag, sizeof tag, mark->tag, sizeof mark->tag);
    inet_ntop(AF_INET6, mark->address, address, sizeof address);
    return fprintf(file, "%s %s %" PRIu32 " %" PRId64 " %s\n", tag, address, mark->generation,
                   mark->ends, mark->name) > 0;
}

/* All of it on the disk, under a name of its own. */
static bool write_new(const struct highwater *h, int directory)
{
    int fd =
        openat(directory, NEW_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    bool good = file != NULL;

    if (file == NULL) {
        int error = errno;

        if (fd >= 0)
            close(fd);
        errno = error;
        return fail(h, "cannot be written");
    }
    for (size_t i = 0; i < h->marks && good; i++)
        good = write_mark(file, &h->mark[i]);
    good = good && fflush(file) == 0 && fsync(fd) == 0;
    int error = errno;
    good = fclose(file) == 0 && good;
    if (!good)
        errno = error;
    return good || fail(h, "cannot be written");
}

/* Durable when this returns true: the file, its name, and the directory that holds the name. */
static bool write_file(const struct highwater *h, int directory)
{
    if (!write_new(h, directory))
        return false;
    if (renameat(directory, NEW_NAME, directory, NAME) != 0)
        return fail(h, "cannot be replaced");
    return fsync(directory) == 0 || fail(h, "cannot be made durable");
}

/*
 * All marks are in use: the one whose secret ended first makes room, if that is long past. A clock
 * that is wrong by less than that forgets nothing that a primary could still give again.
 */
static struct highwater_mark *make_room(struct highwater *h)
{
    int64_t past = time(NULL) - HIGHWATER_KEPT_S;
    struct highwater_mark *oldest = NULL;

    for (size_t i = 0; i < h->marks; i++) {
        struct highwater_mark *mark = &h->mark[i];

        if (mark->ends != 0 && mark->ends < past && (oldest == NULL || mark->ends < oldest->ends))
            oldest = mark;
    }
    if (oldest == NULL)
        log_error("%s/" NAME " is full: %d secrets of primaries, none of which ended long ago, so "
                  "no generation can be taken of another",
                  h->directory, HIGHWATER_MAX);
    return oldest;
}

static bool set_mark(struct highwater *h, const struct highwater_mark *used)
{
    struct highwater_mark *mark = find(h, used->tag, used->address);
    uint32_t before = mark != NULL ? mark->generation : 0;

    if (mark == NULL)
        mark = h->marks < HIGHWATER_MAX ? &h->mark[h->marks++] : make_room(h);
    if (mark == NULL)
        return false;
    *mark = *used;
    if (before > mark->generation)
        mark->generation = before;
    return true;
}

/* Another agent holds the lock only while it writes; one that hangs must not hang this one. */
static bool lock(const struct highwater *h, int directory)
{
    const struct timespec pause = {.tv_nsec = PDM_NSEC_PER_MSEC};

    for (int i = 0; i < AGENT_KEY_LOCK_TRIES; i++) {
        if (flock(directory, LOCK_EX | LOCK_NB) == 0)
            return true;
        if (errno != EWOULDBLOCK)
            break;
        nanosleep(&pause, NULL);
    }
    return fail(h, "cannot be locked");
}

static int open_directory(const struct highwater *h)
{
    if (h->directory == NULL) {
        log_error("there is no state directory, so no generation of a primary's secrets can be "
                  "taken: set state in [agent]");
        return -1;
    }
    int directory = open(h->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        fail(h, "its directory cannot be opened");
    return directory;
}

bool highwater_read(struct highwater *h)
{
    int directory = open_directory(h);
    bool good = directory >= 0 && read_file(h, directory);

    if (directory >= 0)
        close(directory);
    return good;
}

bool highwater_note(struct highwater *h, const struct highwater_mark *used)
{
    int directory = open_directory(h);
    bool good = directory >= 0 && lock(h, directory) && read_file(h, directory) &&
                set_mark(h, used) && write_file(h, directory);

    if (directory >= 0)
        close(directory); /* unlocks */
    return good;
}
