/* SPDX-License-Identifier: BSD-2-Clause */
/* The flows of all clients: in their slots, in figures, in quotas and on paths. */
#include "keyagent/agent_flows.h"

#include "core/limits.h"
#include "keyagent/clock.h"

/* Their paths. */

void agent_path_changed(void *arg, uint32_t path)
{
    struct agent *agent = arg;

    for (uint32_t slot = 0; slot < agent->slots.count; slot++) {
        const struct slot_record *record = &agent->slots.record[slot];

        if (record->owner != 0 && record->info.path == path)
            slots_set_verdict(&agent->slots, slot, paths_verdict(&agent->paths, path));
    }
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

void agent_set_paths(struct agent *agent)
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

/* Those that are told to ask again. */

void agent_ask_again(struct agent *agent, uint32_t association)
{
    for (uint32_t slot = 0; slot < agent->slots.count; slot++) {
        const struct slot_record *record = &agent->slots.record[slot];

        if (record->owner != 0 && record->info.association == association)
            slots_ask_again(&agent->slots, slot);
    }
}

/* Those that end. */

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

void agent_sweep_flows(struct agent *agent, int64_t now)
{
    int64_t idle = agent->config.settings.flow_idle_s * PDM_NSEC_PER_SEC;

    clients_sweep(&agent->clients, now, end_flows_of, agent);
    slots_sweep(&agent->slots, now, idle, end_flow, agent);
}
