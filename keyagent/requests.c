/* SPDX-License-Identifier: BSD-2-Clause */
/* One function per request. */
#include "keyagent/requests.h"

#include <sodium.h>
#include <string.h>
#include <unistd.h>

#include "core/keys.h"
#include "keyagent/clock.h"
#include "core/limits.h"
#include "keyagent/log.h"

struct request {
    struct agent *agent;
    struct client *client;
    int64_t now;
    struct pdm_reader *body;
    struct reply *reply;
};

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

static void begin(const struct request *q, struct pdm_message *m, enum pdm_message_type type)
{
    pdm_message_begin(m, q->reply->bytes, sizeof q->reply->bytes, (uint8_t)(type | PDM_REPLY));
}

static void end(const struct request *q, struct pdm_message *m)
{
    q->reply->len = pdm_message_end(m);
}

static enum pdm_status hello(struct request *q)
{
    const struct agent *agent = q->agent;
    struct pdm_message m;
    struct pdm_hello_reply r = {.status = PDM_STATUS_OK, .instance = agent->instance};

    if (!pdm_message_done(q->body))
        return PDM_STATUS_BAD_REQUEST;
    begin(q, &m, PDM_HELLO);
    pdm_put_hello_reply(&m.body, &r);
    end(q, &m);
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

    if (q->client->flows >= agent->config.flows_per_client) {
        log_warning("process %d has %u live flows, all that flows_per_client allows",
                    (int)q->client->id.pid, q->client->flows);
        return PDM_STATUS_QUOTA;
    }
    struct slot_info info = {.tuple = *tuple,
                             .association = a->number,
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
        begin(q, &m, PDM_OPEN);
        pdm_put_open_reply(&m.body, &r);
        end(q, &m);
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
    begin(q, &m, PDM_RENEW);
    pdm_put_renew_reply(&m.body, &r);
    end(q, &m);
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
    const struct slot_record *record = slots_owned(&agent->slots, c.slot, c.owner);
    if (record == NULL || record->info.client.pid != q->client->id.pid ||
        !pdm_tuple_equal(&record->info.tuple, &tuple))
        return PDM_STATUS_STALE;
    const struct association *a = associations_get(&agent->associations, record->info.association);
    /* A lease from before the associations changed may be one of another secret. */
    if (c.instance == agent->instance && a != NULL && a->format == PDM_FORMAT_ENCRYPTED)
        ledger_return(&agent->ledger, a->secret, &tuple, q->client->id.pid, c.unused_first,
                      c.unused_count);
    agent_end_flow(agent, c.slot);
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
    begin(q, &m, PDM_SEARCH);
    pdm_put_search_reply(&m.body, &r);
    end(q, &m);
    return PDM_STATUS_OK;
}

static uint32_t global_pointer(const struct agent *agent, enum pdm_saddr_type type)
{
    return atomic_load_explicit(&agent->segment.metrics->global_pointer[type].next,
                                memory_order_relaxed);
}

static enum pdm_status status_of(struct request *q)
{
    const struct agent *agent = q->agent;
    struct pdm_message m;

    if (!pdm_message_done(q->body))
        return PDM_STATUS_BAD_REQUEST;
    struct pdm_status_reply r = {
        .status = PDM_STATUS_OK,
        .instance = agent->instance,
        .pid = (uint32_t)getpid(),
        .uptime_ms = (uint64_t)((q->now - agent->started) / PDM_NSEC_PER_MSEC),
        .epoch = epoch_of(agent),
        .associations = (uint32_t)agent->associations.count,
        .flows = agent->slots.used,
        .flows_max = agent->slots.count,
        .ledger = agent->ledger.table.used,
        .ledger_max = agent->ledger.table.capacity,
        .requests = agent->requests,
        .refused = agent->refused,
        .leases = agent->leases,
        .searches = agent->search.count,
        .searches_found = agent->search.count_found,
        .global_pointer_link_local = global_pointer(agent, PDM_SADDR_LINK_LOCAL),
        .global_pointer_global = global_pointer(agent, PDM_SADDR_GLOBAL)};
    begin(q, &m, PDM_STATUS);
    pdm_put_status_reply(&m.body, &r);
    end(q, &m);
    return PDM_STATUS_OK;
}

static uint32_t flows_of(const struct agent *agent, uint32_t association)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < agent->slots.count; i++)
        count += agent->slots.record[i].owner != 0 &&
                 agent->slots.record[i].info.association == association;
    return count;
}

static void put_association(const struct request *q, const struct association *a,
                            struct pdm_writer *w)
{
    struct pdm_association r = {.association = a->number,
                                .format = (uint8_t)a->format,
                                .aead = a->suite.aead,
                                .local_len = a->local.len,
                                .peer_len = a->peer.len,
                                .flows = flows_of(q->agent, a->number)};

