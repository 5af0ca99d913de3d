/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbered datagrams as they arrive: losses, reordering, duplicates, jitter. */
#ifndef CLI_PDMPERF_NET_ARRIVAL_H
#define CLI_PDMPERF_NET_ARRIVAL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/sequence.h"

struct arrival {
    struct pdm_window window; /* its top is the highest number so far */
    uint64_t packets;         /* each counted once */
    uint64_t out_of_order;    /* that came after one with a higher number (RFC 4737 section 3) */
    uint64_t duplicates;
    bool any;
    int64_t transit;   /* of the latest: receive time less send time, by two clocks */
    int64_t jitter_16; /* 16 times the interarrival jitter of RFC 3550 A.8, in nanoseconds */
};

/* The datagram NUMBER, from 1 on, was sent at SENT and received at NOW; false: it came before. */
bool arrival_add(struct arrival *a, uint64_t number, int64_t sent, int64_t now);
/* Of those up to number SENT, which the sender says, or to the highest that came. */
uint64_t arrival_lost(const struct arrival *a, uint64_t sent);
/* RFC 3550 A.8, in nanoseconds. */
int64_t arrival_jitter(const struct arrival *a);

#endif
