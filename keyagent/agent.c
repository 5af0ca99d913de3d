/* SPDX-License-Identifier: BSD-2-Clause */
/* The agent as a whole: start, reload, end, and what is done once a second. */
#include "keyagent/agent.h"

#include <sodium.h>
#include <string.h>

#include "keyagent/clock.h"
#include "keyagent/enrolment/enrolment.h"
#include "keyagent/enrolment/pairs.h"
#include "keyagent/log.h"

static uint64_t random_number(void)
{
    uint64_t number;

    randombytes_buf(&number, sizeof number);
    return number;
}

static void publish(struct agent *agent)
{
    associations_publish(&agent->associations, &agent->config.settings, &agent->segment);
}

/* A program that misses this looks for another agent. */
static void show_life(struct agent *agent, int64_t now)
{
    atomic_store_explicit(&agent->segment.policy.head->heartbeat, now, memory_order_relaxed);
}

static void path_changed(void *arg, uint32_t path)
{
    struct agent *agent = arg;

    for (uint32_t slot = 0; slot < agent->slots.count; slot++) {
        const struct slot_record *record = &agent->slots.record[slot];

        if (record->owner != 0 && record->info.path == path)
            slots_set_verdict(&agent->slots, slot, paths_verdict(&agent->paths, path));
    }
}

static bool make_tables(struct agent *agent)
{
    const struct config *config = &agent->config;
    bool good = ledger_init(&agent->ledger, config->max_ledger, random_number()) &&
                peers_init(&agent->peers, config->state, random_number()) &&
                clients_init(&agent->clients, random_number()) &&
                paths_init(&agent->paths, random_number(), path_changed, agent);

    if (!good)
        log_error("out of memory");
    agent->ledger.take = enrolment_generation;
    return good;
}

/* As the configuration in force says. Flows are counted from the first time on that somebody may
 * ask for it. */
static bool set_metrics(struct agent *agent)
{
    const struct config *config = &agent->config;

    flow_log_set(&agent->flow_log, config);
    if (config->metrics.any.sa_family == AF_UNSPEC || agent->totals.counted != NULL)
        return true;
    return totals_init(&agent->totals, agent->slots.count, config->metrics_prefix);
}

bool agent_init(struct agent *agent, struct config *config)
{
    const struct associations none = {0};

    *agent = (struct agent){.config = *config,
                            .segment = {.policy_fd = -1, .metrics_fd = -1},
                            .instance = random_number(),
                            .started = clock_now(),
                            .started_realtime = clock_realtime()};
    *config = (struct config){0};
    if (!make_tables(agent) ||
        !associations_load(&agent->associations, &none, &agent->config, &agent->ledger,
                           agent->started) ||
        !search_init(&agent->search, &agent->associations, &agent->ledger, &agent->peers,
                     random_number()) ||
        !segment_init(&agent->segment, agent->config.max_slots))
        return false;
    if (!slots_init(&agent->slots, agent->segment.metrics->slot, agent->config.max_slots) ||
        !set_metrics(agent)) {
        log_error("out of memory");
        return false;
    }
    publish(agent);
    show_life(agent, agent->started);
    return true;
}

void agent_free(struct agent *agent)
{
    flow_log_free(&agent->flow_log);
    totals_free(&agent->totals);
    slots_free(&agent->slots);
    segment_free(&agent->segment);
    search_free(&agent->search);
    associations_free(&agent->associations);
    paths_free(&agent->paths);
    clients_free(&agent->clients);
    peers_free(&agent->peers);
    ledger_free(&agent->ledger);
    config_free(&agent->config);
}

static bool differ(const char *a, const char *b)
{
    return (a == NULL) != (b == NULL) || (a != NULL && strcmp(a, b) != 0);
}

