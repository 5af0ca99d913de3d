/* SPDX-License-Identifier: BSD-2-Clause */
/* The requests for a flow, new or moved. */
#include <sodium.h>
#include <string.h>

#include "core/keys.h"
#include "core/limits.h"
#include "keyagent/agent_flows.h"
#include "keyagent/agent_names.h"
#include "keyagent/log.h"
#include "keyagent/requests_inside.h"

static uint64_t guess(struct agent *agent, const struct keying_secret *k,
                      const struct pdm_tuple *tuple)
{
    const struct peer *peer =
        peers_find(&agent->peers, agent->ledger.secret[k->ledger].id, tuple->daddr);

    return peer != NULL ? (uint64_t)peer->highest << 32 : 0;
}

static bool same_suite(const struct pdm_suite *a, const struct pdm_suite *b)
{
    return a->kem == b->kem && a->kdf == b->kdf && a->aead == b->aead;
}

/*
 * What the peer may send under beside what it is believed to. A flow has one suite: what goes with
 * another is found by a search, and then moved to.
 */
static bool put_other(struct agent *agent, const struct opening *o, struct pdm_open_reply *r)
{
    const struct keying *k = &o->keying;
    const struct keying_secret *other = &k->of[1 - k->send];
    struct pdm_tuple back = pdm_tuple_reverse(&o->tuple);

    if (k->count < 2 || !same_suite(&other->suite, &k->of[k->send].suite))
        return true;
    r->other = k->send == 0 ? PDM_OTHER_NEWER : PDM_OTHER_OLDER;
    r->other_serial = other->serial;
    r->other_guess = guess(agent, other, &o->tuple);
    return pdm_flow_secret(&other->suite, other->shared, &back, r->other_secret);
}

static bool put_secrets(struct agent *agent, const struct opening *o, struct pdm_open_reply *r)
{
    const struct keying_secret *k = &o->keying.of[o->keying.send];
    struct pdm_tuple back = pdm_tuple_reverse(&o->tuple);

    r->kem = k->suite.kem;
    r->kdf = k->suite.kdf;
    r->aead = k->suite.aead;
    r->peer_serial = k->serial;
    r->peer_guess = guess(agent, k, &o->tuple);
    return pdm_flow_secret(&k->suite, k->shared, &o->tuple, r->own_secret) &&
           pdm_flow_secret(&k->suite, k->shared, &back, r->peer_secret) && put_other(agent, o, r);
}

/* What an encrypted flow needs beyond the others. */
static enum pdm_status open_encrypted(struct request *q, const struct opening *o, bool wants_lease,
                                      struct pdm_open_reply *r)
{
    if (!put_secrets(q->agent, o, r))
        return PDM_STATUS_NO_LEASE;
    r->search_pause_ms = opening_pause_ms(q, o);
    if (!wants_lease)
        return PDM_STATUS_OK;
    if (!requests_lease(q, o->keying.of[o->keying.send].ledger, &o->tuple, 1, &r->lease_first))
        return PDM_STATUS_NO_LEASE;
    r->lease_count = 1;
    return PDM_STATUS_OK;
}

static enum pdm_status take_slot(struct request *q, const struct opening *o,
                                 struct pdm_open_reply *r)
{
    struct agent *agent = q->agent;
    const struct association *a = o->association;
    const struct keying_secret *own = &o->keying.of[o->keying.send];

    if (q->client->flows >= agent->config.flows_per_client ||
        agent->slots.used == agent->slots.count)
        agent_end_closed(agent, q->now);
    if (q->client->flows >= agent->config.flows_per_client) {
        log_warning("process %d has %u live flows, all that flows_per_client allows",
                    (int)q->client->id.pid, q->client->flows);
        return PDM_STATUS_QUOTA;
    }
    struct slot_info info = {.tuple = o->tuple,
                             .association = a->number,
                             .path = PATHS_NONE,
                             .format = (uint8_t)a->format,
                             .group = o->group,
                             .ledger = own->ledger,
                             .serial = own->serial,
                             .client = q->client->id,
                             .start = client_start(q->client, q->now),
                             .opened = q->now};
    do
        randombytes_buf(&r->owner, sizeof r->owner);
    while (r->owner == 0);
    r->slot = slots_take(&agent->slots, &info, r->owner);
    if (r->slot == SLOTS_NONE) {
        log_warning("all %u flows that max_slots allows are live", agent->slots.count);
        return PDM_STATUS_QUOTA;
    }
    q->client->flows++;
    agent_set_path(agent, r->slot, a);
    return PDM_STATUS_OK;
}

