/* SPDX-License-Identifier: BSD-2-Clause */
/* One function per request. */
#include "keyagent/requests.h"

#include <sodium.h>
#include <string.h>

#include "core/keys.h"
#include "core/limits.h"
#include "keyagent/clock.h"
#include "keyagent/enrolment/enrolment.h"
#include "keyagent/keying.h"
#include "keyagent/log.h"
#include "keyagent/report.h"
#include "keyagent/request.h"

/* A reply that says no: its status, and zeros. */
#define DEFINE_REFUSE(body)                                                                        \
    static void refuse_##body(struct pdm_writer *w, enum pdm_status status)                        \
    {                                                                                              \
        struct pdm_##body refused = {.status = (uint8_t)status};                                   \
                                                                                                   \
        pdm_put_##body(w, &refused);                                                               \
    }
DEFINE_REFUSE(hello_reply)
DEFINE_REFUSE(open_reply)
DEFINE_REFUSE(renew_reply)
DEFINE_REFUSE(search_reply)
DEFINE_REFUSE(status_reply)
DEFINE_REFUSE(path_reply)
DEFINE_REFUSE(page_reply)

static enum pdm_status hello(struct request *q)
{
    const struct agent *agent = q->agent;
    struct pdm_message m;
    struct pdm_hello_reply r = {.status = PDM_STATUS_OK, .instance = agent->instance};

    if (!pdm_message_done(q->body))
        return PDM_STATUS_BAD_REQUEST;
    request_begin(q, &m, PDM_HELLO);
    pdm_put_hello_reply(&m.body, &r);
    request_end(q, &m);
    q->reply->fd[0] = agent->segment.policy_fd;
    q->reply->fd[1] = agent->segment.metrics_fd;
    q->reply->fds = REPLY_FDS;
    return PDM_STATUS_OK;
}

static bool lease(struct request *q, uint32_t ledger, const struct pdm_tuple *tuple, uint32_t count,
                  uint64_t *first)
{
    struct agent *agent = q->agent;

    if (!ledger_grant(&agent->ledger, ledger, tuple, q->client->id.pid, count, q->now, first))
        return false;
    agent->leases++;
    return true;
}

/* A flow that is being opened. */
struct opening {
    enum pdm_message_type type; /* of the request */
    struct pdm_tuple tuple;     /* as this host sends */
    const struct association *association;
    uint16_t group;
    struct keying keying; /* encrypted: the secrets to open it under */
};

static enum pdm_status key_opening(const struct request *q, struct opening *o)
{
    return keying_of(&q->agent->associations, o->association, o->tuple.saddr, o->tuple.daddr,
                     o->group, q->now, &o->keying);
}

/* The peer was seen to send under the newer secret: it has it, so it can be sent under at once. */
static enum pdm_status follow_peer(struct request *q, struct opening *o)
{
    struct agent *agent = q->agent;
    uint32_t number = o->association->number;

    if (o->keying.count < 2 || o->keying.send == 1)
        return PDM_STATUS_OK;
    enrolment_peer_moved(o->association->enrolment, o->association->pair, o->tuple.saddr,
                         o->tuple.daddr, o->keying.of[1].serial);
    /* That may have changed the association. */
    o->association = associations_get(&agent->associations, number);
    return o->association != NULL ? key_opening(q, o) : PDM_STATUS_NOT_NAMED;
}

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

static uint32_t penalty_ms(const struct request *q, const struct opening *o)
{
    int64_t ns =
        search_penalty(&q->agent->search, o->association, &o->keying, o->tuple.daddr, q->now);

    return (uint32_t)(ns / PDM_NSEC_PER_MSEC);
}

