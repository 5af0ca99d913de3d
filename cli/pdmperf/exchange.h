/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The network's and the server's delay of one request: what its sockets' figures gained between its
 * sending and the end of its answer. With redirects it is several steps, whose delays add up.
 */
#ifndef CLI_PDMPERF_EXCHANGE_H
#define CLI_PDMPERF_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/figures.h"

struct exchange {
    bool under_way;
    unsigned steps; /* ended */
    struct pdmv2_stats before;
    struct figures figures;
    struct figure total;
    uint64_t sent, received; /* options */
};

/* A new request; no step of it is under way. */
void exchange_start(struct exchange *e);
/* A step begins, on a socket whose figures are BEFORE; one that was under way has no figures. */
void exchange_begin(struct exchange *e, const struct pdmv2_stats *before);
/* The step under way, if any, has ended, with AFTER. */
void exchange_end(struct exchange *e, const struct pdmv2_stats *after);
/*
 * The request, the only one on its connection and without a body, waited FIRST_BYTE nanoseconds.
 * The library marks a server's delay as overlapped where what else the connection carried may have
 * been a request, as HTTP/2's settings. But if the exchange that it timed is as long as that wait,
 * it began with the request and ended with its answer: then the delay is the request's.
 */
void exchange_settle(struct exchange *e, int64_t first_byte);
/* The figures of a request without any, and why. */
void exchange_without(struct exchange *e, const struct missing *why);

extern const struct missing exchange_no_request;
extern const struct missing exchange_ipv4;

#endif
