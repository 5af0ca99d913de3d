/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Delays counted in buckets of a relative width below 1%, in constant memory. Mean, least and
 * largest are exact.
 */
#ifndef CLI_HISTOGRAM_H
#define CLI_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

enum {
    HISTOGRAM_SUB_BITS = 7,
    HISTOGRAM_SUB = 1 << HISTOGRAM_SUB_BITS, /* buckets for each power of two */
    HISTOGRAM_BUCKETS = HISTOGRAM_SUB * (64 - HISTOGRAM_SUB_BITS),
    HISTOGRAM_PERCENTILES_FROM = 100, /* with fewer samples a percentile says nothing */
};

struct histogram {
    uint64_t samples;
    int64_t min, max, sum; /* nothing while samples is 0 */
    uint64_t bucket[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, int64_t ns);
/* As if H had been given all samples of OTHER too. */
void histogram_merge(struct histogram *h, const struct histogram *other);
/* The bucket of a value, for sums beside the counts. */
size_t histogram_bucket(int64_t ns);
/* Of at least one sample. */
int64_t histogram_mean(const struct histogram *h);
/* The value that PERCENT of at least one sample do not exceed, to the width of a bucket. */
int64_t histogram_percentile(const struct histogram *h, unsigned percent);

#endif
