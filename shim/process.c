/* SPDX-License-Identifier: BSD-2-Clause */
/* The process that the shim lives in. */
#include "shim/process.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/single_threaded.h>
#include <sys/un.h>

#include "core/limits.h"
#include "shim/descriptor.h"
#include "shim/privilege.h"
#include "shim/real.h"
#include "shim/sys.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

/* In memory that a forked child finds zeroed. */
struct wiped {
    _Atomic uint64_t guard;
    _Atomic bool parent; /* true in the process that set it; false in a fork's child */
};

_Atomic bool pdm_active;

static struct wiped *wiped;
static _Atomic long recorded_pid;
static enum pdm_mode mode;
static char agent_path[sizeof((struct sockaddr_un *)0)->sun_path];

enum pdm_mode pdm_mode(void)
{
    return mode;
}

const char *pdm_agent_path(void)
{
    return agent_path;
}

const _Atomic uint64_t *pdm_guard(void)
{
    return &wiped->guard;
}

bool pdm_entropy(void *out, size_t len)
{
    return pdm_sys(SYS_getrandom, (long)out, (long)len, 0, 0, 0, 0) == (long)len;
}

uint64_t pdm_guard_value(void)
{
    uint64_t guard = atomic_load(&wiped->guard);
    uint64_t fresh;

    if (guard != 0)
        return guard;
    if (!pdm_entropy(&fresh, sizeof fresh) || fresh == 0)
        return 0;
    return atomic_compare_exchange_strong(&wiped->guard, &guard, fresh) ? fresh : guard;
}

void *pdm_wiped_memory(size_t size)
{
    long at = pdm_sys(SYS_mmap, 0, (long)size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (at < 0 && at > -4096)
        return NULL;
    if (pdm_sys(SYS_madvise, at, (long)size, MADV_WIPEONFORK, 0, 0, 0) == 0) {
        /* No core file of a program may hold keys. */
        pdm_sys(SYS_madvise, at, (long)size, MADV_DONTDUMP, 0, 0, 0);
        return (void *)at;
    }
    pdm_sys(SYS_munmap, at, (long)size, 0, 0, 0, 0);
    return NULL;
}

bool pdm_own_memory(void)
{
    long pid = pdm_sys(SYS_getpid, 0, 0, 0, 0, 0, 0);

    if (pid == atomic_load_explicit(&recorded_pid, memory_order_relaxed))
        return true;
    if (atomic_load_explicit(&wiped->parent, memory_order_relaxed))
        return false;
    atomic_store(&recorded_pid, pid);
    atomic_store(&wiped->parent, true);
    return true;
}

/* The filter may be for all threads, and one may be between two calls of ours at this moment. */
void pdm_deactivate(void)
{
    const struct timespec pause = {0, PDM_DEACTIVATE_NS};

    if (!atomic_exchange(&pdm_active, false))
        return;
    pdm_descriptor_release_all();
    if (!__libc_single_threaded)
        pdm_sys(SYS_nanosleep, (long)&pause, 0, 0, 0, 0, 0);
}

static enum pdm_mode mode_from(const char *name)
{
    static const struct {
        const char *name;
        enum pdm_mode mode;
    } modes[] = {{"plain", PDM_MODE_PLAIN}, {"rfc8250", PDM_MODE_RFC8250}, {"off", PDM_MODE_OFF}};

    for (size_t i = 0; name != NULL && i < sizeof modes / sizeof modes[0]; i++)
        if (strcmp(name, modes[i].name) == 0)
            return modes[i].mode;
    return PDM_MODE_AGENT;
}

static void find_agent(void)
{
    const char *given = secure_getenv("PDMV2_AGENT");
    const char *runtime = secure_getenv("XDG_RUNTIME_DIR");
    int len;

    if (given != NULL)
        len = snprintf(agent_path, sizeof agent_path, "%s", given);
    else if (runtime != NULL)
        len = snprintf(agent_path, sizeof agent_path, "%s/pdmv2/agent.sock", runtime);
    else
        len = snprintf(agent_path, sizeof agent_path, "/run/pdmv2/agent.sock");
    if (len < 0 || (size_t)len >= sizeof agent_path)
        agent_path[0] = '\0'; /* longer than any socket's path: there is no agent */
}

/* At once: else a vfork child of this one might be the first to ask, and take its memory for its
 * own for good. */
static void in_child(void)
{
    if (atomic_load(&pdm_active))
        (void)pdm_own_memory();
}

static void start(void)
{
    mode = mode_from(secure_getenv("PDMV2_MODE"));
    if (mode == PDM_MODE_OFF || sodium_init() < 0)
        return;
    find_agent();
    if (secure_getenv("PDMV2_READ_ONLY") != NULL)
        pdm_read_only();
    wiped = pdm_wiped_memory(sizeof *wiped);
    if (wiped == NULL)
        return;
    atomic_store(&wiped->parent, true);
    atomic_store(&recorded_pid, pdm_sys(SYS_getpid, 0, 0, 0, 0, 0, 0));
    pdm_descriptor_inherited();
    if (pthread_atfork(pdm_descriptor_share_all, NULL, in_child) != 0)
        return;
    atomic_store(&pdm_active, true);
}

__attribute__((constructor)) static void load(void)
{
    int saved = errno;

    pdm_real_resolve();
    start();
    errno = saved;
}
