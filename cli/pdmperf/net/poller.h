/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One turn of a loop: everybody says what they wait for, then there is one wait, then those are
 * called for whom something came or is due. What is called may end others, but frees nothing.
 */
#ifndef CLI_PDMPERF_NET_POLLER_H
#define CLI_PDMPERF_NET_POLLER_H

#include <stddef.h>

#include "cli/wait.h"

#define POLLER_NEVER WAIT_FOREVER

enum { POLLER_MAX = 4096 };

typedef void poller_work(void *context, int64_t now);

struct poller {
    struct pollfd fds[POLLER_MAX];
    struct {
        poller_work *work;
        void *context;
        int64_t due;
    } entries[POLLER_MAX];
    size_t count;
    int64_t due; /* the earliest */
};

void poller_begin(struct poller *p);
/*
 * WORK is called with CONTEXT if FD has one of EVENTS or an error, or at DUE; without EVENTS at DUE
 * alone.
 */
void poller_add(struct poller *p, int fd, short events, int64_t due, poller_work *work,
                void *context);
/* The wait ends at DUE at the latest. */
void poller_wake(struct poller *p, int64_t due);
/* Waits, a signal ends that too, and calls. */
void poller_turn(struct poller *p);

#endif
