/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When requests should begin. With an interval that is a fixed schedule (open loop): a request that
 * finds no connection free waits, and its waiting counts. A sender that paused instead would leave
 * out what its users would have suffered (coordinated omission). Times are CLOCK_MONOTONIC
 * nanoseconds.
 */
#ifndef CLI_PDMPERF_SCHEDULE_H
#define CLI_PDMPERF_SCHEDULE_H

#include <stdint.h>

#define SCHEDULE_NEVER INT64_MAX

struct schedule {
    uint64_t count; /* of requests */
    uint64_t begun;
    int64_t interval; /* 0: each begins when it can (closed loop) */
    int64_t start;
};

/* When the next one should begin; with no interval NOW; SCHEDULE_NEVER if all have. */
int64_t schedule_next(const struct schedule *s, int64_t now);
/* The next one begins at NOW. Returns how late that is. */
int64_t schedule_begin(struct schedule *s, int64_t now);
/* How many should have begun by NOW; with no interval those that did. */
uint64_t schedule_due(const struct schedule *s, int64_t now);

#endif
