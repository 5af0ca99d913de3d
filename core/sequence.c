/* SPDX-License-Identifier: BSD-2-Clause */
/* The replay window (RFC 6479), and what PSNTP tells of losses and reordering. */
#include "core/sequence.h"

#define WORD_BITS 64
#define NEWER_BELOW 32768 /* less than this ahead on the cycle: newer; else older */

/*
 * The unwrapped number of the first packet, whatever its PSN: more than a cycle above 0, so that
 * what is older has a number too, and constant, so that it is known to precede the first.
 */
#define FIRST ((uint64_t)2 * PDM_PSN_CYCLE)

static void slide(struct pdm_window *w, uint64_t seq)
{
    uint64_t from = w->top / WORD_BITS;
    uint64_t words = seq / WORD_BITS - from;
    if (words > PDM_WINDOW_WORDS) {
        words = PDM_WINDOW_WORDS;
    }
    for (uint64_t i = 1; i <= words; i++) {
        w->bits[(from + i) % PDM_WINDOW_WORDS] = 0;
    }
    w->top = seq;
}

enum pdm_window_verdict pdm_window_accept(struct pdm_window *w, uint64_t seq)
{
    if (seq == 0 || (seq < w->top && w->top - seq >= PDM_WINDOW)) {
        return PDM_WINDOW_OLD;
    }
    if (seq > w->top) {
        slide(w, seq);
    }
    uint64_t *word = &w->bits[seq / WORD_BITS % PDM_WINDOW_WORDS];
    uint64_t bit = (uint64_t)1 << seq % WORD_BITS;
    if ((*word & bit) != 0) {
        return PDM_WINDOW_SEEN;
    }
    *word |= bit;
    return PDM_WINDOW_NEW;
}

uint16_t pdm_psn_next(uint16_t psn)
{
    return psn == PDM_PSN_CYCLE ? 1 : (uint16_t)(psn + 1);
}

uint32_t pdm_psn_ahead(uint16_t a, uint16_t b)
{
    return ((uint32_t)b + PDM_PSN_CYCLE - a) % PDM_PSN_CYCLE;
}

static uint64_t unwrap(const struct pdm_sequence *s, uint16_t psn)
{
    if (s->top == 0) {
        return FIRST;
    }
    uint32_t ahead = pdm_psn_ahead(s->top_psn, psn);
    return ahead < NEWER_BELOW ? s->top + ahead : s->top + ahead - PDM_PSN_CYCLE;
}

struct pdm_sequence_step pdm_sequence_accept(struct pdm_sequence *s, uint16_t psn)
{
    uint64_t seq = unwrap(s, psn);
    struct pdm_sequence_step step = {.verdict = pdm_window_accept(&s->window, seq)};
    if (step.verdict != PDM_WINDOW_NEW) {
        return step;
    }
    if (seq < s->top) {
        step.reordered = true;
        step.lost = seq > FIRST ? -1 : 0;
        return step;
    }
    if (s->top != 0) {
        step.lost = (int64_t)(seq - s->top) - 1;
    }
    s->top = seq;
    s->top_psn = psn;
    return step;
}
