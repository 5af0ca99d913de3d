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
    _Atomic uint32_t next_freed;  /* in the list of those given up */
    _Atomic bool listed;          /* there */
    _Atomic uint64_t incarnation; /* another for each flow in this place; read without the lock */
    _Atomic bool disturbed;       /* something went by while another held the lock */

    /* Written under the lock, read without it by pdm_flow_peek(). */
    _Atomic bool denied; /* the agent gave no key or no place when it was asked last */
    _Atomic enum pdm_flow_state state;
    _Atomic uint32_t slot;
    _Atomic uint64_t owner;
    _Atomic uint64_t hash;           /* of tuple */
    _Atomic int64_t last_overlapped; /* the last server delay that was marked so */
    _Atomic int64_t resume_at;       /* no option before: they seemed to get lost on the path */

    /* Under the lock. */
    uint32_t bucket;
    struct pdm_tuple tuple; /* as we send */
    uint32_t epoch;         /* of the policy under which it was opened */
    uint64_t refused_as_of; /* the version of the policy */
    int64_t retry_at;       /* ask the agent again then */
    int64_t search_at;      /* search again for a Kri then */
    int64_t search_pause;
    int64_t ask_at; /* open, ask again for its secrets then */
    int64_t ask_pause;
    bool asks;    /* open, has a reason to */
    bool moving;  /* asks for its secrets alone: what it knows is to be kept */
    uint32_t mtu; /* of the path: what an option would make longer goes without; 0: not known yet */
    uint64_t instance;            /* of the agent that opened it */
    uint32_t lease;               /* Kri in the last lease */
    int64_t pause;                /* the last before resume_at; 0: an option was named since */
    uint64_t named;               /* the flow's when it was made */
    int64_t look_at;              /* TCP: no option is awaited before */
    uint32_t retransmitted;       /* TCP: segments, when the last option was sent */
    uint8_t seen[PDM_OPTION_MAX]; /* TCP: the last option that was read */
    struct pdm_flow flow;
};

/* A flow idle for long has lost its slot: what it measures must not go to the next owner's. */
static inline bool pdm_flow_has_slot(const struct pdm_flow_entry *e)
{
    return atomic_load_explicit(&pdm_flow_slot(&e->flow)->owner, memory_order_relaxed) == e->owner;
}

/* Whether an open flow must ask again for its secrets: the agent or the flow itself says so, or its
 * peer has moved to the newer of two. */
static inline bool pdm_flow_must_ask(const struct pdm_flow_entry *e)
{
    return atomic_load_explicit(&pdm_flow_slot(&e->flow)->ask, memory_order_relaxed) != 0 ||
           e->asks || e->flow.receiver.newer_seen;
}

/* Finds the flow of TUPLE or, with MAKE, makes room for it; locked. NULL: taken by another, or no
 * room. */
struct pdm_flow_entry *pdm_flow_acquire(const struct pdm_tuple *tuple, int64_t now, bool make);
void pdm_flow_release(struct pdm_flow_entry *e);

/*
 * A reference that a descriptor can keep, and the flow behind it, locked; NULL if it is gone or,
 * with *TAKEN set, another holds its lock.
 */
uint64_t pdm_flow_enter(struct pdm_flow_entry *e);
struct pdm_flow_entry *pdm_flow_by_reference(uint64_t reference, bool *taken);
void pdm_flow_leave(uint64_t reference);
/* Something was sent or received of which a flow that another holds locked does not know. */
void pdm_flow_disturb(uint64_t reference);

/* What may be told of a flow without its lock. */
struct pdm_flow_seen {
    bool denied;
    enum pdm_flow_state state;
    uint32_t slot;
    uint64_t owner;
    int64_t last_overlapped;
    int64_t resume_at;
};

/*
 * For those who ask about a flow: without its lock, so that no packet loses its option by it. A
 * reference to the flow of TUPLE, or 0; and what a reference stands for, false if that is gone.
 */
uint64_t pdm_flow_reference(const struct pdm_tuple *tuple);
bool pdm_flow_peek(uint64_t reference, struct pdm_flow_seen *seen);

/* Its place in the table. */
uint32_t pdm_flow_index(const struct pdm_flow_entry *e);

#endif
