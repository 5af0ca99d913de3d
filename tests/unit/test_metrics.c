/* SPDX-License-Identifier: BSD-2-Clause */
/* What is kept of delays and counts, and that it can be read while it is written. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "core/metrics.h"

static bool is(const struct pdm_delay *d, uint64_t samples, int64_t last, int64_t min, int64_t max,
               int64_t sum)
{
    return d->samples == samples && d->last == last && d->min == min && d->max == max &&
           d->sum == sum;
}

Test(metrics, delays)
{
    struct pdm_delay d = {0};

    pdm_delay_add(&d, 50);
    cr_assert(is(&d, 1, 50, 50, 50, 50));
    pdm_delay_add(&d, 70);
    cr_assert(is(&d, 2, 70, 50, 70, 120));
    pdm_delay_add(&d, 20);
    cr_assert(is(&d, 3, 20, 20, 70, 140));
    pdm_delay_add(&d, 20);
    cr_assert(is(&d, 4, 20, 20, 70, 160));
}

/* The first sample sets both ends, on whichever side of 0 it is. */
Test(metrics, delays_below_zero)
{
    struct pdm_delay d = {0};

    pdm_delay_add(&d, -5);
    cr_assert(is(&d, 1, -5, -5, -5, -5));
    pdm_delay_add(&d, -9);
    cr_assert(is(&d, 2, -9, -9, -5, -14));
    pdm_delay_add(&d, 0);
    cr_assert(is(&d, 3, 0, -9, 0, -14));
}

/* Another process may have left anything in the segment: the sum wraps, nothing traps. */
Test(metrics, sum_wraps)
{
    struct pdm_delay d = {.samples = 1, .min = 0, .max = INT64_MAX, .sum = INT64_MAX};

    pdm_delay_add(&d, 1);
    cr_assert(is(&d, 2, 1, 0, INT64_MAX, INT64_MIN));
    pdm_delay_add(&d, INT64_MIN);
    cr_assert(is(&d, 3, INT64_MIN, INT64_MIN, INT64_MAX, 0));
}

/* The first bucket whose end a delay does not exceed, found by looking at one after the other. */
static unsigned bucket_of(int64_t ns)
{
    unsigned i = 0;

    while (i < PDM_DELAY_BOUNDS && ns > pdm_delay_bounds[i])
        i++;
    return i;
}

Test(metrics, bounds)
{
    cr_assert_eq(pdm_delay_bounds[0], 50000);
    cr_assert_eq(pdm_delay_bounds[PDM_DELAY_BOUNDS - 1], 10000000000);
    for (int i = 1; i < PDM_DELAY_BOUNDS; i++)
        cr_assert(pdm_delay_bounds[i] >= 2 * pdm_delay_bounds[i - 1], "%d", i);
}

Test(metrics, buckets)
{
    static const int64_t others[] = {INT64_MIN, -1, 0, 1, 7777777, INT64_MAX};
    struct pdm_delay d = {0};

    for (int i = 0; i < PDM_DELAY_BOUNDS; i++)
        for (int64_t off = -1; off <= 1; off++)
            cr_assert_eq(pdm_delay_bucket(pdm_delay_bounds[i] + off),
                         bucket_of(pdm_delay_bounds[i] + off), "bound %d, %d", i, (int)off);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        cr_assert_eq(pdm_delay_bucket(others[i]), bucket_of(others[i]), "%zu", i);
    pdm_delay_add(&d, 50000);
    pdm_delay_add(&d, 50001);
    pdm_delay_add(&d, 99999);
    pdm_delay_add(&d, INT64_MAX);
    cr_assert(d.bucket[0] == 1 && d.bucket[1] == 2 && d.bucket[PDM_DELAY_BUCKETS - 1] == 1);
}

/* All of a flow's figures, and nothing that is of a slot. */
Test(metrics, carries_the_figures)
{
    static struct pdm_slot from = {
        .owner = 1, .closed = 1, .active = 1, .own_kri = 1, .peer_kri = 9, .path = 1, .ask = 1};
    static struct pdm_slot to = {.owner = 2, .own_kri = 3};

    pdm_delay_add(&from.network, 60000);
    pdm_delay_add(&from.server, 70000);
    pdm_delay_add(&from.total, 130000);
    pdm_count(&from.counter[PDM_COUNTER_withdrawn], 5);
    pdm_slot_carry(&to, &from);
    cr_assert(is(&to.network, 1, 60000, 60000, 60000, 60000) && to.network.bucket[1] == 1);
    cr_assert(is(&to.server, 1, 70000, 70000, 70000, 70000) && to.server.bucket[1] == 1);
    cr_assert(is(&to.total, 1, 130000, 130000, 130000, 130000) && to.total.bucket[2] == 1);
    cr_assert(to.counter[PDM_COUNTER_withdrawn] == 5 && to.peer_kri == 9);
    cr_assert(to.owner == 2 && to.closed == 0 && to.active == 0 && to.own_kri == 3);
    cr_assert(to.path == 0 && to.ask == 0);
}

