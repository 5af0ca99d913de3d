/* SPDX-License-Identifier: BSD-2-Clause */
/* What keeps secrets inside this process. */
#include "keyagent/harden.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "keyagent/log.h"

bool harden_process(void)
{
    const struct rlimit none = {0, 0};

    umask(S_IRWXG | S_IRWXO);
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || setrlimit(RLIMIT_CORE, &none) != 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        log_error("cannot keep secrets out of core files: %s", strerror(errno));
        return false;
    }
    void *sample = harden_alloc(1, 1);
    if (sample != NULL)
        sodium_free(sample);
    return sample != NULL;
}

/*
 * sodium_allocarray locks its pages but does not tell when it could not: lock them once more.
 * Secrets that may be written to swap are no secrets, so there is no going on without.
 */
void *harden_alloc(size_t count, size_t size)
{
    void *memory = sodium_allocarray(count, size);

    if (memory == NULL) {
        log_error("no memory for secrets: %s", strerror(errno));
        return NULL;
    }
    if (mlock(memory, count * size) != 0) {
        log_error("cannot lock %zu octets of memory for secrets: %s; raise the limit (ulimit -l, "
                  "LimitMEMLOCK=)",
                  count * size, strerror(errno));
        sodium_free(memory);
        return NULL;
    }
    sodium_memzero(memory, count * size);
    return memory;
}
