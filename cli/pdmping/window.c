/* SPDX-License-Identifier: BSD-2-Clause */
/* What became of each probe. */
#include "cli/pdmping/window.h"

#include <string.h>

static struct sent *sent_of(struct window *w, uint64_t seq)
{
    return &w->sent[seq % WINDOW_PROBES];
}

static bool is_known(const struct window *w, uint64_t seq)
{
    return seq > 0 && seq < w->next && w->next - seq <= WINDOW_PROBES;
}

void window_init(struct window *w)
{
    memset(w, 0, sizeof(*w));
    w->next = 1;
    w->oldest = 1;
}

uint64_t window_send(struct window *w, int64_t at)
{
    *sent_of(w, w->next) = (struct sent){.at = at, .fate = FATE_WAITING};
    w->waiting++;
    return w->next++;
}

/* Sees to it that OLDEST is a waiting probe, or the next one. */
static void advance(struct window *w)
{
    while (w->oldest < w->next && sent_of(w, w->oldest)->fate != FATE_WAITING)
        w->oldest++;
}

static void settle(struct window *w, struct sent *sent, enum fate fate)
{
    if (sent->fate == FATE_WAITING)
        w->waiting--;
    sent->fate = fate;
    advance(w);
}

struct answer window_answer(struct window *w, uint64_t seq, int64_t at)
{
    if (!is_known(w, seq) || sent_of(w, seq)->at != at)
        return (struct answer){0};
    struct sent *sent = sent_of(w, seq);
    struct answer answer = {
        .known = true,
        .duplicate = sent->fate == FATE_ANSWERED,
        .late = sent->fate == FATE_TIMED_OUT,
        .alone = w->waiting == (sent->fate == FATE_WAITING ? 1 : 0),
    };

    answer.reordered = !answer.duplicate && seq < w->answered_to;
    if (seq > w->answered_to)
        w->answered_to = seq;
    settle(w, sent, FATE_ANSWERED);
    return answer;
}

bool window_fail(struct window *w, uint64_t seq)
{
    if (!window_waits(w, seq))
        return false;
    settle(w, sent_of(w, seq), FATE_FAILED);
    return true;
}

bool window_expire(struct window *w, int64_t now, int64_t wait, uint64_t *seq, int64_t *age)
{
    if (w->oldest == w->next)
        return false;
    struct sent *sent = sent_of(w, w->oldest);
    /* Its place is about to be taken: the wait is longer than the memory. */
    bool displaced = w->next - w->oldest >= WINDOW_PROBES;

    if (!displaced && now - sent->at < wait)
        return false;
    *seq = w->oldest;
    *age = now - sent->at;
    settle(w, sent, FATE_TIMED_OUT);
    return true;
}

bool window_waits(const struct window *w, uint64_t seq)
{
    return is_known(w, seq) && w->sent[seq % WINDOW_PROBES].fate == FATE_WAITING;
}

int64_t window_oldest(const struct window *w)
{
    return w->oldest < w->next ? w->sent[w->oldest % WINDOW_PROBES].at : INT64_MAX;
}
