/* SPDX-License-Identifier: BSD-2-Clause */
/* The two shared memories. */
#include "keyagent/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "keyagent/log.h"

/* F_SEAL_SEAL: else a client could add a seal that keeps the next client from mapping it. */
#define SEALS_ALL (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

/*
 * SIZE zeroed octets, mapped for writing before the seals of SEALS close that. NULL after telling
 * why.
 */
static void *make(const char *name, size_t size, int seals, int *fd)
{
    void *memory = MAP_FAILED;

    *fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (*fd >= 0 && ftruncate(*fd, (off_t)size) == 0)
        memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
    if (memory != MAP_FAILED && fcntl(*fd, F_ADD_SEALS, seals) == 0)
        return memory;
    log_error("cannot make the shared memory %s of %zu octets: %s", name, size, strerror(errno));
    if (memory != MAP_FAILED)
        munmap(memory, size);
    return NULL;
}

static void set_up(struct pdm_segment *metrics, uint32_t slots)
{
    metrics->magic = PDM_SEGMENT_MAGIC;
    metrics->slots = slots;
    /* draft-ietf-ippm-encrypted-pdmv2-02 section 6.2: the counters start at 1. */
    for (int i = 0; i < PDM_SADDR_TYPES; i++)
        atomic_store_explicit(&metrics->global_pointer[i].next, 1, memory_order_relaxed);
}

bool segment_init(struct segment *s, uint32_t slots)
{
    *s = (struct segment){.policy_fd = -1, .metrics_fd = -1, .slots = slots};
    s->policy =
        make("pdmv2-policy", sizeof *s->policy, SEALS_ALL | F_SEAL_FUTURE_WRITE, &s->policy_fd);
    s->metrics = make("pdmv2-metrics", pdm_segment_size(slots), SEALS_ALL, &s->metrics_fd);
    if (s->policy == NULL || s->metrics == NULL) {
        segment_free(s);
        return false;
    }
    set_up(s->metrics, slots);
    return true;
}

void segment_free(struct segment *s)
{
    if (s->policy != NULL)
        munmap(s->policy, sizeof *s->policy);
    if (s->metrics != NULL)
        munmap(s->metrics, pdm_segment_size(s->slots));
    if (s->policy_fd >= 0)
        close(s->policy_fd);
    if (s->metrics_fd >= 0)
        close(s->metrics_fd);
    *s = (struct segment){.policy_fd = -1, .metrics_fd = -1};
}
