/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbered datagrams as they arrive. */
#include "cli/pdmperf/net/arrival.h"

#include "cli/pdmperf/net/message.h"

enum { JITTER_GAIN = 16 };

/* A send time is what a peer says: beyond this it makes no jitter, and no sum overflows. */
#define TRANSIT_MAX (INT64_MAX / 4)
#define STEP_MAX (NET_SECONDS_MAX * PDM_NSEC_PER_SEC)

/* RFC 3550 A.8: J += (|D| - J) / 16, kept as 16 J, so that little is rounded away. */
static void add_jitter(struct arrival *a, int64_t sent, int64_t now)
{
    int64_t transit = 0;

    if (__builtin_sub_overflow(now, sent, &transit) || transit > TRANSIT_MAX ||
        transit < -TRANSIT_MAX)
        return;
    int64_t d = transit > a->transit ? transit - a->transit : a->transit - transit;

    if (a->any && d <= STEP_MAX)
        a->jitter_16 += d - (a->jitter_16 + JITTER_GAIN / 2) / JITTER_GAIN;
    a->any = true;
    a->transit = transit;
}

bool arrival_add(struct arrival *a, uint64_t number, int64_t sent, int64_t now)
{
    uint64_t top = a->window.top;

    if (number == 0 || pdm_window_accept(&a->window, number) == PDM_WINDOW_SEEN) {
        a->duplicates++;
        return false;
    }
    a->packets++;
    if (number < top)
        a->out_of_order++;
    add_jitter(a, sent, now);
    return true;
}

uint64_t arrival_lost(const struct arrival *a, uint64_t sent)
{
    uint64_t last = sent > a->window.top ? sent : a->window.top;

    return last > a->packets ? last - a->packets : 0;
}

int64_t arrival_jitter(const struct arrival *a)
{
    return a->jitter_16 / JITTER_GAIN;
}
