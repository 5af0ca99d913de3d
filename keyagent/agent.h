/* SPDX-License-Identifier: BSD-2-Clause */
/* The agent: what all requests work on. No sockets and no event loop: those are the server's. */
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
/*
 * What is known of the path between TUPLE's addresses decides whether the flow in slot number SLOT
 * attaches, as A's terms have it; from now on, and when more is known.
 */
void agent_set_path(struct agent *agent, uint32_t slot, const struct association *a);
/*
 * The association in force for the flow that this host sends as TUPLE, and the GROUP of its list
 * that the peer is in; NULL: none.
 */
const struct association *agent_association(const struct agent *agent,
                                            const struct pdm_tuple *tuple, uint16_t *group);

/* The pair of organisations on whose list PEER is, as seen from OWN. False: none. */
bool agent_listed(const struct agent *agent, const uint8_t own[static PDM_ADDR_LEN],
                  const uint8_t peer[static PDM_ADDR_LEN], struct enrolment **enrolment,
                  const struct enrolled_pair **pair);

/*
 * What the connection to a primary has to tell. ENROLMENT is of a section of the configuration in
 * force.
 */

/*
 * PAIR is new, or its secrets, addresses or mode are others: its flows ask again. It stays where it
 * is until it is gone.
 */
void agent_pair_changed(struct agent *agent, struct enrolment *enrolment,
                        const struct enrolled_pair *pair);
/* What OWN and PEER of that pair share is another now: their flows ask again. */
void agent_peer_changed(struct agent *agent, struct enrolment *enrolment, uint32_t pair,
                        const uint8_t own[static PDM_ADDR_LEN],
                        const uint8_t peer[static PDM_ADDR_LEN]);
/* Before its memory goes. */
void agent_pair_gone(struct agent *agent, struct enrolment *enrolment, uint32_t pair);
/*
 * PEER, in GROUP, was added to the list of a pair that was told of before, or removed from it.
 * Flows that this concerns ask again at the next tick.
 */
void agent_list_changed(struct agent *agent, struct enrolment *enrolment, uint32_t pair, bool add,
                        const struct pdm_prefix *peer, uint16_t group);
void agent_list_cleared(struct agent *agent, struct enrolment *enrolment, uint32_t pair);

/* Gives back the slots that shims are done with; rarely more than the last second's. */
void agent_end_closed(struct agent *agent, int64_t now);
/* The flow of slot number SLOT, in use, is over: it is counted, and the slot given back. */
void agent_end_flow(struct agent *agent, uint32_t slot, enum flow_end why);
/* Slot number SLOT, in use, is given back: nobody ever had it. */
void agent_drop_flow(struct agent *agent, uint32_t slot);
/* The flow of slot number FROM goes on in TO, which was just taken for it. */
void agent_carry_flow(struct agent *agent, uint32_t from, uint32_t to);
/* Before the end: all live flows are. */
void agent_end_all(struct agent *agent);

#endif
