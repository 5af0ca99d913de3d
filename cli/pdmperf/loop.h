/* SPDX-License-Identifier: BSD-2-Clause */
/* The event loop of curl's transfers: its sockets, its timer, and our own schedule. */
#ifndef CLI_PDMPERF_LOOP_H
#define CLI_PDMPERF_LOOP_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

struct loop {
    CURLM *multi;
    int epoll;
    int64_t timer; /* when curl wants to be called */
};

/* False, and errno says why. MULTI's callbacks for sockets and time are the loop's from now on. */
bool loop_open(struct loop *loop, CURLM *multi);
/* Waits for a socket, curl's timer, a signal or the moment UNTIL; lets curl do what it can. */
void loop_turn(struct loop *loop, int64_t until);
void loop_close(struct loop *loop);

#endif
