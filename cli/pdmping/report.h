/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What pdmping tells, and how: a table of functions for each form of output. One that is NULL has
 * nothing to say. They print to standard output without flushing; pdmping sees to that, and to it
 * that nothing is called for single probes with -q.
 */
#ifndef CLI_PDMPING_REPORT_H
#define CLI_PDMPING_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/pdmping/losses.h"
#include "cli/pdmping/slo.h"
#include "cli/pdmping/tally.h"
#include "cli/pdmping/verdict.h"

#define PING_SCHEMA "pdmping/2"

struct target;

struct timeout {
    uint64_t seq;
    int64_t age; /* since it was sent */
};

/* An ICMPv6 error, or one of this host's own. */
struct failure {
    uint64_t seq;     /* 0: not known */
    const char *from; /* who reported it; NULL: this host */
    const char *text;
};

/* The run so far: of one target, or of all. */
struct summary {
    const struct ping_options *options;
    const struct target *target; /* NULL: all */
    const struct tally *tally;
    const struct pdmv2_stats *flow;  /* the library's counters; NULL for all */
    const struct missing *missing;   /* why there are no figures, where there are none */
    const struct missing *no_server; /* why there are none of the server's */
    struct losses losses;
    struct verdict verdict;
    struct slo_result slo[SLO_MAX]; /* of the options' objectives */
};

struct report {
    /* Once, before all others. */
    void (*begin)(const struct ping_options *options);
    void (*start)(const struct target *t);
    void (*sent)(const struct target *t, uint64_t seq);
    /* With -O: a probe is about to leave, and the one before has no answer yet. */
    void (*outstanding)(const struct target *t, uint64_t seq);
    void (*reply)(const struct target *t, const struct reply *r);
    /* The wait is over; a late reply may still follow. */
    void (*timeout)(const struct target *t, const struct timeout *timeout);
    /* T is NULL if the error is no single target's. */
    void (*failure)(const struct target *t, const struct failure *f);
    /*
     * A view that is drawn anew: takes keys, and says in NEXT when it wants to be called again
     * (CLOCK_MONOTONIC); a key wakes it too. False: the user wants to end.
     */
    bool (*turn)(int64_t now, int64_t *next);
    /* Before the summaries, and where a run fails. */
    void (*end)(void);
    void (*interim)(const struct summary *s);
    void (*summary)(const struct summary *s);
    /* With several targets, after their summaries. */
    void (*total)(const struct summary *s);
};

#define REPORT(report, what, ...)                                                                  \
    do {                                                                                           \
        if ((report)->what)                                                                        \
            (report)->what(__VA_ARGS__);                                                           \
    } while (0)

extern const struct report report_text;
extern const struct report report_json;
extern const struct report report_csv;
extern const struct report report_live;

#endif
