/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tortured programs did. */
#include "tests/nonce/counters.h"

#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static _Atomic uint64_t *counter;

void counters_open(const char *file)
{
    const size_t size = COUNTER_COUNT * sizeof *counter;
    int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0 || ftruncate(fd, (off_t)size) != 0)
        err(EXIT_FAILURE, "%s", file);
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (at == MAP_FAILED)
        err(EXIT_FAILURE, "%s", file);
    counter = at;
    close(fd);
}

void counters_print(void)
{
#define NAME(name) #name,
    static const char *const names[] = {COUNTERS(NAME)};
#undef NAME

    for (int i = 0; i < COUNTER_COUNT; i++)
        printf("%s %" PRIu64 "\n", names[i], atomic_load(&counter[i]));
}

void counters_add(enum counter which)
{
    atomic_fetch_add_explicit(&counter[which], 1, memory_order_relaxed);
}