/* What an encrypted flow needs beyond the others. */
static enum pdm_status open_encrypted(struct request *q, const struct opening *o, bool wants_lease,
                                      struct pdm_open_reply *r)
{
    if (!put_secrets(q->agent, o, r))
        return PDM_STATUS_NO_LEASE;
    r->search_pause_ms = penalty_ms(q, o);
    if (!wants_lease)
        return PDM_STATUS_OK;
    if (!lease(q, o->keying.of[o->keying.send].ledger, &o->tuple, 1, &r->lease_first))
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

static uint32_t epoch_of(const struct agent *agent)
{
    return pdm_policy_epoch_of(&agent->segment.policy);
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
    enum pdm_status status = key_opening(q, o);
    if (status == PDM_STATUS_OK && (request->flags & PDM_OPEN_SEEN_NEWER) != 0)
        status = follow_peer(q, o);
    return status;
}

/* The lease comes last: what fails after it would burn Kri. */
static enum pdm_status open_under(struct request *q, const struct opening *o, bool wants_lease)
{
    struct agent *agent = q->agent;
    struct pdm_message m;
    struct pdm_open_reply r = {.status = PDM_STATUS_OK,
                               .instance = agent->instance,
                               .epoch = epoch_of(agent),
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

static enum pdm_status open_flow(struct request *q)
{
    struct pdm_open_request request;

    pdm_get_open_request(q->body, &request);
    return open_as(q, PDM_OPEN, &request);
}

static uint32_t next_lease(uint32_t had)
{
    if (had == 0)
        return 1;
    return had < PDM_LEASE_MAX / 2 ? 2 * had : PDM_LEASE_MAX;
}

/*
 * A lease of another secret than the flow's would be used with the flow's, where the same Kri may
 * have been granted. So the flow's is the one that its slot says, and must still be the one to
 * send under: PDM_STATUS_STALE if not.
 */
static enum pdm_status may_renew(const struct request *q, const struct slot_info *info)
{
    const struct agent *agent = q->agent;
    struct opening o = {.tuple = info->tuple};

    o.association = agent_association(agent, &o.tuple, &o.group);
    if (o.association == NULL || o.association->format != PDM_FORMAT_ENCRYPTED)
        return PDM_STATUS_NOT_NAMED;
    enum pdm_status status = key_opening(q, &o);
    const struct keying_secret *own = &o.keying.of[o.keying.send];

    if (status == PDM_STATUS_OK && (info->format != PDM_FORMAT_ENCRYPTED ||
                                    info->ledger != own->ledger || info->serial != own->serial))
        status = PDM_STATUS_STALE;
    keying_wipe(&o.keying);
    return status;
}

static enum pdm_status renew(struct request *q)
{
    struct agent *agent = q->agent;
    struct pdm_renew_request n;
    struct pdm_message m;

    pdm_get_renew_request(q->body, &n);
    if (!pdm_message_done(q->body))
        return PDM_STATUS_BAD_REQUEST;
    struct pdm_tuple tuple = pdm_tuple_from_bytes(n.tuple);
    const struct slot_record *record = slots_owned(&agent->slots, n.slot, n.owner);
    if (n.instance != agent->instance || record == NULL ||
        !pdm_tuple_equal(&record->info.tuple, &tuple))
        return PDM_STATUS_STALE;
    enum pdm_status status = may_renew(q, &record->info);
    if (status != PDM_STATUS_OK)
        return status;

