/* SPDX-License-Identifier: BSD-2-Clause */
/* What primaries tell the agent. */
#include "keyagent/agent_pairs.h"

#include <string.h>

#include "keyagent/agent_flows.h"
#include "keyagent/agent_names.h"
#include "keyagent/clock.h"
#include "keyagent/enrolment/enrolment.h"
#include "keyagent/enrolment/pairs.h"

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
    agent_ask_again(agent, a->number);
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
    agent_ask_again(agent, a->number);
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

/* Those of sections that are gone go later, when the connections do. */
void agent_set_terms_of_pairs(struct agent *agent)
{
    struct associations *set = &agent->associations;

    for (size_t i = set->configured; i < set->count; i++) {
        const struct association *a = &set->item[i];
        const struct config_association *from = section_of(agent, a->enrolment);

        if (from != NULL)
            pairs_set(set, &agent->segment, from, a->enrolment, a->pair, clock_now());
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
        agent_ask_again(agent, a->number);
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

void agent_tick_pairs(struct agent *agent, int64_t now)
{
    ask_where_time_has_come(agent, now);
    ask_where_names_changed(agent);
}
