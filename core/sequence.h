/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PSNTP as received: the replay window of RFC 6479, and losses and reordering towards us.
 * PSN run 1..65535 and then 1 again; 0 is never sent. Pure, signal-safe, one thread at a time.
 */
#ifndef PDM_CORE_SEQUENCE_H
#define PDM_CORE_SEQUENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/limits.h"

#define PDM_PSN_CYCLE 65535
#define PDM_WINDOW_WORDS                                                                           \
    (PDM_WINDOW / 64 + 1) /* RFC 6479: one spare block, so that no bit is shifted */

/* RFC 6479 over 64-bit numbers from 1. */
struct pdm_window {
    uint64_t top;
    uint64_t bits[PDM_WINDOW_WORDS];
};

enum pdm_window_verdict { PDM_WINDOW_NEW, PDM_WINDOW_SEEN, PDM_WINDOW_OLD };
enum pdm_window_verdict pdm_window_accept(struct pdm_window *w, uint64_t seq);

/* The successor of a PSN: 65535 is followed by 1. */
uint16_t pdm_psn_next(uint16_t psn);
/* How far B is ahead of A on the cycle, 0..65534. Neither may be 0. */
uint32_t pdm_psn_ahead(uint16_t a, uint16_t b);

struct pdm_sequence {
    struct pdm_window window;
    uint64_t top;     /* the highest number so far, unwrapped; 0 before the first */
    uint16_t top_psn; /* the same as PSN */
    uint16_t pad[3];
};

struct pdm_sequence_step {
    enum pdm_window_verdict verdict;
    bool reordered; /* new, but below the highest seen */
    int64_t lost;   /* change of the number of losses: gap opened, or -1 for one filled */
};

/* PSN is not 0. Numbers before the first one seen count as reordered, not as losses filled. */
struct pdm_sequence_step pdm_sequence_accept(struct pdm_sequence *s, uint16_t psn);

#endif
