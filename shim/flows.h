/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The live flows of this process, in memory that a forked child finds empty. A flow is used under
 * its lock, which is only ever tried: whoever finds it taken goes without PDM for that packet, so
 * threads and signal handlers never wait for each other. When the table is full, a flow long idle
 * makes room.
 */
#ifndef PDM_SHIM_FLOWS_H
#define PDM_SHIM_FLOWS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/flow.h"
#include "core/policy.h"
#include "core/tuple.h"

enum pdm_flow_state {
    PDM_FLOW_FREE,
    PDM_FLOW_ASKING, /* known, but the agent has not answered yet */
    PDM_FLOW_OPEN,
    PDM_FLOW_REFUSED /* no association, as of epoch */
};

struct pdm_flow_entry {
    _Atomic uint32_t references;  /* descriptors of connected sockets that stand for it */
    _Atomic uint64_t last_used;   /* CLOCK_MONOTONIC; read without the lock, to find the idle */
    _Atomic uint64_t incarnation; /* another for each flow in this place; read without the lock */

    /* Under the lock. */
    enum pdm_flow_state state;
    uint32_t bucket;
    struct pdm_tuple tuple; /* as we send */
    uint32_t epoch;         /* of the policy under which it was opened */
    int64_t retry_at;       /* ask the agent again then */
    int64_t search_at;      /* search again for a Kri then */
    int64_t search_pause;
    uint32_t mtu; /* of the path: what an option would make longer goes without; 0: not known yet */
    uint64_t instance; /* of the agent that opened it */
    uint32_t slot;
    uint64_t owner;
    uint32_t lease;          /* Kri in the last lease */
    int64_t last_overlapped; /* the last server delay that was marked so */
    struct pdm_flow flow;
};

/* Finds the flow of TUPLE or, with MAKE, makes room for it; locked. NULL: taken by another, or no
 * room. NOW 0: not used, only looked at. */
struct pdm_flow_entry *pdm_flow_acquire(const struct pdm_tuple *tuple, int64_t now, bool make);
void pdm_flow_release(struct pdm_flow_entry *e);

/*
 * A reference that a descriptor can keep, and the flow behind it, locked; NULL if it is gone or,
 * with *TAKEN set, another holds its lock.
 */
uint64_t pdm_flow_enter(struct pdm_flow_entry *e);
struct pdm_flow_entry *pdm_flow_by_reference(uint64_t reference, bool *taken);
void pdm_flow_leave(uint64_t reference);

/* Its place in the table. */
uint32_t pdm_flow_index(const struct pdm_flow_entry *e);

#endif
