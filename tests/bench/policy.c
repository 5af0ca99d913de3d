/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A policy of a million entries: the median time of a look-up of addresses that it names and of
 * such that it does not, in nanoseconds and against one read from a random place in as much memory,
 * the two in turns; and of a change by one entry. Once with prefixes of the lengths that are in
 * use, most of a few, and once with all lengths alike.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "core/policy.h"

#define ENTRIES 1000000
#define PAIRS 31
#define SLICE 20000
#define CHANGES 20000
#define LINE 64

/* So many entries in a thousand have prefixes of this length; the others, of any from 28 to 64. */
static const struct {
    uint8_t len;
    unsigned permille;
} in_use[] = {{128, 300}, {64, 250}, {56, 150}, {48, 150}, {44, 50}, {40, 20}, {32, 20}};

static struct pdm_policy policy;
static struct pdm_policy_entry *entries;
static uint8_t (*named)[PDM_ADDR_LEN], (*others)[PDM_ADDR_LEN];
static uint64_t *chain;
static size_t lines;
static uint64_t state = 1;
static volatile uint64_t sink;

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* splitmix64 */
static uint64_t random_number(void)
{
    uint64_t z = state += 0x9e3779b97f4a7c15U;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

static void *memory_of(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        err(1, "mmap");
    return memory;
}

/* In 2000::/4 or, of those that nothing names, in 3000::/4. */
static void random_address(uint8_t addr[static PDM_ADDR_LEN], uint8_t first)
{
    uint64_t word[2] = {random_number(), random_number()};

    memcpy(addr, word, sizeof word);
    addr[0] = first | (addr[0] & 0x0F);
}

static uint8_t length_in_use(void)
{
    unsigned at = (unsigned)(random_number() % 1000);

    for (size_t i = 0; i < sizeof in_use / sizeof in_use[0]; i++) {
        if (at < in_use[i].permille)
            return in_use[i].len;
        at -= in_use[i].permille;
    }
    return (uint8_t)(28 + random_number() % 37);
}

static uint8_t any_length(void)
{
    return (uint8_t)(20 + random_number() % 109);
}

static struct pdm_policy_entry new_entry(uint8_t (*length)(void))
{
    struct pdm_policy_entry entry = {.association = 1};
    uint8_t addr[PDM_ADDR_LEN];

    random_address(addr, 0x20);
    entry.peer = pdm_prefix_of(addr, length());
    return entry;
}

static void fill(uint8_t (*length)(void))
{
    unsigned bits = pdm_policy_bits(ENTRIES);
    void *memory = memory_of(pdm_policy_size(bits));
    uint32_t at = 0;

    if (policy.head != NULL)
        munmap(policy.head, pdm_policy_size(policy.bits));
    pdm_policy_init(&policy, memory, bits, random_number());
    while (pdm_policy_used(&policy) < ENTRIES) {
        struct pdm_policy_entry entry = new_entry(length);

        if (!pdm_policy_add(&policy, &entry))
            errx(1, "the policy is full");
    }
    for (size_t i = 0; i < ENTRIES; i++)
        pdm_policy_next(&policy, &at, &entries[i]);
    for (size_t i = 0; i < SLICE * PAIRS; i++) {
        const struct pdm_prefix *peer = &entries[random_number() % ENTRIES].peer;

        random_address(named[i], 0x20);
        for (unsigned bit = 0; bit < peer->len; bit++) {
            uint8_t mask = (uint8_t)(0x80U >> bit % 8);

            named[i][bit / 8] =
                (uint8_t)((named[i][bit / 8] & ~mask) | (peer->addr[bit / 8] & mask));
        }
        random_address(others[i], 0x30);
    }
}

/* A chain of all lines of memory in random order: each read waits for the one before. */
static void make_chain(void)
{
    lines = pdm_policy_size(pdm_policy_bits(ENTRIES)) / LINE;
    chain = memory_of(lines * LINE);
    uint32_t *order = malloc(lines * sizeof *order);

    if (order == NULL)
        err(1, "malloc");
    for (uint32_t i = 0; i < lines; i++)
        order[i] = i;
    for (size_t i = lines - 1; i > 0; i--) {
        size_t other = random_number() % i;
        uint32_t kept = order[i];

        order[i] = order[other];
        order[other] = kept;
    }
    for (size_t i = 0; i < lines; i++)
        chain[order[i] * (LINE / sizeof *chain)] = order[(i + 1) % lines] * (LINE / sizeof *chain);
    free(order);
}

static double read_ns(void)
{
    static uint64_t at;
    double began = now_ns();

    for (int i = 0; i < SLICE; i++)
        at = chain[at];
    sink = at;
    return (now_ns() - began) / SLICE;
}

static double look_up_ns(uint8_t (*addr)[PDM_ADDR_LEN], bool expected)
{
    static const uint8_t local[PDM_ADDR_LEN] = {0x20, 1};
    struct pdm_policy_entry found;
    double began = now_ns();

    for (int i = 0; i < SLICE; i++)
        if (pdm_policy_find(&policy, local, addr[i], &found) != expected)
            errx(1, "a look-up went wrong");
    return (now_ns() - began) / SLICE;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double value[static PAIRS])
{
    qsort(value, PAIRS, sizeof value[0], compare);
    return value[PAIRS / 2];
}

static void measure_look_ups(const char *what, uint8_t (*addr)[PDM_ADDR_LEN], bool expected)
{
    double ns[PAIRS], ratio[PAIRS];

    for (int i = 0; i < PAIRS; i++) {
        ns[i] = look_up_ns(addr + (size_t)i * SLICE, expected);
        ratio[i] = ns[i] / read_ns();
    }
    printf("policy_lookup_1e6_ns_%s %.0f ns\n", what, median(ns));
    printf("policy_lookup_1e6_vs_read_%s %.2f ratio\n", what, median(ratio));
}

static void measure_changes(const char *what, uint8_t (*length)(void))
{
    double began = now_ns();

    for (int i = 0; i < CHANGES; i += 2) {
        struct pdm_policy_entry *entry = &entries[random_number() % ENTRIES], next;

        next = new_entry(length);
        pdm_policy_remove(&policy, &entry->local, &entry->peer);
        pdm_policy_add(&policy, &next);
        *entry = next;
    }
    printf("policy_change_us_%s %.3f us\n", what, (now_ns() - began) / CHANGES / 1e3);
}

static void measure_growth(void)
{
    unsigned bits = policy.bits + 1;
    void *memory = memory_of(pdm_policy_size(bits));
    struct pdm_policy grown;
    double began = now_ns();

    pdm_policy_grow(&grown, memory, bits, &policy);
    printf("policy_growth_1e6_ms %.0f ms\n", (now_ns() - began) / 1e6);
    munmap(memory, pdm_policy_size(bits));
}

static void measure(const char *lengths, uint8_t (*length)(void))
{
    char what[64];

    fill(length);
    snprintf(what, sizeof what, "hit_%s", lengths);
    measure_look_ups(what, named, true);
    snprintf(what, sizeof what, "miss_%s", lengths);
    measure_look_ups(what, others, false);
    measure_changes(lengths, length);
}

int main(void)
{
    entries = memory_of(ENTRIES * sizeof *entries);
    named = memory_of((size_t)SLICE * PAIRS * sizeof *named);
    others = memory_of((size_t)SLICE * PAIRS * sizeof *others);
    make_chain();
    measure("lengths_in_use", length_in_use);
    measure("all_lengths", any_length);
    measure_growth();
    return 0;
}
