/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the probes without an answer went. */
#ifndef CLI_PDMPING_LOSSES_H
#define CLI_PDMPING_LOSSES_H

#include "cli/pdmping/tally.h"

struct losses {
    uint64_t lost;                 /* neither answered nor known to have failed */
    const struct missing *missing; /* NULL: the three below are known, and their sum is LOST */
    uint64_t to_server;
    uint64_t back;
    uint64_t untold; /* before the first option of the server's, or after its latest */
};

/*
 * The server numbers its options: a gap in what it sent is a loss on the way back, and the other
 * probes without an answer were lost on the way to it, or not answered. MENDED: the transport
 * itself repairs losses, as TCP does.
 */
struct losses losses_of(const struct tally *tally, const struct pdmv2_stats *flow,
                        const struct missing *why_not, bool mended);

#endif
