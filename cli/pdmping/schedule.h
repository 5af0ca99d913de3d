/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When probes leave. On a fixed schedule they do so whether replies come or not: a sender that
 * waits for its replies would ask a slow server less often and so flatter it. An eager schedule
 * (-f, -A) sends as soon as there is a reply. All times are CLOCK_MONOTONIC, in nanoseconds.
 */
#ifndef CLI_PDMPING_SCHEDULE_H
#define CLI_PDMPING_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

struct schedule {
    bool eager;
    int64_t interval; /* of a fixed one; how long an eager one waits for a reply */
    int64_t gap;      /* the least that an eager one leaves between two probes */
    int64_t next;     /* when the next probe is due */
    int64_t latest;   /* the last send */
};

struct schedule schedule_fixed(int64_t interval, int64_t first);
struct schedule schedule_eager(int64_t patience, int64_t gap, int64_t first);
/* A probe was sent at NOW. */
void schedule_sent(struct schedule *s, int64_t now);
/* The latest probe was answered at NOW. */
void schedule_answered(struct schedule *s, int64_t now);

#endif