static enum pdm_status find_opening(struct request *q, const struct pdm_open_request *request,
                                    struct opening *o)
{
    o->tuple = pdm_tuple_from_bytes(request->tuple);
    o->association = agent_association(q->agent, &o->tuple, &o->group);
    if (o->association == NULL)
        return PDM_STATUS_NOT_NAMED;
    if (o->association->format != PDM_FORMAT_ENCRYPTED)
        return PDM_STATUS_OK;
    enum pdm_status status = opening_key(q, o);
    if (status == PDM_STATUS_OK && (request->flags & PDM_OPEN_SEEN_NEWER) != 0)
        status = opening_follow_peer(q, o);
    return status;
}

/* The lease comes last: what fails after it would burn Kri. */
static enum pdm_status open_under(struct request *q, const struct opening *o, bool wants_lease)
{
    struct agent *agent = q->agent;
    struct pdm_message m;
    struct pdm_open_reply r = {.status = PDM_STATUS_OK,
                               .instance = agent->instance,
                               .epoch = requests_epoch(agent),
                               .association = o->association->number,
                               .format = (uint8_t)o->association->format};
    enum pdm_status status = take_slot(q, o, &r);

    if (status != PDM_STATUS_OK)
        return status;
    if (o->association->format == PDM_FORMAT_ENCRYPTED)
        status = open_encrypted(q, o, wants_lease, &r);
    if (status == PDM_STATUS_OK) {
        request_begin(q, &m, o->type);
        pdm_put_open_reply(&m.body, &r);
        request_end(q, &m);
        q->reply->opened = true;
        q->reply->slot = r.slot;
    } else {
        agent_drop_flow(agent, r.slot);
    }
    sodium_memzero(&r, sizeof r);
    return status;
}

static enum pdm_status open_as(struct request *q, enum pdm_message_type type,
                               const struct pdm_open_request *request)
{
    struct opening o = {.type = type};

    if (!pdm_message_done(q->body) ||
        (request->flags & ~(PDM_OPEN_WANTS_LEASE | PDM_OPEN_SEEN_NEWER)) != 0)
        return PDM_STATUS_BAD_REQUEST;
    enum pdm_status status = find_opening(q, request, &o);
    if (status == PDM_STATUS_OK)
        status = open_under(q, &o, (request->flags & PDM_OPEN_WANTS_LEASE) != 0);
    keying_wipe(&o.keying);
    return status;
}

enum pdm_status requests_open(struct request *q)
{
    struct pdm_open_request request;

    pdm_get_open_request(q->body, &request);
    return open_as(q, PDM_OPEN, &request);
}

/* Here, and not by the shim, so that what a flow measured is never counted in two slots. */
enum pdm_status requests_move(struct request *q)
{
    struct agent *agent = q->agent;
    struct pdm_move_request m;

    pdm_get_move_request(q->body, &m);
    struct pdm_open_request request = {.flags = m.flags};
    struct pdm_tuple tuple = pdm_tuple_from_bytes(m.tuple);
    memcpy(request.tuple, m.tuple, sizeof request.tuple);
    enum pdm_status status = open_as(q, PDM_MOVE, &request);
    if (status != PDM_STATUS_OK)
        return status;
    const struct slot_record *from = requests_owned(q, m.slot, m.owner, &tuple);
    const struct slot_record *to = &agent->slots.record[q->reply->slot];
    if (m.instance == agent->instance && from != NULL &&
        from->info.format == PDM_FORMAT_ENCRYPTED && to->info.format == PDM_FORMAT_ENCRYPTED)
        agent_carry_flow(agent, m.slot, q->reply->slot);
    return PDM_STATUS_OK;
}
