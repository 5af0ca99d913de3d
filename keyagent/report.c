/* SPDX-License-Identifier: BSD-2-Clause */
/* What the agent tells of itself. */
#include "keyagent/report.h"

#include <string.h>
#include <unistd.h>

#include "core/limits.h"
#include "keyagent/agent_names.h"
#include "keyagent/host.h"
#include "keyagent/keying.h"

static uint32_t epoch_of(const struct agent *agent)
{
    return pdm_policy_epoch_of(&agent->segment.policy);
}

static uint32_t global_pointer(const struct agent *agent, enum pdm_saddr_type type)
{
    return atomic_load_explicit(&agent->segment.metrics->global_pointer[type].next,
                                memory_order_relaxed);
}

enum pdm_status report_status(struct request *q)
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
        .paths = agent->paths.table.index.used,
        .probes = agent->paths.prober.sent,
        .host_drops = !host_takes_options(),
        .global_pointer_link_local = global_pointer(agent, PDM_SADDR_LINK_LOCAL),
        .global_pointer_global = global_pointer(agent, PDM_SADDR_GLOBAL)};
    request_begin(q, &m, PDM_STATUS);
    pdm_put_status_reply(&m.body, &r);
    request_end(q, &m);
    return PDM_STATUS_OK;
}

/*
 * The flows of each of the ASSOCIATIONS from START on, in one look through the slots: there may be
 * many, and everybody may ask.
 */
static void count_flows(const struct agent *agent, size_t start, uint32_t associations,
                        uint32_t flows[static AGENT_ASSOCIATIONS_PAGE])
{
    uint32_t number[AGENT_ASSOCIATIONS_PAGE];

    for (uint32_t i = 0; i < associations; i++) {
        number[i] = agent->associations.item[start + i].number;
        flows[i] = 0;
    }
    for (uint32_t slot = 0; slot < agent->slots.count; slot++) {
        const struct slot_record *record = &agent->slots.record[slot];

        for (uint32_t i = 0; record->owner != 0 && i < associations; i++)
            flows[i] += record->info.association == number[i];
    }
}

/* What A's leases are of; a pair's newest secrets, for the first of the host's addresses. */
static const struct ledger_secret *secret_of(const struct agent *agent, const struct association *a)
{
    if (a->format != PDM_FORMAT_ENCRYPTED)
        return NULL;
    if (a->pair == NULL)
        return &agent->ledger.secret[a->secret];
    if (a->pair->epochs == 0)
        return NULL;
    const struct enrolled_epoch *newest = &a->pair->epoch[a->pair->epochs - 1];

    return newest->scopes > 0 ? &agent->ledger.secret[newest->scope[0].ledger] : NULL;
}

static void put_pair(const struct enrolled_pair *pair, struct pdm_association *r)
{
    r->enrolled = 1;
    r->secmop = pair->secmop;
    if (pair->epochs == 0)
        return;
    r->has_epoch = 1;
    r->epoch = pair->epoch[pair->epochs - 1].epoch;
}

static void put_association(const struct request *q, const struct association *a, uint32_t flows,
                            struct pdm_writer *w)
{
    struct pdm_association r = {.association = a->number,
                                .format = (uint8_t)a->format,
                                .aead = a->suite.aead,
                                .local_len = a->local.len,
                                .peer_len = a->peer.len,
                                .flows = flows};

    memcpy(r.name, a->name, sizeof r.name);
    memcpy(r.local, a->local.addr, sizeof r.local);
    memcpy(r.peer, a->peer.addr, sizeof r.peer);
    if (a->ends_at == ASSOCIATION_NO_END)
        r.remaining_ms = UINT64_MAX;
    else if (a->ends_at > q->now)
        r.remaining_ms = (uint64_t)((a->ends_at - q->now) / PDM_NSEC_PER_MSEC);
    const struct ledger_secret *secret = secret_of(q->agent, a);
    if (secret != NULL && secret->has_generation) {
        r.has_generation = 1;
        r.generation = secret->generation;
    }
    if (a->pair != NULL)
        put_pair(a->pair, &r);
    pdm_put_association(w, &r);
}