    struct pdm_renew_reply r = {
        .status = PDM_STATUS_OK, .epoch = epoch_of(agent), .lease_count = next_lease(n.had)};
    if (!lease(q, record->info.ledger, &tuple, r.lease_count, &r.lease_first))
        return PDM_STATUS_NO_LEASE;
    request_begin(q, &m, PDM_RENEW);
    pdm_put_renew_reply(&m.body, &r);
    request_end(q, &m);
    return PDM_STATUS_OK;
}

/* The record of the client's own SLOT, opened for TUPLE; or NULL. */
static const struct slot_record *owned(const struct request *q, uint32_t slot, uint64_t owner,
                                       const struct pdm_tuple *tuple)
{
    const struct slot_record *record = slots_owned(&q->agent->slots, slot, owner);

    if (record == NULL || record->info.client.pid != q->client->id.pid ||
        !pdm_tuple_equal(&record->info.tuple, tuple))
        return NULL;
    return record;
}

/* Here, and not by the shim, so that what a flow measured is never counted in two slots. */
static enum pdm_status move_flow(struct request *q)
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
    const struct slot_record *from = owned(q, m.slot, m.owner, &tuple);
    const struct slot_record *to = &agent->slots.record[q->reply->slot];
    if (m.instance == agent->instance && from != NULL &&
        from->info.format == PDM_FORMAT_ENCRYPTED && to->info.format == PDM_FORMAT_ENCRYPTED)
        agent_carry_flow(agent, m.slot, q->reply->slot);
    return PDM_STATUS_OK;
}

/* There is no reply: what is wrong is left alone. */
static enum pdm_status close_flow(struct request *q)
{
    struct agent *agent = q->agent;
    struct pdm_close_request c;

    pdm_get_close_request(q->body, &c);
    if (!pdm_message_done(q->body))
        return PDM_STATUS_BAD_REQUEST;
    struct pdm_tuple tuple = pdm_tuple_from_bytes(c.tuple);
    const struct slot_record *record = owned(q, c.slot, c.owner, &tuple);
    if (record == NULL)
        return PDM_STATUS_STALE;
    /* To the secret that the flow was opened under, whichever its association has by now. */
    if (record->info.format == PDM_FORMAT_ENCRYPTED)
        ledger_return(&agent->ledger, record->info.ledger, &tuple, q->client->id.pid,
                      c.unused_first, c.unused_count);
    agent_end_flow(agent, c.slot, FLOW_CLOSED);
    return PDM_STATUS_OK;
}

/* What it is worth is decided there; one flow that is wrong costs its peer's flows little. */
static void suspect_path(struct request *q, uint32_t slot, const struct association *a)
{
    struct agent *agent = q->agent;
    const struct slot_info *info = &agent->slots.record[slot].info;

    if (a->path == CONFIG_PATH_PROBE)
        paths_suspect(&agent->paths, info->path, q->now);
    else if (agent->suspects_trusted++ == 0)
        log_warning(
            "association %s: options of a flow of process %d seem to get lost; path = trust "
            "says that they do not",
            a->name, (int)info->client.pid);
}

/* As above: no reply. */
static enum pdm_status suspect(struct request *q)
{
    struct agent *agent = q->agent;
    struct pdm_suspect_request s;

