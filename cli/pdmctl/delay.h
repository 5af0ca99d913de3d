/* SPDX-License-Identifier: BSD-2-Clause */
/* Delays of one kind, summed up in a few octets. Nanoseconds. */
#ifndef CLI_PDMCTL_DELAY_H
#define CLI_PDMCTL_DELAY_H

#include <stdint.h>

#include "cli/json.h"

struct delay {
    uint64_t samples;
    int64_t last, min, max; /* nothing while samples is 0 */
    int64_t sum;            /* never more than an int64_t holds: what goes beyond is not added */
};

static inline void delay_add(struct delay *d, int64_t ns)
{
    int64_t sum;

    if (__builtin_add_overflow(d->sum, ns, &sum))
        return;
    if (d->samples == 0 || ns < d->min)
        d->min = ns;
    if (d->samples == 0 || ns > d->max)
        d->max = ns;
    d->sum = sum;
    d->last = ns;
    d->samples++;
}

/* Of at least one sample. */
static inline int64_t delay_mean(const struct delay *d)
{
    /* What an agent tells was taken from memory that others write: no reason to trap. */
    return d->samples > INT64_MAX ? 0 : d->sum / (int64_t)d->samples;
}

/* A member: an object, or null without a sample. */
void delay_json(struct json *j, const char *key, const struct delay *d);

#endif
