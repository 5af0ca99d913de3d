/* SPDX-License-Identifier: BSD-2-Clause */
/* Who takes part with whom. */
#include "keyagent/agent_names.h"

#include <string.h>

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
