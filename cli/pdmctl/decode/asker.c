/* SPDX-License-Identifier: BSD-2-Clause */
/* Of one side of a conversation that passes by: its options, and which of them wait. */
#include "cli/pdmctl/decode/asker.h"

#include <string.h>

#include "core/sequence.h"

#define FIRST ((uint64_t)1 << 32) /* so that older ones have numbers too */

/* The number of PSN: of the cycle, the half behind the latest is older. Another process on the same
 * port, or the same after a restart, begins anywhere: all that was before counts no more. */
static uint64_t number_of(struct asker *a, uint16_t psn)
{
    uint32_t ahead = a->latest == 0 ? PDM_WINDOW : pdm_psn_ahead(a->latest_psn, psn);

    if (ahead < PDM_WINDOW)
        return a->latest + ahead;
    if (ahead > PDM_PSN_CYCLE - PDM_WINDOW)
        return a->latest + ahead - PDM_PSN_CYCLE;
    uint64_t fresh = (a->latest == 0 ? FIRST : a->latest) + PDM_PSN_CYCLE;

    *a = (struct asker){.answered = fresh - 1, .doubted = a->doubted};
    return fresh;
}

/* Everything is named and nothing more came for a round trip: nothing more will (core/flow.c). */
static void give_up_unanswered(struct asker *a, int64_t now)
{
    if (a->latest == 0 || a->named != a->latest || now - a->heard_at <= a->round_trip)
        return;
    a->answered = a->latest;
    a->presumed = 0;
}

void asker_sent(struct asker *a, const struct asked *sent)
{
    uint64_t number = number_of(a, sent->psn);

    a->sent[sent->psn % DECODE_SENT_RING] = *sent;
    if (number <= a->latest)
        return;
    give_up_unanswered(a, sent->at);
    a->latest = number;
    a->latest_psn = sent->psn;
}

const struct asked *asker_find(const struct asker *a, uint16_t psnlr, uint64_t *number)
{
    const struct asked *sent = &a->sent[psnlr % DECODE_SENT_RING];

    if (psnlr == 0 || sent->psn != psnlr)
        return NULL;
    uint32_t back = pdm_psn_ahead(psnlr, a->latest_psn);

    if (back >= DECODE_SENT_RING)
        return NULL;
    *number = a->latest - back;
    return sent;
}

static bool is_overlapped(struct asker *a)
{
    uint64_t waiting = a->latest - a->answered;

    if (waiting <= 1)
        return false;
    a->steady = waiting == a->waiting ? a->steady + 1 : 0;
    a->waiting = waiting;
    if (a->steady >= PDM_STEADY_SAMPLES) {
        a->steady = 0;
        a->answered = a->latest - 1;
        a->presumed = 0;
    }
    return true;
}

static void doubt(struct asker *a)
{
    a->answered -= a->presumed;
    a->presumed = 0;
    a->doubted = true;
}

enum asker_answer asker_answer(struct asker *a, uint64_t number, bool follows, bool stream)
{
    if (number <= a->named || !follows)
        return ASKER_NO_ANSWER;
    if (stream)
        return number == a->latest ? ASKER_ANSWERED : ASKER_OVERLAPPED;
    if (a->presumed > 0 && number <= a->answered) {
        doubt(a);
        return ASKER_NO_ANSWER;
    }
    return is_overlapped(a) ? ASKER_OVERLAPPED : ASKER_ANSWERED;
}

void asker_heard(struct asker *a, uint16_t psnlr, uint64_t number, int64_t at)
{
    if (number > a->named)
        a->named = number;
    /* Before it has a receive time of ours, the other side names nothing, but answers. */
    if (a->answered < (psnlr == 0 ? a->latest : number))
        a->answered++;
    a->heard_at = at;
}

void asker_sent_plain(struct asker *a)
{
    a->plain++;
}

void asker_heard_plain(struct asker *a)
{
    if (a->plain > 0) {
        a->plain--;
    } else if (a->answered < a->latest && !a->doubted) {
        a->answered++;
        a->presumed++;
    } else if (a->latest > 0) {
        doubt(a);
    }
}
