/* SPDX-License-Identifier: BSD-2-Clause */
/* Interarrival jitter: RFC 3550, appendix A.8. */
#include "cli/pdmping/jitter.h"

#include <math.h>

static const double gain = 16.0;

void jitter_add(struct jitter *j, int64_t transit)
{
    if (j->samples > 0)
        j->value += (fabs((double)(transit - j->transit)) - j->value) / gain;
    j->transit = transit;
    j->samples++;
}
