/* SPDX-License-Identifier: BSD-2-Clause */
/* The agent as a whole: start, reload, end, and what is done once a second. */
#include "keyagent/agent.h"

#include <sodium.h>
#include <string.h>

#include "keyagent/agent_flows.h"
#include "keyagent/agent_pairs.h"
#include "keyagent/clock.h"
#include "keyagent/enrolment/enrolment.h"
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

static bool make_tables(struct agent *agent)
{
    const struct config *config = &agent->config;
    bool good = ledger_init(&agent->ledger, config->max_ledger, random_number()) &&
                peers_init(&agent->peers, config->state, random_number()) &&
                clients_init(&agent->clients, random_number()) &&
                paths_init(&agent->paths, random_number(), agent_path_changed, agent);

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
    agent_set_terms_of_pairs(agent);
    search_reset(&agent->search);
    agent->suspects_trusted = 0;
    paths_retry(&agent->paths);
    agent_set_paths(agent);
    totals_keep(&agent->totals, &agent->associations);
    if (!set_metrics(agent))
        log_error("out of memory: flows are not counted");
    publish(agent);
    return true;
}

void agent_void_leases(struct agent *agent)
{
    ledger_empty(&agent->ledger);
    publish(agent);
}

void agent_tick(struct agent *agent)
{
    int64_t now = clock_now();

    show_life(agent, now);
    if (associations_expire(&agent->associations, now))
        publish(agent);
    agent_tick_pairs(agent, now);
    agent_sweep_flows(agent, now);
    paths_sweep(&agent->paths, now);
    peers_save(&agent->peers);
    flow_log_flush(&agent->flow_log);
    log_flush();
}