enum pdm_status report_associations(struct request *q)
{
    const struct associations *set = &q->agent->associations;
    struct pdm_page_request page;
    struct pdm_page_reply r = {.status = PDM_STATUS_OK};
    struct pdm_message m;
    uint32_t flows[AGENT_ASSOCIATIONS_PAGE];

    pdm_get_page_request(q->body, &page);
    if (!pdm_message_done(q->body))
        return PDM_STATUS_BAD_REQUEST;
    size_t left = page.start < set->count ? set->count - page.start : 0;
    r.records = (uint16_t)(left < AGENT_ASSOCIATIONS_PAGE ? left : AGENT_ASSOCIATIONS_PAGE);
    r.next = left > r.records ? page.start + r.records : 0;
    count_flows(q->agent, page.start, r.records, flows);
    request_begin(q, &m, PDM_ASSOCIATIONS);
    pdm_put_page_reply(&m.body, &r);
    for (uint32_t i = 0; i < r.records; i++)
        put_association(q, &set->item[page.start + i], flows[i], &m.body);
    request_end(q, &m);
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
                                .path = (uint8_t)q->agent->slots.record[slot].verdict,
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
                                .server_sum = number(&shared->server.sum),
                                .total_samples = count_of(&shared->total.samples),
                                .total_last = number(&shared->total.last),
                                .total_min = number(&shared->total.min),
                                .total_max = number(&shared->total.max),
                                .total_sum = number(&shared->total.sum)};

    pdm_tuple_bytes(&info->tuple, r.tuple);
    put_counters(shared, &r);
    pdm_put_flow_record(w, &r);
}

enum pdm_status report_flows(struct request *q)
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
        if (owner == 0 || count_of(&slots->shared[i].owner) != owner || slots_closed(slots, i))
            continue;
        if (r.records == PDM_FLOWS_PAGE) {
            r.next = i;
            break;
        }
        slot[r.records++] = i;
    }
    request_begin(q, &m, PDM_FLOWS);
    pdm_put_page_reply(&m.body, &r);
    for (uint16_t i = 0; i < r.records; i++)
        put_flow(q, slot[i], &m.body);
    request_end(q, &m);
    return PDM_STATUS_OK;
}

static enum pdm_status keys_of(const struct request *q, const struct association *a,
                               const struct pdm_tuple *tuple, uint16_t group)
{
    struct keying keying;

    if (a->format != PDM_FORMAT_ENCRYPTED)
        return PDM_STATUS_OK;
    enum pdm_status status =
        keying_of(&q->agent->associations, a, tuple->saddr, tuple->daddr, group, q->now, &keying);

    keying_wipe(&keying);
    return status;
}

enum pdm_status report_path(struct request *q)
{
    struct paths *paths = &q->agent->paths;
    struct pdm_path_request request;
    struct pdm_tuple tuple = {0};
    struct pdm_message m;
    uint16_t group = 0;

    pdm_get_path_request(q->body, &request);
    if (!pdm_message_done(q->body))
        return PDM_STATUS_BAD_REQUEST;
    memcpy(tuple.saddr, request.local, sizeof tuple.saddr);
    memcpy(tuple.daddr, request.peer, sizeof tuple.daddr);
    const struct association *a = agent_association(q->agent, &tuple, &group);
    if (a == NULL)
        return PDM_STATUS_NOT_NAMED;
    struct pdm_path_reply r = {.status = PDM_STATUS_OK,
                               .format = (uint8_t)a->format,
                               .keys = (uint8_t)keys_of(q, a, &tuple, group),
                               .trusted = a->path != CONFIG_PATH_PROBE,
                               .path = PDM_PATH_CARRIES};

    memcpy(r.name, a->name, sizeof r.name);
    if (!r.trusted)
        r.path = (uint8_t)paths_verdict(
            paths, paths_ask(paths, tuple.saddr, tuple.daddr, a->format, q->now));
    request_begin(q, &m, PDM_PATH);
    pdm_put_path_reply(&m.body, &r);
    request_end(q, &m);
    return PDM_STATUS_OK;
}
