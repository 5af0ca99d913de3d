/* SPDX-License-Identifier: BSD-2-Clause */
/* A test's time in intervals, each told when it is over. */
#ifndef CLI_PDMPERF_NET_INTERVAL_H
#define CLI_PDMPERF_NET_INTERVAL_H

#include "cli/pdmperf/net/test.h"

/* The first begins. */
void interval_begin(struct test *t, int64_t now);
/* Tells the one under way if it is over at NOW; the next begins. */
void interval_next(struct test *t, int64_t now);
/* Tells the last one, if it was long enough; no other begins. */
void interval_end(struct test *t, int64_t now);

#endif
