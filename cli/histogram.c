/* SPDX-License-Identifier: BSD-2-Clause */
/* Delays counted in buckets of a relative width below 1%. */
#include "cli/histogram.h"

enum { TOP_BIT = 63, PERCENT = 100 };

/*
 * Values below HISTOGRAM_SUB have a bucket each; above, each power of two is cut in HISTOGRAM_SUB.
 */
size_t histogram_bucket(int64_t ns)
{
    uint64_t v = ns > 0 ? (uint64_t)ns : 0;

    if (v < HISTOGRAM_SUB)
        return (size_t)v;
    unsigned shift = (unsigned)(TOP_BIT - __builtin_clzll(v)) - HISTOGRAM_SUB_BITS;

    return (size_t)shift * HISTOGRAM_SUB + (size_t)(v >> shift);
}

/* The middle of a bucket. */
static int64_t value_of(size_t bucket)
{
    if (bucket < HISTOGRAM_SUB)
        return (int64_t)bucket;
    unsigned shift = (unsigned)(bucket / HISTOGRAM_SUB) - 1;
    uint64_t low = (uint64_t)(bucket % HISTOGRAM_SUB + HISTOGRAM_SUB) << shift;

    return (int64_t)(low + ((1ULL << shift) >> 1));
}

void histogram_add(struct histogram *h, int64_t ns)
{
    if (h->samples == 0 || ns < h->min)
        h->min = ns;
    if (h->samples == 0 || ns > h->max)
        h->max = ns;
    h->sum += ns;
    h->samples++;
    h->bucket[histogram_bucket(ns)]++;
}

void histogram_merge(struct histogram *h, const struct histogram *other)
{
    if (other->samples == 0)
        return;
    if (h->samples == 0 || other->min < h->min)
        h->min = other->min;
    if (h->samples == 0 || other->max > h->max)
        h->max = other->max;
    h->sum += other->sum;
    h->samples += other->samples;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        h->bucket[i] += other->bucket[i];
}

int64_t histogram_mean(const struct histogram *h)
{
    return h->sum / (int64_t)h->samples;
}

int64_t histogram_percentile(const struct histogram *h, unsigned percent)
{
    uint64_t rank = (h->samples * percent + PERCENT - 1) / PERCENT;
    uint64_t below = 0;
    size_t bucket = 0;

    while (bucket < HISTOGRAM_BUCKETS - 1 && below + h->bucket[bucket] < rank)
        below += h->bucket[bucket++];
    int64_t value = value_of(bucket);

    if (value < h->min)
        return h->min;
    return value > h->max ? h->max : value;
}
