/* SPDX-License-Identifier: BSD-2-Clause */
/* Objectives for a run, as --slo net.p99=30ms,srv.mean=5ms,loss=1% says them. */
#ifndef CLI_PDMPING_SLO_H
#define CLI_PDMPING_SLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SLO_MAX = 16, SLO_TEXT = 32, SLO_WHY = 96 };

enum slo_metric { SLO_NETWORK, SLO_SERVER, SLO_RTT, SLO_LOSS };
enum slo_statistic { SLO_MEAN, SLO_LARGEST, SLO_PERCENTILE };

struct slo_objective {
    char text[SLO_TEXT]; /* as it was written */
    enum slo_metric metric;
    enum slo_statistic statistic; /* not of a loss */
    unsigned percent;             /* of a percentile: 1 to 99 */
    int64_t limit;                /* nanoseconds; of a loss, millionths of a percent */
};

struct slo {
    struct slo_objective objective[SLO_MAX];
    size_t count;
};

/* False if TEXT is no list of objectives; then WHY says in a line what is wrong. */
bool slo_parse(struct slo *slo, const char *text, char why[static SLO_WHY]);

struct tally;

struct slo_result {
    uint64_t samples; /* 0: nothing was measured, and the objective is missed */
    int64_t value;    /* in the limit's unit */
    bool met;
};

/*
 * Percentiles are those of the samples there are, few or many: with fewer than 100, p99 is the
 * largest.
 */
struct slo_result slo_judge(const struct slo_objective *objective, const struct tally *tally);

#endif
