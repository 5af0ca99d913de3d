/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opening what a peer sealed: the set of its live Kri. The Kri is not on the wire, only its
 * lowest bit f is; the live ones are tried, then the successor of the highest, derived ahead.
 * State changes only after a good tag. Signal-safe, one thread at a time.
 */
#ifndef PDM_CORE_RECEIVER_H
#define PDM_CORE_RECEIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/keys.h"
#include "core/option.h"
#include "core/sequence.h"

struct pdm_live {
    bool used;
    uint64_t kri;
    uint64_t last_use; /* turn of the receiver's counter, for replacing the least recently used */
    struct pdm_key key;
    struct pdm_sequence sequence;
};

struct pdm_receiver {
    struct pdm_suite suite;
    uint8_t secret[PDM_NH_MAX]; /* FlowSecret of the peer's directed tuple */
    uint64_t turn;
    uint64_t fresh; /* lowest Kri that may become live: below it some lost their place */
    bool next_valid;
    uint64_t next_kri; /* the highest live Kri + 1, or the first guess */
    struct pdm_key next_key;
    struct pdm_live live[PDM_LIVE_KRI];
};

/* GUESS is the Kri to expect first: the peer's last known one, or 0. */
bool pdm_receiver_init(struct pdm_receiver *r, const struct pdm_suite *suite,
                       const uint8_t secret[static PDM_NH_MAX], uint64_t guess);
/* Opens OPTION. The live Kri that fitted, or NULL and nothing changed. */
struct pdm_live *pdm_receiver_open(struct pdm_receiver *r,
                                   const uint8_t option[static PDM_OPTION_MAX],
                                   struct pdm_fields *fields);
/*
 * A Kri that a search found to fit. It becomes the next guess: the caller opens again. Does nothing
 * for a Kri that is live. False for one that may have been live before: its window is forgotten, so
 * that its packets could not be told from replays.
 */
bool pdm_receiver_expect(struct pdm_receiver *r, uint64_t kri);
/* The highest Kri seen live; false if none was. */
bool pdm_receiver_highest(const struct pdm_receiver *r, uint64_t *kri);

#endif
