/* SPDX-License-Identifier: BSD-2-Clause */
/* Interarrival jitter as RFC 3550 defines it (section 6.4.1, appendix A.8). */
#ifndef CLI_PDMPING_JITTER_H
#define CLI_PDMPING_JITTER_H

#include <stdint.h>

struct jitter {
    uint64_t samples;
    int64_t transit; /* of the latest arrival */
    double value;    /* nanoseconds; says something from two samples on */
};

/* The transit time of the next arrival. */
void jitter_add(struct jitter *j, int64_t transit);

#endif
