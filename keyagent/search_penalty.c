/* SPDX-License-Identifier: BSD-2-Clause */
/* Peers whose options no key opens. */
#include <arpa/inet.h>

#include "core/limits.h"
#include "keyagent/log.h"
#include "keyagent/search_inside.h"

static int64_t penalty_for(const struct association *a)
{
    static const int64_t ns[CONFIG_UNDECRYPTABLES] = {
        [CONFIG_UNDECRYPTABLE_THROTTLE] = AGENT_THROTTLE_NS,
        [CONFIG_UNDECRYPTABLE_FILTER] = AGENT_FILTER_NS,
    };

    return ns[a->undecryptable];
}

static struct penalty_peer penalty_peer(const struct association *a, const struct keying *k,
                                        const uint8_t *addr)
{
    return (struct penalty_peer){a->number, k->of[k->count - 1].serial, addr};
}

int64_t search_penalty(const struct search *s, const struct association *a, const struct keying *k,
                       const uint8_t peer[static PDM_ADDR_LEN], int64_t now)
{
    struct penalty_peer who = penalty_peer(a, k, peer);

    return penalty_for(a) != 0 ? penalties_left(&s->penalties, &who, now) : 0;
}

bool search_is_allowed(const struct search *s, const struct keying *k,
                       const struct search_target *target, int64_t now)
{
    const struct association *a = associations_get(s->associations, target->association);

    return search_penalty(s, a, k, target->tuple.saddr, now) == 0;
}

void search_give_up(struct search *s, const struct search_target *target, const struct keying *k,
                    int64_t now)
{
    const struct association *a = associations_get(s->associations, target->association);
    struct penalty_peer who = penalty_peer(a, k, target->tuple.saddr);
    char addr[INET6_ADDRSTRLEN] = "?";

    inet_ntop(AF_INET6, who.addr, addr, sizeof addr);
    log_info("association %s: no key opens an option of %s that looks encrypted", a->name, addr);
    search_failure_put(s, target, PDM_STATUS_NOT_FOUND, now);
    if (penalty_for(a) == 0)
        return;
    penalties_impose(&s->penalties, &who, now + penalty_for(a));
    log_info("association %s: nothing is searched for %s for %d seconds", a->name, addr,
             (int)(penalty_for(a) / PDM_NSEC_PER_SEC));
}