/* Their memory is handed out, or in use. */
static void keep_until_restart(struct config *config, const struct config *before)
{
    if (config->max_slots != before->max_slots || config->max_ledger != before->max_ledger ||
        config->metrics_prefix != before->metrics_prefix || differ(config->state, before->state) ||
        differ(config->socket, before->socket))
        log_warning("socket, state, max_slots, max_ledger and metrics_prefix take effect when the "
                    "agent is restarted");
    config->max_slots = before->max_slots;
    config->max_ledger = before->max_ledger;
    config->metrics_prefix = before->metrics_prefix;
}

void agent_set_path(struct agent *agent, uint32_t slot, const struct association *a)
{
    struct slot_info *info = &agent->slots.record[slot].info;
    uint32_t before = info->path;
    enum pdm_path verdict = PDM_PATH_CARRIES;

    info->path = PATHS_NONE;
    if (a->path == CONFIG_PATH_PROBE) {
        info->path =
            paths_join(&agent->paths, info->tuple.saddr, info->tuple.daddr, a->format, clock_now());
        verdict = paths_verdict(&agent->paths, info->path);
    }
    paths_leave(&agent->paths, before);
    slots_set_verdict(&agent->slots, slot, verdict);
}

/* The terms of some may have changed. */
static void set_paths(struct agent *agent)
{
    for (uint32_t slot = 0; slot < agent->slots.count; slot++) {
        const struct slot_record *record = &agent->slots.record[slot];

        if (record->owner == 0)
            continue;
        const struct association *a =
            associations_get(&agent->associations, record->info.association);
        if (a != NULL)
            agent_set_path(agent, slot, a);
    }
}

static const struct config_association *section_of(const struct agent *agent,
                                                   const struct enrolment *enrolment)
{
    const char *name = enrolment_name(enrolment);

    for (size_t i = 0; i < agent->config.associations; i++)
        if (agent->config.association[i].mode == CONFIG_MODE_ENROLLED &&
            strcmp(agent->config.association[i].name, name) == 0)
            return &agent->config.association[i];
    return NULL;
}

/* Those of sections that are gone go later, when the connections do. */
static void set_terms_of_pairs(struct agent *agent)
{
    struct associations *set = &agent->associations;

    for (size_t i = set->configured; i < set->count; i++) {
        const struct association *a = &set->item[i];
        const struct config_association *from = section_of(agent, a->enrolment);

        if (from != NULL)
            pairs_set(set, &agent->segment, from, a->enrolment, a->pair, clock_now());
    }
}

bool agent_reload(struct agent *agent, struct config *config)
{
    struct associations loaded;

    if (!associations_load(&loaded, &agent->associations, config, &agent->ledger, clock_now()))
        return false;
    if (!associations_carry(&loaded, &agent->associations)) {
        log_error("out of memory");
        associations_free(&loaded);
        return false;
    }
    /*
     * Whoever holds a secret that is no longer in force must not get a lease on the new one for
     * it.
     */
    if (!associations_same(&agent->associations, &loaded))
        agent->instance = random_number();
    keep_until_restart(config, &agent->config);
    associations_free(&agent->associations);
    agent->associations = loaded;
    config_free(&agent->config);
    agent->config = *config;
    *config = (struct config){0};
    set_terms_of_pairs(agent);
    search_reset(&agent->search);
    agent->suspects_trusted = 0;
    paths_retry(&agent->paths);
    set_paths(agent);
    totals_keep(&agent->totals, &agent->associations);
    if (!set_metrics(agent))
        log_error("out of memory: flows are not counted");
    publish(agent);
    return true;
}

const struct association *agent_association(const struct agent *agent,
                                            const struct pdm_tuple *tuple, uint16_t *group)
{
    struct pdm_policy_entry entry;

    if (!pdm_addr_takes_part(tuple->saddr) || !pdm_addr_takes_part(tuple->daddr) ||
        !pdm_policy_find(&agent->segment.policy, tuple->saddr, tuple->daddr, &entry))
        return NULL;
    *group = entry.group;
    return associations_get(&agent->associations, entry.association);
}

