/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What decode says, on standard output: packets as they come, if they are asked for, conversations
 * as they end, and the whole in the end. All in constant memory.
 */
#ifndef CLI_PDMCTL_DECODE_REPORT_H
#define CLI_PDMCTL_DECODE_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/pdmctl/decode/conversation.h"

#define DECODE_SCHEMA "pdmctl-decode/1"

/* Of the whole capture. */
#define CAPTURE_COUNTERS(X)                                                                        \
    X(packets, "packets in the capture")                                                           \
    X(with_option, "of them, with an option, or a header that may hold one and is malformed")      \
    X(conversations, "conversations with options")                                                 \
    X(evicted, "of them, those ended for want of room: they may go on as another")                 \
    X(fragments, "later fragments, in which no option can be")                                     \
    X(cut, "IPv6 packets of which the capture kept too little")                                    \
    X(broken, "IPv6 packets whose headers go on behind their end")

struct capture_totals {
#define CAPTURE_MEMBER(name, meaning) uint64_t name;
    CAPTURE_COUNTERS(CAPTURE_MEMBER)
#undef CAPTURE_MEMBER
    bool complete; /* the capture was read to its end */
};

struct seen_option {
    int64_t time_ns;
    struct pdm_tuple tuple;
    enum option_status status;
    const struct pdm_found *found; /* NULL: no layout that is known */
    uint64_t kri;                  /* of what was decrypted */
};

struct report {
    void (*option)(const struct seen_option *seen);
    void (*side)(const struct conversation *c, unsigned from);
    void (*end)(const struct capture_totals *totals);
};

extern const struct report report_text, report_json;

/* "read", "malformed", ... */
const char *report_option_status(enum option_status status);
/* All fields are known, and not only those in the clear. */
static inline bool report_has_fields(const struct seen_option *seen)
{
    return seen->found != NULL && seen->status != OPTION_NOT_DECRYPTED;
}

#endif
