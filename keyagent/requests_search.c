/* SPDX-License-Identifier: BSD-2-Clause */
/* The request for a search, and what is found later. */
#include <string.h>

#include "keyagent/agent_names.h"
#include "keyagent/clock.h"
#include "keyagent/requests_inside.h"

/* The other direction of what was searched for; the keying of *O is to be wiped. */
static bool find_answering(const struct request *q, const struct search_target *target,
                           struct opening *o)
{
    *o = (struct opening){.tuple = pdm_tuple_reverse(&target->tuple), .group = target->group};
    o->association = associations_get(&q->agent->associations, target->association);
    return o->association != NULL && opening_key(q, o) == PDM_STATUS_OK;
}

/* A search that succeeds under the newer secret shows as well as an open flow that the peer has it.
 */
static void follow_found(struct request *q, const struct search_target *target, uint32_t serial)
{
    struct opening o;

    if (find_answering(q, target, &o) && o.keying.count > 1 && o.keying.of[1].serial == serial)
        (void)opening_follow_peer(q, &o);
    keying_wipe(&o.keying);
}

static uint32_t pause_of_peer(const struct request *q, const struct search_target *target)
{
    struct opening o;
    uint32_t ms = find_answering(q, target, &o) ? opening_pause_ms(q, &o) : 0;

    keying_wipe(&o.keying);
    return ms;
}

void requests_found(struct agent *agent, const struct search_hit *hit)
{
    struct request q = {.agent = agent, .now = clock_now()};

    follow_found(&q, &hit->target, hit->serial);
}

enum pdm_status requests_search(struct request *q)
{
    struct agent *agent = q->agent;
    struct pdm_search_request s;
    struct pdm_search_reply r = {.status = PDM_STATUS_OK};
    struct pdm_message m;

    pdm_get_search_request(q->body, &s);
    if (!pdm_message_done(q->body) || s.has_highest > 1)
        return PDM_STATUS_BAD_REQUEST;
    if (s.instance != agent->instance)
        return PDM_STATUS_STALE;
    struct search_target target = {.tuple = pdm_tuple_from_bytes(s.tuple)};
    struct pdm_tuple own = pdm_tuple_reverse(&target.tuple);
    struct search_kri highest = {s.highest, s.highest_serial}, found = {0};
    const struct association *a = agent_association(agent, &own, &target.group);
    if (a == NULL || a->format != PDM_FORMAT_ENCRYPTED)
        return PDM_STATUS_NOT_NAMED;
    target.association = a->number;
    memcpy(target.option, s.option, sizeof target.option);
    enum pdm_status status =
        search_ask(&agent->search, &target, s.has_highest ? &highest : NULL, q->now, &found);
    if (status == PDM_STATUS_OK) {
        r.kri = found.kri;
        r.serial = found.serial;
        follow_found(q, &target, found.serial);
    } else if (status == PDM_STATUS_NOT_FOUND) {
        r.status = PDM_STATUS_NOT_FOUND;
        r.pause_ms = pause_of_peer(q, &target);
    } else {
        return status;
    }
    request_begin(q, &m, PDM_SEARCH);
    pdm_put_search_reply(&m.body, &r);
    request_end(q, &m);
    return PDM_STATUS_OK;
}
