/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets in, reports out: from a frame to what it adds to its conversation. All of it but files
 * and signals, so that a fuzzer can be in their place.
 */
#ifndef CLI_PDMCTL_DECODE_DECODE_H
#define CLI_PDMCTL_DECODE_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "cli/pdmctl/decode/conversations.h"
#include "cli/pdmctl/decode/link.h"
#include "cli/pdmctl/decode/opener.h"
#include "cli/pdmctl/decode/report.h"

struct decoder {
    const struct report *report;
    bool verbose;     /* tell of each option */
    FILE *disclosure; /* or NULL */
    struct opener opener;
    struct conversations *conversations;
    struct capture_totals totals;
};

/* D's report, verbose and disclosure are set, all else is 0. MOST conversations at a time. False
 * after a line, for want of memory; decoder_free() in any case. */
bool decoder_init(struct decoder *d, const struct secrets *secrets, size_t most);
/* A frame of LEN octets that was captured at TIME_NS, on a link of STRIP's kind. */
void decoder_frame(struct decoder *d, link_strip *strip, const uint8_t *bytes, size_t len,
                   int64_t time_ns);
/* No more come: tells of what is left, and of the whole. */
void decoder_end(struct decoder *d);
void decoder_free(struct decoder *d);

#endif
