/* SPDX-License-Identifier: BSD-2-Clause */
/* Files that are kept, durably, for their owner alone. */
#include "cli/pdmctl/file.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PRIVATE_MODE = 0600 };

bool file_exists(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0;
}

bool file_write(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, text, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        text += n;
        len -= (size_t)n;
    }
    return true;
}

bool file_make(const char *path, const char *text, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, PRIVATE_MODE);

    if (fd < 0) {
        warn("cannot make %s", path);
        return false;
    }
    /* The umask may have taken the owner's bits; fsync before close, or an error stays unseen. */
    bool made = fchmod(fd, PRIVATE_MODE) == 0 && file_write(fd, text, len) && fsync(fd) == 0;

    if (!made)
        warn("cannot write %s", path);
    (void)close(fd);
    if (!made)
        (void)unlink(path);
    return made;
}

bool file_sync_directory(const char *path)
{
    char *copy = strdup(path);
    int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    bool synced = fd >= 0 && fsync(fd) == 0;

    if (!synced)
        warn("cannot write the directory of %s", path);
    if (fd >= 0)
        (void)close(fd);
    free(copy);
    return synced;
}
