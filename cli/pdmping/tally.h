/* SPDX-License-Identifier: BSD-2-Clause */
/* The sums of a run, for its summary. */
#ifndef CLI_PDMPING_TALLY_H
#define CLI_PDMPING_TALLY_H

#include <stdint.h>

#include "cli/histogram.h"
#include "cli/figures.h"

struct rtt {
    uint64_t samples;
    int64_t min, max, sum;
    double square_sum;
    double smoothed; /* as ping's ewma: each new one weighs an eighth */
};

struct tally {
    int64_t started; /* CLOCK_MONOTONIC */
    int64_t latest;  /* the last send or receipt */
    uint64_t transmitted;
    uint64_t received; /* probes answered; duplicates are not among them */
    uint64_t duplicates;
    uint64_t errors;
    uint64_t strangers; /* datagrams that answer no probe of this run */
    uint64_t overlapped;
    struct rtt rtt;
    struct histogram network;
    struct histogram server;
};

/* The round trip of a probe's first reply. */
void tally_rtt(struct tally *tally, int64_t ns);
/* What any datagram measured, a duplicate too. */
void tally_figures(struct tally *tally, const struct figures *figures);
int64_t rtt_mean(const struct rtt *rtt); /* of at least one */
/* What ping calls mdev: the standard deviation. */
int64_t rtt_deviation(const struct rtt *rtt);

#endif