bool agent_listed(const struct agent *agent, const uint8_t own[static PDM_ADDR_LEN],
                  const uint8_t peer[static PDM_ADDR_LEN], struct enrolment **enrolment,
                  const struct enrolled_pair **pair)
{
    struct pdm_tuple tuple = {0};
    uint16_t group;

    memcpy(tuple.saddr, own, sizeof tuple.saddr);
    memcpy(tuple.daddr, peer, sizeof tuple.daddr);
    const struct association *a = agent_association(agent, &tuple, &group);
    if (a == NULL || a->pair == NULL)
        return false;
    *enrolment = a->enrolment;
    *pair = a->pair;
    return true;
}

static void ask_again(struct agent *agent, uint32_t association)
{
    for (uint32_t slot = 0; slot < agent->slots.count; slot++) {
        const struct slot_record *record = &agent->slots.record[slot];

        if (record->owner != 0 && record->info.association == association)
            slots_ask_again(&agent->slots, slot);
    }
}

/* Flows that still send under the older of two secrets when the newer's time has come. */
static void ask_where_time_has_come(struct agent *agent, int64_t now)
{
    struct associations *set = &agent->associations;

    for (size_t i = set->configured; i < set->count; i++) {
        struct association *a = &set->item[i];

        if (a->pair->epochs < 2)
            continue;
        const struct enrolled_epoch *newest = &a->pair->epoch[a->pair->epochs - 1];
        if (newest->send_at > now || newest->epoch == a->sending)
            continue;
        a->sending = newest->epoch;
        ask_again(agent, a->number);
    }
}

/* Lists change by many entries at a time: once for all of them. */
static void ask_where_names_changed(struct agent *agent)
{
    if (!agent->names_changed)
        return;
    agent->names_changed = false;
    for (uint32_t slot = 0; slot < agent->slots.count; slot++) {
        const struct slot_record *record = &agent->slots.record[slot];
        uint16_t group;

        if (record->owner == 0)
            continue;
        const struct association *a = agent_association(agent, &record->info.tuple, &group);
        if (a == NULL || a->number != record->info.association || group != record->info.group)
            slots_ask_again(&agent->slots, slot);
    }
}

void agent_pair_changed(struct agent *agent, struct enrolment *enrolment,
                        const struct enrolled_pair *pair)
{
    const struct config_association *from = section_of(agent, enrolment);

    if (from == NULL)
        return;
    const struct association *a =
        pairs_set(&agent->associations, &agent->segment, from, enrolment, pair, clock_now());

    if (a == NULL) {
        agent_pair_gone(agent, enrolment, pair->pair); /* what it had may be out of date */
        return;
    }
    agent->names_changed = true;
    ask_again(agent, a->number);
}

void agent_peer_changed(struct agent *agent, struct enrolment *enrolment, uint32_t pair,
                        const uint8_t own[static PDM_ADDR_LEN],
                        const uint8_t peer[static PDM_ADDR_LEN])
{
    const struct association *a = pairs_find(&agent->associations, enrolment, pair);

    for (uint32_t slot = 0; a != NULL && slot < agent->slots.count; slot++) {
        const struct slot_record *record = &agent->slots.record[slot];

        if (record->owner != 0 && record->info.association == a->number &&
            memcmp(record->info.tuple.saddr, own, PDM_ADDR_LEN) == 0 &&
            memcmp(record->info.tuple.daddr, peer, PDM_ADDR_LEN) == 0)
            slots_ask_again(&agent->slots, slot);
    }
}

void agent_pair_gone(struct agent *agent, struct enrolment *enrolment, uint32_t pair)
{
    struct association *a = pairs_find(&agent->associations, enrolment, pair);

    if (a == NULL)
        return;
    ask_again(agent, a->number);
    pairs_drop(&agent->associations, &agent->segment, a);
}