/* All of one moment, or false. */
Test(metrics, delays_are_read_between_additions)
{
    struct pdm_delay d = {0};
    struct pdm_delay_seen seen;

    cr_assert(pdm_delay_read(&d, &seen));
    cr_assert_eq(seen.samples, 0);
    pdm_delay_add(&d, 50);
    pdm_delay_add(&d, 70);
    cr_assert(pdm_delay_read(&d, &seen));
    cr_assert_eq(seen.samples, 2);
    cr_assert(seen.last == 70 && seen.min == 50 && seen.max == 70 && seen.sum == 120);
    d.begun++; /* as a signal handler finds it in the middle of the next */
    d.sum += 60;
    cr_assert_not(pdm_delay_read(&d, &seen));
    d.samples++;
    cr_assert(pdm_delay_read(&d, &seen));
}

Test(metrics, counts)
{
    _Atomic uint64_t counter = 3;

    pdm_count(&counter, 4);
    cr_assert_eq(counter, 7);
    pdm_count(&counter, (uint64_t)-1); /* a loss that was none */
    cr_assert_eq(counter, 6);
}

/* Two processes never write to one cache line, and a segment ends where its last slot does. */
Test(metrics, layout)
{
    cr_assert_eq(sizeof(struct pdm_slot) % PDM_CACHE_LINE, 0);
    cr_assert_eq(offsetof(struct pdm_segment, slot) % PDM_CACHE_LINE, 0);
    cr_assert_eq(sizeof(struct pdm_global_pointer), PDM_CACHE_LINE);
    cr_assert_eq(pdm_segment_size(0), sizeof(struct pdm_segment));
    cr_assert_eq(pdm_segment_size(PDM_SLOTS_MAX),
                 sizeof(struct pdm_segment) + (size_t)PDM_SLOTS_MAX * sizeof(struct pdm_slot));
    cr_assert_eq(pdm_segment_size(UINT32_MAX) - pdm_segment_size(UINT32_MAX - 1),
                 sizeof(struct pdm_slot));
}

/* One writes, one reads: no number is ever torn. The low half and the high half go together. */
enum { ROUNDS = 200000 };
static struct pdm_delay shared;
static _Atomic bool done;

static int64_t both_halves(int64_t i)
{
    return i << 32 | i;
}

static void *write_delays(void *arg)
{
    (void)arg;
    for (int64_t i = 1; i <= ROUNDS; i++)
        pdm_delay_add(&shared, both_halves(i));
    done = true;
    return NULL;
}

/* Both halves of 1 and all that follow up to N. */
static int64_t sum_of(uint64_t n)
{
    return (int64_t)(n * (n + 1) / 2 * 0x100000001ULL);
}

static void *read_delays(void *arg)
{
    struct pdm_delay_seen seen;
    uint64_t before = 0;
    uintptr_t torn = 0;

    (void)arg;
    while (!done) {
        uint64_t samples = shared.samples;
        int64_t last = shared.last, max = shared.max;

        torn += samples < before || last != both_halves(last & UINT32_MAX) ||
                max != both_halves(max & UINT32_MAX);
        before = samples;
        if (pdm_delay_read(&shared, &seen))
            torn +=
                seen.sum != sum_of(seen.samples) || seen.last != both_halves((int64_t)seen.samples);
    }
    return (void *)torn;
}

Test(metrics, read_while_written, .timeout = 60)
{
    pthread_t writer, reader;
    void *torn;

    cr_assert_eq(pthread_create(&reader, NULL, read_delays, NULL), 0);
    cr_assert_eq(pthread_create(&writer, NULL, write_delays, NULL), 0);
    cr_assert_eq(pthread_join(writer, NULL), 0);
    cr_assert_eq(pthread_join(reader, &torn), 0);
    cr_assert_null(torn);
    cr_assert_eq(shared.samples, ROUNDS);
    cr_assert_eq(shared.last, both_halves(ROUNDS));
}