    memcpy(r.name, a->name, sizeof r.name);
    memcpy(r.local, a->local.addr, sizeof r.local);
    memcpy(r.peer, a->peer.addr, sizeof r.peer);
    if (a->ends_at == ASSOCIATION_NO_END)
        r.remaining_ms = UINT64_MAX;
    else if (a->ends_at > q->now)
        r.remaining_ms = (uint64_t)((a->ends_at - q->now) / PDM_NSEC_PER_MSEC);
    if (a->format == PDM_FORMAT_ENCRYPTED) {
        const struct ledger_secret *secret = &q->agent->ledger.secret[a->secret];

        r.has_generation = secret->has_generation;
        r.generation = secret->has_generation ? secret->generation : 0;
    }
    pdm_put_association(w, &r);
}

static enum pdm_status associations(struct request *q)
{
    const struct associations *set = &q->agent->associations;
    struct pdm_page_request page;
    struct pdm_page_reply r = {.status = PDM_STATUS_OK};
    struct pdm_message m;

    pdm_get_page_request(q->body, &page);
    if (!pdm_message_done(q->body))
        return PDM_STATUS_BAD_REQUEST;
    size_t left = page.start < set->count ? set->count - page.start : 0;
    r.records = (uint16_t)(left < AGENT_ASSOCIATIONS_PAGE ? left : AGENT_ASSOCIATIONS_PAGE);
    r.next = left > r.records ? page.start + r.records : 0;
    begin(q, &m, PDM_ASSOCIATIONS);
    pdm_put_page_reply(&m.body, &r);
    for (uint32_t i = 0; i < r.records; i++)
        put_association(q, &set->item[page.start + i], &m.body);
    end(q, &m);
    return PDM_STATUS_OK;
}

/* The shim's delays are as trustworthy as the shim; here they are numbers, of whatever value. */
static uint64_t number(const _Atomic int64_t *from)
{
    return (uint64_t)atomic_load_explicit(from, memory_order_relaxed);
}

static uint64_t count_of(const _Atomic uint64_t *from)
{
    return atomic_load_explicit(from, memory_order_relaxed);
}

static void put_counters(const struct pdm_slot *shared, struct pdm_flow_record *r)
{
    struct pdm_writer w = pdm_writer(r->counters, sizeof r->counters);

    for (int i = 0; i < PDM_COUNTER_COUNT; i++)
        pdm_write_u64(&w, count_of(&shared->counter[i]));
}

static void put_flow(const struct request *q, uint32_t slot, struct pdm_writer *w)
{
    const struct slot_info *info = &q->agent->slots.record[slot].info;
    const struct pdm_slot *shared = &q->agent->slots.shared[slot];
    int64_t active = slots_active(&q->agent->slots, slot, q->now);
    struct pdm_flow_record r = {.association = info->association,
                                .format = info->format,
                                .pid = (uint32_t)info->client.pid,
                                .age_ms = (uint64_t)((q->now - info->opened) / PDM_NSEC_PER_MSEC),
                                .idle_ms = (uint64_t)((q->now - active) / PDM_NSEC_PER_MSEC),
                                .own_kri = count_of(&shared->own_kri),
                                .peer_kri = count_of(&shared->peer_kri),
                                .network_samples = count_of(&shared->network.samples),
                                .network_last = number(&shared->network.last),
                                .network_min = number(&shared->network.min),
                                .network_max = number(&shared->network.max),
                                .network_sum = number(&shared->network.sum),
                                .server_samples = count_of(&shared->server.samples),
                                .server_last = number(&shared->server.last),
                                .server_min = number(&shared->server.min),
                                .server_max = number(&shared->server.max),
                                .server_sum = number(&shared->server.sum)};

    pdm_tuple_bytes(&info->tuple, r.tuple);
    put_counters(shared, &r);
    pdm_put_flow_record(w, &r);
}

static enum pdm_status flows(struct request *q)
{
    const struct slots *slots = &q->agent->slots;
    struct pdm_page_request page;
    struct pdm_page_reply r = {.status = PDM_STATUS_OK};
    struct pdm_message m;
    uint32_t slot[PDM_FLOWS_PAGE];

    pdm_get_page_request(q->body, &page);
    if (!pdm_message_done(q->body))
        return PDM_STATUS_BAD_REQUEST;
    for (uint32_t i = page.start; i < slots->count; i++) {
        uint64_t owner = slots->record[i].owner;

        /* What is in the slot belongs to this opening only while the owner still stands there. */
        if (owner == 0 || count_of(&slots->shared[i].owner) != owner)
            continue;
        if (r.records == PDM_FLOWS_PAGE) {
            r.next = i;
            break;
        }
        slot[r.records++] = i;
    }
    begin(q, &m, PDM_FLOWS);
    pdm_put_page_reply(&m.body, &r);
    for (uint16_t i = 0; i < r.records; i++)
        put_flow(q, slot[i], &m.body);
    end(q, &m);
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
    [PDM_STATUS] = {status_of, refuse_status_reply},
    [PDM_ASSOCIATIONS] = {associations, refuse_page_reply},
    [PDM_FLOWS] = {flows, refuse_page_reply},
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
    agent->requests++;
    if (pdm_message_open(bytes, len, &type, &body) && known(type))
        status = handle(&q, who, type);
    agent->refused += is_refusal(status);
    if (status != PDM_STATUS_OK)
        refuse(&q, type, status);
}
