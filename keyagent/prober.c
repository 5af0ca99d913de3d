/* SPDX-License-Identifier: BSD-2-Clause */
/* Whose turn it is to be probed. */
#include "keyagent/prober.h"

#include <string.h>

void prober_init(struct prober *p, struct path_table *paths, prober_found *found, void *arg)
{
    *p = (struct prober){
        .paths = paths, .first = PATHS_NONE, .last = PATHS_NONE, .found = found, .arg = arg};
    for (size_t i = 0; i < AGENT_PROBINGS; i++)
        p->probing[i].path = PATHS_NONE;
}

/* Those that wait. */

void prober_enqueue(struct prober *p, uint32_t path)
{
    struct path *item = p->paths->item;

    if (item[path].queued)
        return;
    item[path].queued = true;
    item[path].due = INT64_MAX;
    item[path].next = PATHS_NONE;
    if (p->last == PATHS_NONE)
        p->first = path;
    else
        item[p->last].next = path;
    p->last = path;
}

/* The next that waits and is still wanted; the others are probed when a flow comes. */
static uint32_t dequeue(struct prober *p, int64_t now)
{
    while (p->first != PATHS_NONE) {
        uint32_t i = p->first;
        struct path *path = &p->paths->item[i];

        p->first = path->next;
        if (p->first == PATHS_NONE)
            p->last = PATHS_NONE;
        if (path_wanted(path, now))
            return i;
        path->queued = false;
        path->due = 0;
    }
    return PATHS_NONE;
}

bool prober_busy(const struct prober *p)
{
    return p->probings > 0 || p->first != PATHS_NONE;
}

/* Those under way. */

static void begin_waiting(struct prober *p, int64_t now)
{
    for (size_t n = 0; n < AGENT_PROBINGS && p->first != PATHS_NONE; n++) {
        if (p->probing[n].path != PATHS_NONE)
            continue;
        uint32_t path = dequeue(p, now);
        if (path == PATHS_NONE)
            return;
        probing_begin(&p->probing[n], path, now);
        p->probings++;
    }
}

static void end(struct prober *p, struct path_probing *probing)
{
    p->paths->item[probing->path].queued = false;
    probing->path = PATHS_NONE;
    p->probings--;
}

void prober_abandon(struct prober *p, uint32_t path)
{
    for (size_t n = 0; n < AGENT_PROBINGS; n++)
        if (p->probing[n].path == path)
            end(p, &p->probing[n]);
}

static void end_if_over(struct prober *p, struct path_probing *probing, int64_t now)
{
    enum pdm_path found;
    uint32_t path = probing->path;

    if (!probing_is_over(probing, now, &found))
        return;
    end(p, probing);
    p->found(p->arg, path, found, now);
}

/* Echo requests. */

/* Of those that have a request to send, the one that began first: else those that begin later and
 * end sooner would keep it from its turn for as long as any wait. NULL: none has. */
static struct path_probing *next_due(struct prober *p, int64_t now)
{
    struct path_probing *next = NULL;

    for (size_t n = 0; n < AGENT_PROBINGS; n++) {
        struct path_probing *probing = &p->probing[n];

        if (probing->path != PATHS_NONE && probing_due(probing, now) != PATH_ECHOES &&
            (next == NULL || probing->began < next->began))
            next = probing;
    }
    return next;
}

static void send_next(struct prober *p, struct path_probing *probing, int64_t now,
                      struct path_request *request)
{
    uint32_t i = probing_due(probing, now);
    const struct path *path = &p->paths->item[probing->path];

    probing_sent(probing, i, now);
    *request = (struct path_request){.local = path->local,
                                     .peer = path->peer,
                                     .format = path->format,
                                     .with_option = probing_with_option(i)};
    memcpy(request->nonce, probing->echo[i].nonce, PATH_NONCE_LEN);
    p->sent++;
}

bool prober_next(struct prober *p, int64_t now, struct path_request *request)
{
    for (size_t n = 0; n < AGENT_PROBINGS; n++)
        if (p->probing[n].path != PATHS_NONE)
            end_if_over(p, &p->probing[n], now);
    begin_waiting(p, now);
    struct path_probing *probing = next_due(p, now);

    if (probing == NULL || !bucket_take(&p->echoes, now, AGENT_PROBE_RATE))
        return false;
    send_next(p, probing, now, request);
    return true;
}

/* The echo under way with NONCE, and its probing; or NULL. */
static struct path_echo *echo_of(struct prober *p, const uint8_t *nonce,
                                 struct path_probing **probing)
{
    for (size_t n = 0; n < AGENT_PROBINGS; n++) {
        *probing = &p->probing[n];
        struct path_echo *echo =
            (*probing)->path != PATHS_NONE ? probing_echo(*probing, nonce) : NULL;

        if (echo != NULL)
            return echo;
    }
    return NULL;
}

void prober_unsent(struct prober *p, const uint8_t nonce[static PATH_NONCE_LEN])
{
    struct path_probing *probing;
    struct path_echo *echo = echo_of(p, nonce, &probing);

    if (echo != NULL)
        echo->state = PATH_ECHO_LOST;
}

void prober_answered(struct prober *p, const uint8_t nonce[static PATH_NONCE_LEN],
                     const uint8_t from[static PDM_ADDR_LEN], int64_t now)
{
    struct path_probing *probing;
    struct path_echo *echo = echo_of(p, nonce, &probing);

    if (echo == NULL || memcmp(p->paths->item[probing->path].peer, from, PDM_ADDR_LEN) != 0)
        return;
    probing_answered(probing, echo, now);
    end_if_over(p, probing, now);
}
