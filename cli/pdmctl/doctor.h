/* SPDX-License-Identifier: BSD-2-Clause */
/* What pdmctl doctor looks at. Each check tells what it found, in one or more findings. */
#ifndef CLI_PDMCTL_DOCTOR_H
#define CLI_PDMCTL_DOCTOR_H

#include <stdbool.h>

#include "cli/agent_client.h"

enum finding {
    FINDING_GOOD,
    FINDING_NOTE, /* it measures, but less, or less well */
    FINDING_BAD   /* it does not */
};

struct doctor {
    const char *host; /* NULL: no path was asked for */
    bool json;
    bool found_bad;
    struct agent_client client; /* quiet */
};

/* ADVICE is what to do; NULL: nothing. The rest is what was found, of CHECK. */
__attribute__((format(printf, 5, 6))) void doctor_tell(struct doctor *d, enum finding finding,
                                                       const char *check, const char *advice,
                                                       const char *format, ...);

/* The kernel: does it take packets with options? */
void doctor_kernel(struct doctor *d);
/* Can programs be run under the library, with the capability that attaching needs? */
void doctor_programs(struct doctor *d);
/* Clocks that step, or are slow to read, spoil delays. */
void doctor_clock(struct doctor *d);
/* The agent, and its associations. */
void doctor_agent(struct doctor *d);
/* Each address of the host: is it named, are there keys, and does the path carry options? */
void doctor_path(struct doctor *d);

#endif
