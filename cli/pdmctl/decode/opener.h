/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opening encrypted options that passed between others. The Kri is not on the wire: of a flow in
 * progress it is one of those that were seen or comes next; else it is searched for, as the agent
 * does, but for the time that this takes: many packets that no key opens must not cost minutes.
 */
#ifndef CLI_PDMCTL_DECODE_OPENER_H
#define CLI_PDMCTL_DECODE_OPENER_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/pdmctl/decode/secrets.h"
#include "core/option.h"
#include "core/receiver.h"
#include "core/tuple.h"

/* What is known of the sender of one directed flow. All zero at first. */
struct opening {
    struct pdm_receiver receiver;
    const struct secret *secret; /* under which it was seen to send; NULL: none yet */
    uint64_t failures;           /* since the last option that opened */
};

struct opener_peer;

struct opener {
    const struct secrets *secrets;
    struct opener_peer *peers;          /* DECODE_PEERS */
    uint64_t options;                   /* that passed */
    unsigned near_in_vain, all_in_vain; /* searches */
    bool gave_up; /* some options were not searched for as far as they could have been */
};

/* False after a line, for want of memory. */
bool opener_init(struct opener *o, const struct secrets *secrets);
void opener_free(struct opener *o);
/* OPENING is of the flow TUPLE, as the sender sees it. Fills in what is encrypted of FOUND's
 * fields. The live Kri that fitted, or NULL and only OPENING's failures changed. */
struct pdm_live *opener_open(struct opener *o, struct opening *opening,
                             const struct pdm_tuple *tuple, struct pdm_found *found);

#endif
