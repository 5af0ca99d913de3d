/* SPDX-License-Identifier: BSD-2-Clause */
/* One turn of a loop. */
#include "cli/pdmperf/net/poller.h"

#include "cli/clock.h"

void poller_begin(struct poller *p)
{
    p->count = 0;
    p->due = POLLER_NEVER;
}

void poller_add(struct poller *p, int fd, short events, int64_t due, poller_work *work,
                void *context)
{
    if (p->count == POLLER_MAX)
        return; /* the limits on clients and streams are lower */
    /* One that waits for nothing would be told of its end again and again. */
    p->fds[p->count] = (struct pollfd){.fd = events != 0 ? fd : -1, .events = events};
    p->entries[p->count].work = work;
    p->entries[p->count].context = context;
    p->entries[p->count].due = due;
    p->count++;
    poller_wake(p, due);
}

void poller_wake(struct poller *p, int64_t due)
{
    if (due < p->due)
        p->due = due;
}

static void wait_for_some(struct poller *p)
{
    if (wait_ready(p->fds, p->count, p->due) >= 0)
        return;
    for (size_t i = 0; i < p->count; i++)
        p->fds[i].revents = 0;
}

void poller_turn(struct poller *p)
{
    wait_for_some(p);
    int64_t now = clock_monotonic();

    for (size_t i = 0; i < p->count; i++) {
        if (p->fds[i].revents != 0 || p->entries[i].due <= now)
            p->entries[i].work(p->entries[i].context, now);
    }
}
