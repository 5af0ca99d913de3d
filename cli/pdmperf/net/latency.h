/* SPDX-License-Identifier: BSD-2-Clause */
/* What requests took: the network's and the server's delay and their sum as the client sees it. */
#ifndef CLI_PDMPERF_NET_LATENCY_H
#define CLI_PDMPERF_NET_LATENCY_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/figures.h"
#include "cli/histogram.h"
#include "cli/pdmperf/verdict.h"

enum latency_part { LATENCY_NETWORK, LATENCY_SERVER, LATENCY_TOTAL, LATENCY_PARTS };

/* Times are nanoseconds. */
struct latency {
    struct histogram parts[LATENCY_PARTS]; /* the total has a sample of each answer */
    uint64_t lost;
    /* Of those of which both delays are known. */
    uint64_t measured;
    int64_t measured_sums[LATENCY_PARTS];
    const struct missing *missing; /* why the last one without a delay has none */
};

/* A moment's samples and sums. */
struct latency_mark {
    uint64_t samples[LATENCY_PARTS];
    int64_t sum[LATENCY_PARTS];
};

/* Whose TIME is. */
struct latency_verdict {
    enum party party;
    unsigned percent;
    int64_t time; /* the mean, or by how much it grew; without a meaning if missing says why */
    const struct missing *missing;
};

void latency_add(struct latency *l, int64_t total, const struct figures *figures);
struct latency_mark latency_mark(const struct latency *l);
/* The mean of PART since MARK; false: no sample. */
bool latency_since(const struct latency *l, const struct latency_mark *mark, enum latency_part part,
                   int64_t *mean);
/* Who has the largest share of the mean. */
struct latency_verdict latency_share(const struct latency *l);
/*
 * Who has the largest share of what LOADED takes longer than IDLE. PARTY_NONE without a missing:
 * it takes no longer, or by less than a millisecond or a tenth.
 */
struct latency_verdict latency_growth(const struct latency *idle, const struct latency *loaded);

#endif
