/* SPDX-License-Identifier: BSD-2-Clause */
/* When requests should begin. */
#include "cli/pdmperf/schedule.h"

int64_t schedule_next(const struct schedule *s, int64_t now)
{
    if (s->begun == s->count)
        return SCHEDULE_NEVER;
    return s->interval == 0 ? now : s->start + (int64_t)s->begun * s->interval;
}

int64_t schedule_begin(struct schedule *s, int64_t now)
{
    int64_t late = now - schedule_next(s, now);

    s->begun++;
    return late > 0 ? late : 0;
}

uint64_t schedule_due(const struct schedule *s, int64_t now)
{
    uint64_t due = s->begun;

    if (s->interval != 0 && now >= s->start)
        due = (uint64_t)((now - s->start) / s->interval) + 1;
    return due < s->count ? due : s->count;
}
