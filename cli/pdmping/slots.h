/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What became of the probes of one target lately, by when they were sent: a column of the live view
 * is a slot of time. Of a slot's answers the slowest is kept, since an average would hide it.
 */
#ifndef CLI_PDMPING_SLOTS_H
#define CLI_PDMPING_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/pdmping/tally.h"

enum { SLOTS_KEPT = 512 }; /* as many as the widest view has columns */

struct slot {
    uint64_t number; /* which slot since the start this is; another: there is nothing of it here */
    unsigned sent, answered, lost;
    int64_t total; /* of the slowest answer */
    int64_t network, server;
    bool divided; /* the two are known */
};

struct slots {
    int64_t start; /* CLOCK_MONOTONIC */
    int64_t width; /* nanoseconds */
    struct slot slot[SLOTS_KEPT];
};

void slots_begin(struct slots *s, int64_t start, int64_t width);
void slots_sent(struct slots *s, int64_t at);
/* The answer to a probe sent at AT; one that is late was lost until now. */
void slots_answered(struct slots *s, int64_t at, const struct reply *reply);
void slots_lost(struct slots *s, int64_t at);
/* The number of the slot that AT is in. */
uint64_t slots_number(const struct slots *s, int64_t at);
/* NULL: nothing was sent in it, or it is too long ago. */
const struct slot *slots_find(const struct slots *s, uint64_t number);

#endif
