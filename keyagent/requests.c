/* SPDX-License-Identifier: BSD-2-Clause */
/* One function per request. */
#include "keyagent/requests.h"

#include <sodium.h>
#include <string.h>

#include "core/keys.h"
#include "keyagent/clock.h"
#include "core/limits.h"
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

/* The association in force for the flow that this host sends as TUPLE, or NULL. */
static const struct association *association_of(const struct agent *agent,
                                                const struct pdm_tuple *tuple)
{
    struct pdm_policy_entry entry;

    if (!pdm_addr_takes_part(tuple->saddr) || !pdm_addr_takes_part(tuple->daddr) ||
        !pdm_policy_find(agent->segment.policy, tuple->saddr, tuple->daddr, &entry))
        return NULL;
    return associations_get(&agent->associations, entry.association);
}

static bool lease(struct request *q, const struct association *a, const struct pdm_tuple *tuple,
                  uint32_t count, uint64_t *first)
{
    struct agent *agent = q->agent;

    if (!ledger_grant(&agent->ledger, a->secret, tuple, q->client->id.pid, count, q->now, first))
        return false;
    agent->leases++;
    return true;
}

static bool put_secrets(const struct agent *agent, const struct association *a,
                        const struct pdm_tuple *tuple, struct pdm_open_reply *r)
{
    const uint8_t *shared = associations_shared(&agent->associations, a);
    struct pdm_tuple back = pdm_tuple_reverse(tuple);

    return pdm_flow_secret(&a->suite, shared, tuple, r->own_secret) &&
           pdm_flow_secret(&a->suite, shared, &back, r->peer_secret);
}

/* What an encrypted flow needs beyond the others. */
static enum pdm_status open_encrypted(struct request *q, const struct association *a,
                                      const struct pdm_tuple *tuple, bool wants_lease,
                                      struct pdm_open_reply *r)
{
    struct agent *agent = q->agent;
    const uint8_t *id = agent->ledger.secret[a->secret].id;
    const struct peer *peer = peers_find(&agent->peers, id, tuple->daddr);

    r->kem = a->suite.kem;
    r->kdf = a->suite.kdf;
    r->aead = a->suite.aead;
    r->peer_guess = peer != NULL ? (uint64_t)peer->highest << 32 : 0;
    if (!put_secrets(agent, a, tuple, r))
        return PDM_STATUS_NO_LEASE;
    if (!wants_lease)
        return PDM_STATUS_OK;
    if (!lease(q, a, tuple, 1, &r->lease_first))
        return PDM_STATUS_NO_LEASE;
    r->lease_count = 1;
    return PDM_STATUS_OK;
}

static enum pdm_status take_slot(struct request *q, const struct association *a,
                                 const struct pdm_tuple *tuple, struct pdm_open_reply *r)
{
    struct agent *agent = q->agent;

    if (q->client->flows >= agent->config.flows_per_client ||
        agent->slots.used == agent->slots.count)
        agent_end_closed(agent, q->now);
    if (q->client->flows >= agent->config.flows_per_client) {
        log_warning("process %d has %u live flows, all that flows_per_client allows",
                    (int)q->client->id.pid, q->client->flows);
        return PDM_STATUS_QUOTA;
    }
    struct slot_info info = {.tuple = *tuple,
                             .association = a->number,
                             .path = PATHS_NONE,
                             .format = (uint8_t)a->format,
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
    return atomic_load_explicit(&agent->segment.policy->epoch, memory_order_relaxed);
}

/* The lease comes last: what fails after it would burn Kri. */
static enum pdm_status open_flow(struct request *q)
{
    struct agent *agent = q->agent;
    struct pdm_open_request o;
    struct pdm_message m;

    pdm_get_open_request(q->body, &o);
    if (!pdm_message_done(q->body) || (o.flags & ~PDM_OPEN_WANTS_LEASE) != 0)
        return PDM_STATUS_BAD_REQUEST;
    struct pdm_tuple tuple = pdm_tuple_from_bytes(o.tuple);
    const struct association *a = association_of(agent, &tuple);
    if (a == NULL)
        return PDM_STATUS_NOT_NAMED;

    struct pdm_open_reply r = {.status = PDM_STATUS_OK,
                               .instance = agent->instance,
                               .epoch = epoch_of(agent),
                               .association = a->number,
                               .format = (uint8_t)a->format};
    enum pdm_status status = take_slot(q, a, &tuple, &r);
    if (status != PDM_STATUS_OK)
        return status;
    if (a->format == PDM_FORMAT_ENCRYPTED)
        status = open_encrypted(q, a, &tuple, (o.flags & PDM_OPEN_WANTS_LEASE) != 0, &r);
    if (status == PDM_STATUS_OK) {
        request_begin(q, &m, PDM_OPEN);
        pdm_put_open_reply(&m.body, &r);
        request_end(q, &m);
        q->reply->opened = true;
        q->reply->slot = r.slot;
    } else {
        agent_end_flow(agent, r.slot);
    }
    sodium_memzero(&r, sizeof r);
    return status;
}

static uint32_t next_lease(uint32_t had)
{
    if (had == 0)
        return 1;
    return had < PDM_LEASE_MAX / 2 ? 2 * had : PDM_LEASE_MAX;
}

static enum pdm_status renew(struct request *q)
{
    struct agent *agent = q->agent;
    struct pdm_renew_request n;
    struct pdm_message m;

    pdm_get_renew_request(q->body, &n);
    if (!pdm_message_done(q->body))
        return PDM_STATUS_BAD_REQUEST;
    if (n.instance != agent->instance)
        return PDM_STATUS_STALE;
    struct pdm_tuple tuple = pdm_tuple_from_bytes(n.tuple);
    const struct association *a = association_of(agent, &tuple);
    if (a == NULL || a->format != PDM_FORMAT_ENCRYPTED)
        return PDM_STATUS_NOT_NAMED;

    struct pdm_renew_reply r = {
        .status = PDM_STATUS_OK, .epoch = epoch_of(agent), .lease_count = next_lease(n.had)};
    if (!lease(q, a, &tuple, r.lease_count, &r.lease_first))
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
    const struct association *a = associations_get(&agent->associations, record->info.association);
    /* A lease from before the associations changed may be one of another secret. */
    if (c.instance == agent->instance && a != NULL && a->format == PDM_FORMAT_ENCRYPTED)
        ledger_return(&agent->ledger, a->secret, &tuple, q->client->id.pid, c.unused_first,
                      c.unused_count);
    agent_end_flow(agent, c.slot);
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
    const struct association *a = association_of(agent, &own);
    if (a == NULL || a->format != PDM_FORMAT_ENCRYPTED)
        return PDM_STATUS_NOT_NAMED;
    target.association = a->number;
    memcpy(target.option, s.option, sizeof target.option);
    enum pdm_status status =
        search_ask(&agent->search, &target, s.has_highest ? &s.highest : NULL, q->now, &r.kri);
    if (status != PDM_STATUS_OK)
        return status;
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
        agent_end_flow(agent, reply->slot);
}
