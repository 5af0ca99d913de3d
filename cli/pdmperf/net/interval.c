/* SPDX-License-Identifier: BSD-2-Clause */
/* A test's time in intervals. */
#include "cli/pdmperf/net/interval.h"

enum { PARTIAL = 10 }; /* a last interval of less than a tenth is not told */

static void mark(struct test *t, int64_t now)
{
    if (t->loaded)
        t->mark = latency_mark(t->loaded);
    t->from = now;
}

void interval_begin(struct test *t, int64_t now)
{
    mark(t, now);
    t->next = t->interval != 0 ? now + t->interval : POLLER_NEVER;
}

static void tell(struct test *t, int64_t now)
{
    for (unsigned i = 0; i < t->count; i++)
        stream_sample(&t->streams[i]);
    if (t->report)
        t->report(t->context, t->from, now);
    for (unsigned i = 0; i < t->count; i++)
        t->streams[i].base = t->streams[i].count;
    mark(t, now);
}

void interval_next(struct test *t, int64_t now)
{
    if (now < t->next)
        return;
    tell(t, now);
    t->next += t->interval * ((now - t->next) / t->interval + 1);
}

void interval_end(struct test *t, int64_t now)
{
    if (t->next != POLLER_NEVER && now - t->from >= t->interval / PARTIAL)
        tell(t, now);
    t->next = POLLER_NEVER;
}
