/* SPDX-License-Identifier: BSD-2-Clause */
/* A flow that is being opened, or as if it were. */
#include "keyagent/opening.h"

#include "keyagent/enrolment/enrolment.h"

enum pdm_status opening_key(const struct request *q, struct opening *o)
{
    return keying_of(&q->agent->associations, o->association, o->tuple.saddr, o->tuple.daddr,
                     o->group, q->now, &o->keying);
}

enum pdm_status opening_follow_peer(struct request *q, struct opening *o)
{
    struct agent *agent = q->agent;
    uint32_t number = o->association->number;

    if (o->keying.count < 2 || o->keying.send == 1)
        return PDM_STATUS_OK;
    enrolment_peer_moved(o->association->enrolment, o->association->pair, o->tuple.saddr,
                         o->tuple.daddr, o->keying.of[1].serial);
    /* That may have changed the association. */
    o->association = associations_get(&agent->associations, number);
    return o->association != NULL ? opening_key(q, o) : PDM_STATUS_NOT_NAMED;
}

uint32_t opening_pause_ms(const struct request *q, const struct opening *o)
{
    int64_t ns =
        search_penalty(&q->agent->search, o->association, &o->keying, o->tuple.daddr, q->now);

    return (uint32_t)(ns / PDM_NSEC_PER_MSEC);
}
