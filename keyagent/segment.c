/* SPDX-License-Identifier: BSD-2-Clause */
/* The two shared memories. */
#include "keyagent/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
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
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
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

/* A policy of 2^BITS buckets in memory of its own; NULL after telling why. */
static void *make_policy(unsigned bits, int *fd)
{
    return make("pdmv2-policy", pdm_policy_size(bits), SEALS_ALL | F_SEAL_FUTURE_WRITE, fd);
}

bool segment_init(struct segment *s, uint32_t slots)
{
    uint64_t seed;

    *s = (struct segment){.policy_fd = -1, .metrics_fd = -1, .slots = slots};
    void *policy = make_policy(PDM_POLICY_BITS_MIN, &s->policy_fd);

    if (policy != NULL) {
        randombytes_buf(&seed, sizeof seed);
        pdm_policy_init(&s->policy, policy, PDM_POLICY_BITS_MIN, seed);
    }
    s->metrics = make("pdmv2-metrics", pdm_segment_size(slots), SEALS_ALL, &s->metrics_fd);
    if (policy == NULL || s->metrics == NULL) {
        segment_free(s);
        return false;
    }
    set_up(s->metrics, slots);
    return true;
}

static void free_policy(struct segment *s)
{
    if (s->policy.head != NULL)
        munmap(s->policy.head, pdm_policy_size(s->policy.bits));
    if (s->policy_fd >= 0)
        close(s->policy_fd);
}

void segment_free(struct segment *s)
{
    free_policy(s);
    if (s->metrics != NULL)
        munmap(s->metrics, pdm_segment_size(s->slots));
    if (s->metrics_fd >= 0)
        close(s->metrics_fd);
    *s = (struct segment){.policy_fd = -1, .metrics_fd = -1};
}

bool segment_reserve(struct segment *s, size_t entries)
{
    unsigned bits = pdm_policy_bits(entries);
    struct pdm_policy grown;
    int fd;

    if (entries <= pdm_policy_capacity(&s->policy))
        return true;
    if (bits == 0) {
        log_error("more than %d prefixes take part", PDM_POLICY_ENTRIES_LIMIT);
        return false;
    }
    void *memory = make_policy(bits, &fd);

    if (memory == NULL)
        return false;
    pdm_policy_grow(&grown, memory, bits, &s->policy);
    pdm_policy_retire(&s->policy);
    free_policy(s);
    s->policy = grown;
    s->policy_fd = fd;
    return true;
}

bool segment_add(struct segment *s, const struct pdm_policy_entry *entry)
{
    size_t capacity = pdm_policy_capacity(&s->policy);

    if (pdm_policy_add(&s->policy, entry))
        return true;
    if (pdm_policy_used(&s->policy) == capacity && !segment_reserve(s, capacity + 1))
        return false;
    if (pdm_policy_add(&s->policy, entry))
        return true;
    log_error("more than %d local prefixes take part", PDM_POLICY_LOCALS_MAX);
    return false;
}
