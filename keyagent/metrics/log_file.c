/* SPDX-License-Identifier: BSD-2-Clause */
/* A file that lines are added to. */
#include "keyagent/metrics/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/limits.h"

#define MODE (S_IRUSR | S_IWUSR | S_IRGRP) /* it says who talks to whom */

static bool numbered(const struct log_file *f, uint32_t number, char name[static PATH_MAX])
{
    int len = number == 0 ? snprintf(name, PATH_MAX, "%s", f->path)
                          : snprintf(name, PATH_MAX, "%s.%u", f->path, (unsigned)number);

    errno = ENAMETOOLONG;
    return len < PATH_MAX;
}

static void remove_beyond(const struct log_file *f)
{
    char name[PATH_MAX];

    for (uint32_t i = f->files + 1; i <= CONFIG_FLOW_LOG_FILES_MAX && numbered(f, i, name); i++)
        (void)unlink(name);
}

bool log_file_set(struct log_file *f, const char *path, uint64_t size_max, uint32_t age_max_s,
                  uint32_t files)
{
    log_file_close(f);
    *f = (struct log_file){.path = strdup(path),
                           .size_max = size_max,
                           .age_max_s = age_max_s,
                           .files = files,
                           .fd = -1};
    if (f->path == NULL)
        return false;
    remove_beyond(f);
    return true;
}

void log_file_close(struct log_file *f)
{
    if (f->path != NULL && f->fd >= 0)
        close(f->fd);
    free(f->path);
    *f = (struct log_file){.fd = -1};
}

/* When the file was made; a file system that does not say has at least when it was written to. */
static int64_t made_at(int fd, int64_t now_s)
{
    struct statx st;

    if (statx(fd, "", AT_EMPTY_PATH, STATX_BTIME | STATX_MTIME, &st) != 0)
        return now_s;
    return (st.stx_mask & STATX_BTIME) != 0 ? st.stx_btime.tv_sec : st.stx_mtime.tv_sec;
}

/* O_NONBLOCK: what is there may be a pipe that nobody reads. */
static bool open_file(struct log_file *f, int64_t now_s)
{
    struct stat st;
    int fd =
        open(f->path,
             O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, MODE);

    if (fd < 0)
        return false;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        errno = EEXIST;
        return false;
    }
    f->fd = fd;
    f->size = (uint64_t)st.st_size;
    f->began_s = f->size > 0 ? made_at(fd, now_s) : now_s;
    return true;
}

/* A file that is not there need not give way. */
static bool move_up(const struct log_file *f, uint32_t number)
{
    char from[PATH_MAX];
    char to[PATH_MAX];

    return numbered(f, number, from) && numbered(f, number + 1, to) &&
           (rename(from, to) == 0 || errno == ENOENT);
}

static bool rotate(struct log_file *f, int64_t now_s)
{
    for (uint32_t i = f->files; i > 0; i--)
        if (!move_up(f, i - 1))
            return false;
    close(f->fd);
    f->fd = -1;
    return open_file(f, now_s);
}

static bool is_due(const struct log_file *f, size_t len, int64_t now_s)
{
    return f->size > 0 &&
           (f->size + len > f->size_max || now_s - f->began_s >= (int64_t)f->age_max_s);
}

/* Somebody may have truncated it, or set the clock back, which must not make it last for years. */
static void look_again(struct log_file *f, int64_t now_s)
{
    struct stat st;

    if (fstat(f->fd, &st) == 0)
        f->size = (uint64_t)st.st_size;
    if (f->began_s > now_s)
        f->began_s = now_s;
}

bool log_file_write(struct log_file *f, const char *data, size_t len, int64_t now_s)
{
    size_t done = 0;

    if (f->fd < 0 && !open_file(f, now_s))
        return false;
    look_again(f, now_s);
    if (is_due(f, len, now_s) && !rotate(f, now_s))
        return false;
    while (done < len) {
        ssize_t got = write(f->fd, data + done, len - done);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            int error = errno;

            /* Not half a line. */
            if (ftruncate(f->fd, (off_t)f->size) != 0)
                f->size += done;
            errno = error;
            return false;
        }
        done += (size_t)got;
    }
    f->size += len;
    return true;
}
