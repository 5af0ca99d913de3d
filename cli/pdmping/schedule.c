/* SPDX-License-Identifier: BSD-2-Clause */
/* When probes leave. */
#include "cli/pdmping/schedule.h"

struct schedule schedule_fixed(int64_t interval, int64_t first)
{
    return (struct schedule){.interval = interval, .next = first};
}

struct schedule schedule_eager(int64_t patience, int64_t gap, int64_t first)
{
    return (struct schedule){.eager = true, .interval = patience, .gap = gap, .next = first};
}

void schedule_sent(struct schedule *s, int64_t now)
{
    s->latest = now;
    if (s->eager)
        s->next = now + s->interval;
    else /* After a stop (^Z) the missed probes are left out; the schedule keeps its beat. */
        s->next += s->interval * ((now - s->next) / s->interval + 1);
}

void schedule_answered(struct schedule *s, int64_t now)
{
    if (!s->eager)
        return;
    s->next = s->latest + s->gap > now ? s->latest + s->gap : now;
}
