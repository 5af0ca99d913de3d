/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two hosts that talk, seen from anywhere between them (RFC 8250 appendix C.1.5): what each sends
 * is a side, and what it measures of the other is made from both sides' options.
 *
 * With q an option of one side, p the other's that names it, and r the first side's next:
 *
 *   server delay of the other   DELTATLR of p: its own measurement.
 *   network delay               DELTATLS of r, which is the time from q to the receipt of p, less
 *                               DELTATLR of p. It is that only if r names p, p names q, and q comes
 *                               right before r: then no other was sent between.
 *   of it, beyond this point    from when q passed to when p did, less DELTATLR of p: the way from
 *                               here to the other side and back. The only one made with the clock
 *                               of the capture.
 *
 * Times are of the capture, in nanoseconds.
 */
#ifndef CLI_PDMCTL_DECODE_CONVERSATION_H
#define CLI_PDMCTL_DECODE_CONVERSATION_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/pdmctl/decode/asker.h"
#include "cli/pdmctl/delay.h"
#include "cli/pdmctl/decode/opener.h"
#include "core/option.h"
#include "core/sequence.h"
#include "core/tuple.h"

/* What is counted of one side: name, meaning. */
#define SIDE_COUNTERS(X)                                                                           \
    X(options, "good options")                                                                     \
    X(lost, "options lost before they came here, by PSNTP")                                        \
    X(reordered, "options that came behind a later one")                                           \
    X(duplicates, "options seen again")                                                            \
    X(outside_window, "good options far behind")                                                   \
    X(not_decrypted, "encrypted options that no key at hand opens")                                \
    X(malformed, "options of no known layout, or with a PSNTP of 0")                               \
    X(bad_version, "PDMv2 options of another version")                                             \
    X(repeated, "packets with more than one option")                                               \
    X(wrong_format, "options of another format than the side's first")                             \
    X(overlapped, "server delays with more than one option unanswered")                            \
    X(negative, "delays below 0: a fault of a host or of a clock")                                 \
    X(imprecise, "network delays finer than the deltas' resolution")

enum side_counter {
#define SIDE_COUNTER_ENUM(name, meaning) SIDE_##name,
    SIDE_COUNTERS(SIDE_COUNTER_ENUM)
#undef SIDE_COUNTER_ENUM
        SIDE_COUNTER_COUNT
};

struct side {
    bool has_format;
    uint8_t format; /* enum pdm_format, of its first option */
    uint64_t counter[SIDE_COUNTER_COUNT];
    struct pdm_sequence sequence; /* of what has no Kri */
    struct opening *opening;      /* of what has; NULL: nothing was tried */
    /* What it measured: */
    struct delay network; /* both directions together */
    struct delay server;  /* the other's */
    struct delay beyond;  /* the part of the network between here and the other, and back */
    struct asker asker;
};

struct conversation {
    struct pdm_tuple tuple; /* as side 0 sends */
    bool begun;             /* and then, when it was first and last heard: */
    int64_t first_ns, last_ns;
    struct side side[2];
};

/* What an option that passed turned out to be. */
enum option_status {
    OPTION_READ,
    OPTION_MALFORMED,
    OPTION_BAD_VERSION,
    OPTION_REPEATED,
    OPTION_NOT_DECRYPTED,
    OPTION_WRONG_FORMAT,
    OPTION_DUPLICATE,
    OPTION_OUTSIDE_WINDOW,
};

/*
 * The good option FOUND of side FROM passed at AT. Encrypted, it is opened by OPENER, and FOUND's
 * fields and *KRI are filled in.
 */
enum option_status conversation_option(struct conversation *c, unsigned from, struct opener *opener,
                                       struct pdm_found *found, int64_t at, uint64_t *kri);
/* A packet of that side without an option passed. */
void conversation_plain(struct conversation *c, unsigned from);
/* The flow of that side's packets. */
struct pdm_tuple conversation_tuple(const struct conversation *c, unsigned from);
/* Wipes what it holds, too. */
void conversation_end(struct conversation *c);

#endif