    pdm_get_suspect_request(q->body, &s);
    if (!pdm_message_done(q->body))
        return PDM_STATUS_BAD_REQUEST;
    struct pdm_tuple tuple = pdm_tuple_from_bytes(s.tuple);
    const struct slot_record *record = owned(q, s.slot, s.owner, &tuple);
    if (record == NULL)
        return PDM_STATUS_STALE;
    const struct association *a = associations_get(&agent->associations, record->info.association);
    if (a == NULL)
        return PDM_STATUS_NOT_NAMED;
    suspect_path(q, s.slot, a);
    return PDM_STATUS_OK;
}

/* The other direction of what was searched for; the keying of *O is to be wiped. */
static bool find_answering(const struct request *q, const struct search_target *target,
                           struct opening *o)
{
    *o = (struct opening){.tuple = pdm_tuple_reverse(&target->tuple), .group = target->group};
    o->association = associations_get(&q->agent->associations, target->association);
    return o->association != NULL && key_opening(q, o) == PDM_STATUS_OK;
}

/* A search that succeeds under the newer secret shows as well as an open flow that the peer has it.
 */
static void follow_found(struct request *q, const struct search_target *target, uint32_t serial)
{
    struct opening o;

    if (find_answering(q, target, &o) && o.keying.count > 1 && o.keying.of[1].serial == serial)
        (void)follow_peer(q, &o);
    keying_wipe(&o.keying);
}

static uint32_t pause_of_peer(const struct request *q, const struct search_target *target)
{
    struct opening o;
    uint32_t ms = find_answering(q, target, &o) ? penalty_ms(q, &o) : 0;

    keying_wipe(&o.keying);
    return ms;
}

void requests_found(struct agent *agent, const struct search_hit *hit)
{
    struct request q = {.agent = agent, .now = clock_now()};

    follow_found(&q, &hit->target, hit->serial);
}

static enum pdm_status search(struct request *q)
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

static const struct {
    enum pdm_status (*handle)(struct request *q); /* puts the reply, if it returns PDM_STATUS_OK */
    void (*refuse)(struct pdm_writer *w, enum pdm_status status); /* NULL: has no reply */
} handlers[] = {
    [PDM_HELLO] = {hello, refuse_hello_reply},
    [PDM_OPEN] = {open_flow, refuse_open_reply},
    [PDM_RENEW] = {renew, refuse_renew_reply},
    [PDM_CLOSE] = {close_flow, NULL},
    [PDM_SEARCH] = {search, refuse_search_reply},
    [PDM_STATUS] = {report_status, refuse_status_reply},
    [PDM_ASSOCIATIONS] = {report_associations, refuse_page_reply},
    [PDM_FLOWS] = {report_flows, refuse_page_reply},
    [PDM_SUSPECT] = {suspect, NULL},
    [PDM_PATH] = {report_path, refuse_path_reply},
    [PDM_MOVE] = {move_flow, refuse_open_reply},
};

#define HANDLERS (sizeof handlers / sizeof handlers[0])

static bool known(uint8_t type)
{
    return type < HANDLERS && handlers[type].handle != NULL;
}

static enum pdm_status handle(struct request *q, const struct client_id *who, uint8_t type)
{
    struct agent *agent = q->agent;

    q->client = clients_get(&agent->clients, who, q->now);
    if (q->client == NULL) {
        log_warning("more than %d processes use the agent", AGENT_CLIENTS_MAX);
        return PDM_STATUS_QUOTA;
    }
    /* Closing gives something back: it is never refused. */
    if (type != PDM_CLOSE &&
        !client_may_ask(q->client, agent->config.requests_per_client, q->now)) {
        log_warning("process %d asks more often than requests_per_client allows", (int)who->pid);
        return PDM_STATUS_QUOTA;
    }
    return handlers[type].handle(q);
}

static void refuse(const struct request *q, uint8_t type, enum pdm_status status)
{
    struct pdm_message m;

    pdm_message_begin(&m, q->reply->bytes, sizeof q->reply->bytes, type | PDM_REPLY);
    if (!known(type))
        pdm_write_u8(&m.body, (uint8_t)status);
    else if (handlers[type].refuse != NULL)
        handlers[type].refuse(&m.body, status);
    else
        return;
    q->reply->len = pdm_message_end(&m);
}

/* That a search found nothing is an answer. */
static bool is_refusal(enum pdm_status status)
{
    return status != PDM_STATUS_OK && status != PDM_STATUS_NOT_FOUND &&
           status != PDM_STATUS_LATER && status != PDM_STATUS_REPLAY;
}

void requests_answer(struct agent *agent, const struct client_id *who, const uint8_t *bytes,
                     size_t len, struct reply *reply)
{
    struct pdm_reader body;
    struct request q = {.agent = agent, .now = clock_now(), .body = &body, .reply = reply};
    enum pdm_status status = PDM_STATUS_BAD_REQUEST;
    uint8_t type;

    reply->len = 0;
    reply->fds = 0;
    reply->opened = false;
    agent->requests++;
    if (pdm_message_open(bytes, len, &type, &body) && known(type))
        status = handle(&q, who, type);
    agent->refused += is_refusal(status);
    if (status != PDM_STATUS_OK)
        refuse(&q, type, status);
}

/* The lease that went with it is burnt all the same. */
void requests_undelivered(struct agent *agent, const struct reply *reply)
{
    if (reply->opened)
        agent_drop_flow(agent, reply->slot);
}