void agent_list_changed(struct agent *agent, struct enrolment *enrolment, uint32_t pair, bool add,
                        const struct pdm_prefix *peer, uint16_t group)
{
    struct association *a = pairs_find(&agent->associations, enrolment, pair);

    if (a == NULL)
        return;
    if (add)
        pairs_name(&agent->associations, &agent->segment, a, peer, group);
    else
        pairs_unname(&agent->associations, &agent->segment, a, peer);
    agent->names_changed = true;
}

void agent_list_cleared(struct agent *agent, struct enrolment *enrolment, uint32_t pair)
{
    struct association *a = pairs_find(&agent->associations, enrolment, pair);

    if (a == NULL)
        return;
    pairs_clear(&agent->associations, &agent->segment, a);
    agent->names_changed = true;
}

void agent_void_leases(struct agent *agent)
{
    ledger_empty(&agent->ledger);
    publish(agent);
}

static void release(struct agent *agent, uint32_t slot)
{
    const struct slot_info *info = &agent->slots.record[slot].info;

    clients_flow_ended(&agent->clients, &info->client);
    paths_leave(&agent->paths, info->path);
    totals_leave(&agent->totals, slot);
    slots_release(&agent->slots, slot);
}

void agent_end_flow(struct agent *agent, uint32_t slot, enum flow_end why)
{
    totals_count(&agent->totals, &agent->slots, slot, &agent->associations);
    if (!agent->slots.record[slot].carried)
        flow_log_add(&agent->flow_log, &agent->slots, slot, &agent->associations, why);
    release(agent, slot);
}

void agent_drop_flow(struct agent *agent, uint32_t slot)
{
    slots_take_back(&agent->slots, slot);
    release(agent, slot);
}

void agent_carry_flow(struct agent *agent, uint32_t from, uint32_t to)
{
    totals_count(&agent->totals, &agent->slots, from, &agent->associations);
    totals_carry(&agent->totals, from, to);
    slots_carry(&agent->slots, from, to);
}

void agent_end_all(struct agent *agent)
{
    for (uint32_t slot = 0; slot < agent->slots.count; slot++)
        if (agent->slots.record[slot].owner != 0)
            agent_end_flow(agent, slot, FLOW_AGENT_ENDS);
}

static void end_flow(void *arg, uint32_t slot)
{
    struct agent *agent = arg;

    agent_end_flow(agent, slot, slots_closed(&agent->slots, slot) ? FLOW_CLOSED : FLOW_IDLE);
}

void agent_end_closed(struct agent *agent, int64_t now)
{
    if (now - agent->ended_closed_at < AGENT_CLOSED_PAUSE_NS)
        return;
    agent->ended_closed_at = now;
    for (uint32_t slot = 0; slot < agent->slots.count; slot++)
        if (agent->slots.record[slot].owner != 0 && slots_closed(&agent->slots, slot))
            agent_end_flow(agent, slot, FLOW_CLOSED);
}

/*
 * All flows of a process that is gone; a process that came later under its pid has another start.
 */
static void end_flows_of(void *arg, const struct client_id *id, uint64_t start)
{
    struct agent *agent = arg;

    for (uint32_t slot = 0; slot < agent->slots.count; slot++) {
        const struct slot_record *record = &agent->slots.record[slot];

        if (record->owner != 0 && record->info.client.pid == id->pid &&
            record->info.client.uid == id->uid && record->info.start == start)
            agent_end_flow(agent, slot, FLOW_PROCESS_GONE);
    }
}

void agent_tick(struct agent *agent)
{
    int64_t now = clock_now();
    int64_t idle = agent->config.settings.flow_idle_s * PDM_NSEC_PER_SEC;

    show_life(agent, now);
    if (associations_expire(&agent->associations, now))
        publish(agent);
    ask_where_time_has_come(agent, now);
    ask_where_names_changed(agent);
    clients_sweep(&agent->clients, now, end_flows_of, agent);
    slots_sweep(&agent->slots, now, idle, end_flow, agent);
    paths_sweep(&agent->paths, now);
    peers_save(&agent->peers);
    flow_log_flush(&agent->flow_log);
    log_flush();
}
