/* SPDX-License-Identifier: BSD-2-Clause */
/* The policy's memory: laid out, opened by others, gone through, and left for larger. */
#include "core/policy.h"

#include "core/policy_table.h"

/* Far from any epoch that flows may have been opened under. */
#define EPOCH_RETIRED (1ULL << 62)

static size_t tags_offset(void)
{
    size_t line = sizeof(struct pdm_policy_bucket) * 2;

    return (sizeof(struct pdm_policy_head) + line - 1) / line * line;
}

unsigned pdm_policy_bits(size_t entries)
{
    for (unsigned bits = PDM_POLICY_BITS_MIN; bits <= PDM_POLICY_BITS_MAX; bits++)
        if (entries <= (size_t)1 << (bits - 1))
            return bits;
    return 0;
}

size_t pdm_policy_size(unsigned bits)
{
    return tags_offset() + ((sizeof(uint8_t) + sizeof(struct pdm_policy_bucket)) << bits) +
           PDM_POLICY_LOCALS_MAX * sizeof(struct pdm_policy_local);
}

unsigned pdm_policy_bits_of_size(size_t octets)
{
    for (unsigned bits = PDM_POLICY_BITS_MIN; bits <= PDM_POLICY_BITS_MAX; bits++)
        if (pdm_policy_size(bits) == octets)
            return bits;
    return 0;
}

static void lay_out(struct pdm_policy *policy, void *memory, unsigned bits)
{
    uint8_t *tags = (uint8_t *)memory + tags_offset();
    uint8_t *buckets = tags + ((size_t)1 << bits);
    uint8_t *locals = buckets + (sizeof(struct pdm_policy_bucket) << bits);

    *policy = (struct pdm_policy){.head = memory,
                                  .tags = (_Atomic uint64_t *)(void *)tags,
                                  .bucket = (struct pdm_policy_bucket *)(void *)buckets,
                                  .local = (struct pdm_policy_local *)(void *)locals,
                                  .bits = bits};
}

void pdm_policy_init(struct pdm_policy *policy, void *memory, unsigned bits, uint64_t seed)
{
    lay_out(policy, memory, bits);
    policy->head->magic = PDM_POLICY_MAGIC;
    policy->head->bits = bits;
    policy->head->seed = seed;
    /* Told apart from the seed's own bits, which choose buckets. */
    atomic_store_explicit(&policy->head->version, policy_fold(seed, 0x8cb92ba72f3d8dd7U) & ~1ULL,
                          memory_order_relaxed);
}

bool pdm_policy_open(struct pdm_policy *policy, void *memory, size_t size)
{
    const struct pdm_policy_head *head = memory;
    unsigned bits = pdm_policy_bits_of_size(size);

    if (bits == 0 || head->magic != PDM_POLICY_MAGIC || head->bits != bits)
        return false;
    lay_out(policy, memory, bits);
    return true;
}

bool pdm_policy_next(const struct pdm_policy *policy, uint32_t *at, struct pdm_policy_entry *entry)
{
    while (*at < policy_buckets(policy) && policy_tag_at(policy, *at) == 0)
        ++*at;
    if (*at >= policy_buckets(policy))
        return false;
    struct policy_content c = policy_load(policy, (*at)++);

    *entry = policy_entry_of(policy, &c);
    return true;
}

size_t pdm_policy_capacity(const struct pdm_policy *policy)
{
    return (size_t)1 << (policy->bits - 1);
}

void pdm_policy_grow(struct pdm_policy *policy, void *memory, unsigned bits,
                     const struct pdm_policy *from)
{
    struct pdm_policy_entry entry;
    uint64_t version = atomic_load_explicit(&from->head->version, memory_order_relaxed);

    pdm_policy_init(policy, memory, bits, from->head->seed);
    policy->head->settings = from->head->settings;
    atomic_store_explicit(&policy->head->version, policy_next_version(policy_next_version(version)),
                          memory_order_relaxed);
    atomic_store_explicit(&policy->head->heartbeat,
                          atomic_load_explicit(&from->head->heartbeat, memory_order_relaxed),
                          memory_order_relaxed);
    for (uint32_t at = 0; pdm_policy_next(from, &at, &entry);)
        pdm_policy_add(policy, &entry);
}

void pdm_policy_retire(struct pdm_policy *policy)
{
    uint64_t version = atomic_load_explicit(&policy->head->version, memory_order_relaxed);

    atomic_store_explicit(&policy->head->heartbeat, PDM_POLICY_RETIRED, memory_order_relaxed);
    atomic_store_explicit(&policy->head->version, policy_next_version(version) ^ EPOCH_RETIRED,
                          memory_order_release);
}
