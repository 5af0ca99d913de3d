/* SPDX-License-Identifier: BSD-2-Clause */
/* Which side makes the slowest probes slow. In constant memory, like a histogram. */
#ifndef CLI_PDMPING_BLAME_H
#define CLI_PDMPING_BLAME_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/histogram.h"

enum { BLAME_SLOWEST = 1 /* percent of the samples */ };

struct blame {
    struct histogram total; /* network and server together */
    struct histogram network, server;
    int64_t network_sum[HISTOGRAM_BUCKETS]; /* of the samples in that bucket of the total */
    int64_t server_sum[HISTOGRAM_BUCKETS];
};

/* One probe with both delays. */
void blame_add(struct blame *b, int64_t network, int64_t server);
void blame_merge(struct blame *b, const struct blame *other);

/* What the slowest 1% take beyond what is usual, each side on its own. */
struct excess {
    int64_t network, server; /* means, not below 0 */
    int64_t usual;           /* the usual delay, of both sides together */
};

/*
 * Of at least HISTOGRAM_PERCENTILES_FROM samples. Usual is a side's 10th percentile, and not its
 * median, so that a link that is slow for half of a run is not what is usual there.
 */
struct excess blame_excess(const struct blame *b);

#endif
