/* SPDX-License-Identifier: BSD-2-Clause */
/* A byte stream as its own end sees it. */
#include "core/stream.h"

#include "core/limits.h"

#define TLS_CHANGE_CIPHER_SPEC 20
#define TLS_HANDSHAKE 22
#define TLS_MAJOR 3

bool pdm_stream_may_attach(const struct pdm_stream *s, int64_t now)
{
    if (s->spoken)
        return false;
    if (s->accepted && s->met)
        return s->asked;
    return s->option_at == 0 || now - s->option_at >= PDM_STREAM_INTERVAL_NS;
}

/*
 * Sends without a receipt between them may be one request or several, and answers may be one or
 * come one by one. So each send owes an answer and each turn pays one; what is left over is
 * forgiven once it is quiet for far longer than any answer has taken.
 */
static void forgive(struct pdm_stream *s, int64_t now)
{
    int64_t quiet = now - s->active;

    if (quiet > PDM_STREAM_QUIET_NS && quiet / 2 > s->longest_gap)
        s->owed = 0;
}

void pdm_stream_sent(struct pdm_stream *s, int64_t now)
{
    if (!s->spoken)
        forgive(s, now);
    if (s->owed < UINT32_MAX)
        s->owed++;
    s->run = s->spoken ? s->run + 1 : 0;
    s->spoken = true;
    s->held = false;
    s->last = false;
    s->active = now;
}

void pdm_stream_attached(struct pdm_stream *s, int64_t now)
{
    s->last = true;
    s->asked = false;
    s->option_at = now;
    s->took = 0;
}

bool pdm_stream_heard(struct pdm_stream *s, int64_t now)
{
    int64_t gap = now - s->active;

    if (s->active != 0 && gap > s->longest_gap)
        s->longest_gap = gap;
    s->active = now;
    s->run++;
    if (!s->spoken && !s->held)
        return false;
    s->run = 0;
    s->unique = s->last && !s->held && s->owed == 1;
    s->owed -= s->owed > 0;
    s->spoken = false;
    s->held = false;
    return true;
}

bool pdm_stream_is_bulk(const struct pdm_stream *s)
{
    return s->run >= PDM_STREAM_BULK;
}

bool pdm_stream_is_handshake(const uint8_t *data, size_t len)
{
    return len >= 2 && (data[0] == TLS_CHANGE_CIPHER_SPEC || data[0] == TLS_HANDSHAKE) &&
           data[1] == TLS_MAJOR;
}
