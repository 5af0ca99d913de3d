/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The agent: what all requests work on, from its start over reloads to its end. No sockets and no
 * event loop: those are the server's. What happens to flows is in agent_flows.h, what primaries
 * tell in agent_pairs.h. Times are of keyagent/clock.h, in nanoseconds. Single thread.
 */
#ifndef PDM_KEYAGENT_AGENT_H
#define PDM_KEYAGENT_AGENT_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/config.h"
#include "keyagent/association.h"
#include "keyagent/clients.h"
#include "keyagent/ledger.h"
#include "keyagent/metrics/flow_log.h"
#include "keyagent/metrics/totals.h"
#include "keyagent/path.h"
#include "keyagent/peers.h"
#include "keyagent/search.h"
#include "keyagent/segment.h"
#include "keyagent/slots.h"

struct agent {
    struct config config;
    struct associations associations;
    struct ledger ledger;
    struct peers peers;
    struct search search;
    struct segment segment;
    struct slots slots;
    struct clients clients;
    struct paths paths;
    struct totals totals;
    struct flow_log flow_log;
    uint64_t instance; /* random: tells this run, with these associations, from others */
    int64_t started;
    int64_t started_realtime;
    uint64_t requests;
    uint64_t refused;
    uint64_t leases;
    int64_t ended_closed_at;   /* when all slots were looked through for closed ones */
    uint64_t suspects_trusted; /* suspicions of paths that the administrator says to trust */
    bool names_changed;        /* flows may belong to other associations now, or to none */
};

/*
 * Takes CONFIG over. False after telling why; agent_free() is due in any case. AGENT stays where
 * it is.
 */
bool agent_init(struct agent *agent, struct config *config);
void agent_free(struct agent *agent);
/* Takes CONFIG over if all of it is good; else the old one stays in force. */
bool agent_reload(struct agent *agent, struct config *config);
/* What is to be done once a second. */
void agent_tick(struct agent *agent);
/* The machine may be a copy of another: nothing granted so far may be used any longer. */
void agent_void_leases(struct agent *agent);
#endif
