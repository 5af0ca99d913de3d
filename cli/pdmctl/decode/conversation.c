/* SPDX-License-Identifier: BSD-2-Clause */
/* Two hosts that talk, seen from anywhere between them. */
#include "cli/pdmctl/decode/conversation.h"

#include <netinet/in.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* --- what is measured --- */

/*
 * NETWORK is a difference of which each part is true to STEP: below 0 by more than that it is a
 * fault, and finer than the parts no sample.
 */
static void sample_network(struct side *side, struct delay *delay, int64_t network, int64_t step)
{
    if (network < -step)
        side->counter[SIDE_negative]++;
    else if (step > network / PDM_PRECISION_SHARE)
        side->counter[SIDE_imprecise]++;
    else
        delay_add(delay, network);
}

/* A - B of numbers that may be anything; what overflows is as far below 0 as can be told. */
static int64_t less(int64_t a, int64_t b)
{
    int64_t difference;

    return __builtin_sub_overflow(a, b, &difference) ? INT64_MIN : difference;
}

/* Option P of OTHER, which passed at AT, names Q of SIDE. */
static void measure_answer(struct side *side, const struct asked *q, uint64_t number, bool follows,
                           bool stream, const struct pdm_fields *p, int64_t at)
{
    int64_t server = pdm_delta_to_ns(p->dtlr);

    side->asker.round_trip = less(at, q->at);
    sample_network(side, &side->beyond, less(side->asker.round_trip, server),
                   pdm_delta_step_ns(p->dtlr));
    switch (asker_answer(&side->asker, number, follows, stream)) {
    case ASKER_ANSWERED:
        delay_add(&side->server, server);
        break;
    case ASKER_OVERLAPPED:
        side->counter[SIDE_overlapped]++;
        break;
    case ASKER_NO_ANSWER:
        break;
    }
}

/* Option R of SIDE names P of the other. */
static void measure_total(struct side *side, const struct pdm_fields *r, const struct asked *p)
{
    int64_t step = pdm_delta_step_ns(p->dtlr), step_total = pdm_delta_step_ns(r->dtls);

    if (p->psnlr == 0 || pdm_psn_next(p->psnlr) != r->psntp)
        return;
    sample_network(side, &side->network, less(pdm_delta_to_ns(r->dtls), pdm_delta_to_ns(p->dtlr)),
                   step > step_total ? step : step_total);
}

/* --- one option --- */

/* Without a Kri nothing tells one sender's sequence from the next one's (core/flow.c). */
static bool is_another_sequence(const struct pdm_sequence *sequence, uint16_t psntp)
{
    if (sequence->top == 0)
        return false;
    uint32_t ahead = pdm_psn_ahead(sequence->top_psn, psntp);

    return ahead >= PDM_WINDOW && ahead <= PDM_PSN_CYCLE - PDM_WINDOW;
}

/* *FOLLOWS: nothing before it in its sequence is missing. */
static enum option_status account(struct side *side, struct pdm_sequence *sequence, uint16_t psntp,
                                  bool *follows)
{
    if (sequence == &side->sequence && is_another_sequence(sequence, psntp))
        memset(sequence, 0, sizeof(*sequence));
    bool first = sequence->top == 0;
    struct pdm_sequence_step step = pdm_sequence_accept(sequence, psntp);

    switch (step.verdict) {
    case PDM_WINDOW_SEEN:
        side->counter[SIDE_duplicates]++;
        return OPTION_DUPLICATE;
    case PDM_WINDOW_OLD:
        side->counter[SIDE_outside_window]++;
        return OPTION_OUTSIDE_WINDOW;
    case PDM_WINDOW_NEW:
        break;
    }
    side->counter[SIDE_options]++;
    side->counter[SIDE_lost] += (uint64_t)step.lost;
    side->counter[SIDE_reordered] += step.reordered;
    *follows = first || (!step.reordered && step.lost == 0);
    return OPTION_READ;
}

static struct pdm_live *decrypt(struct side *side, struct opener *opener,
                                const struct pdm_tuple *tuple, struct pdm_found *found)
{
    if (opener->secrets->count == 0)
        return NULL;
    if (side->opening == NULL)
        side->opening = calloc(1, sizeof(*side->opening));
    return side->opening != NULL ? opener_open(opener, side->opening, tuple, found) : NULL;
}

static void measure(struct conversation *c, unsigned from, const struct pdm_fields *fields,
                    bool follows, int64_t at)
{
    struct side *side = &c->side[from], *other = &c->side[!from];
    const struct asked sent = {at, fields->psntp, fields->psnlr, fields->dtlr};
    uint64_t number = 0;
    const struct asked *named = asker_find(&other->asker, fields->psnlr, &number);

    if (named != NULL) {
        measure_answer(other, named, number, follows, c->tuple.proto == IPPROTO_TCP, fields, at);
        measure_total(side, fields, named);
    }
    asker_heard(&other->asker, fields->psnlr, number, at);
    asker_sent(&side->asker, &sent);
}

enum option_status conversation_option(struct conversation *c, unsigned from, struct opener *opener,
                                       struct pdm_found *found, int64_t at, uint64_t *kri)
{
    struct side *side = &c->side[from];
    struct pdm_sequence *sequence = &side->sequence;
    bool follows = false;

    if (!side->has_format) {
        side->has_format = true;
        side->format = (uint8_t)found->format;
    }
    if (found->format == PDM_FORMAT_ENCRYPTED) {
        const struct pdm_tuple tuple = conversation_tuple(c, from);
        struct pdm_live *live = decrypt(side, opener, &tuple, found);

        if (live == NULL) {
            side->counter[SIDE_not_decrypted]++;
            return OPTION_NOT_DECRYPTED;
        }
        sequence = &live->sequence;
        *kri = live->kri;
    }
    if (found->fields.psntp == 0) {
        side->counter[SIDE_malformed]++;
        return OPTION_MALFORMED;
    }
    if (side->format != found->format) {
        side->counter[SIDE_wrong_format]++;
        return OPTION_WRONG_FORMAT;
    }
    enum option_status status = account(side, sequence, found->fields.psntp, &follows);

    if (status == OPTION_READ)
        measure(c, from, &found->fields, follows, at);
    return status;
}

void conversation_plain(struct conversation *c, unsigned from)
{
    if (c->tuple.proto == IPPROTO_TCP)
        return;
    asker_sent_plain(&c->side[from].asker);
    asker_heard_plain(&c->side[!from].asker);
}

struct pdm_tuple conversation_tuple(const struct conversation *c, unsigned from)
{
    return from == 0 ? c->tuple : pdm_tuple_reverse(&c->tuple);
}

void conversation_end(struct conversation *c)
{
    for (unsigned i = 0; i < 2; i++) {
        if (c->side[i].opening != NULL)
            sodium_memzero(c->side[i].opening, sizeof(*c->side[i].opening));
        free(c->side[i].opening);
    }
    *c = (struct conversation){0};
}
