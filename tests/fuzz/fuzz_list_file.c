/* SPDX-License-Identifier: BSD-2-Clause */
/* Files of secondaries: every prefix that is taken is one, and what is refused is told once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conf/list_file.h"
#include "core/limits.h"

#define INPUT_MAX ((size_t)2 * CONFIG_LIST_CHUNK)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void take_down(void *arg, const char *line)
{
    unsigned *lines = arg;

    must(line[0] != '\0');
    ++*lines;
}

static bool take(void *arg, const struct pdm_prefix *prefix)
{
    const struct pdm_prefix cut = pdm_prefix_of(prefix->addr, prefix->len);
    size_t *count = arg;

    must(prefix->len <= 128 && pdm_prefix_equal(&cut, prefix));
    ++*count;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char path[sizeof "/proc/self/fd/" + 3 * sizeof(int)];
    size_t count = 0, newlines = 0;
    unsigned lines = 0;
    int fd = memfd_create("list", MFD_CLOEXEC);

    if (len > INPUT_MAX || fd < 0 || write(fd, data, len) != (ssize_t)len)
        goto out;
    for (size_t i = 0; i < len; i++)
        newlines += data[i] == '\n';
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    bool good = list_file_read(path, take, &count, take_down, &lines);
    must(lines == (good ? 0 : 1) && count <= newlines + 1);
out:
    if (fd >= 0)
        close(fd);
    return 0;
}
