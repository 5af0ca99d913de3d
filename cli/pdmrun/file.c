/* SPDX-License-Identifier: BSD-2-Clause */
/* The content of a file, to be looked at. */
#include "cli/pdmrun/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static bool map(struct run_file *file, int fd)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return false;
    if (!S_ISREG(st.st_mode)) {
        errno = EACCES; /* what exec says of it */
        return false;
    }
    if (st.st_size == 0)
        return true;
    void *at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);

    if (at == MAP_FAILED)
        return false;
    *file = (struct run_file){.bytes = at, .len = (size_t)st.st_size};
    return true;
}

bool file_open(struct run_file *file, const char *path)
{
    /* O_NONBLOCK: a FIFO of that name would wait for its other end. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    bool mapped = false;

    *file = (struct run_file){0};
    if (fd < 0)
        return false;
    mapped = map(file, fd);
    int why = errno;

    (void)close(fd);
    errno = why;
    return mapped;
}

void file_close(struct run_file *file)
{
    if (file->bytes)
        (void)munmap((void *)(uintptr_t)file->bytes, file->len);
    *file = (struct run_file){0};
}
