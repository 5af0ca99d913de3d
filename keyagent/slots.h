/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which flow owns which slot of the metrics segment. What must be trusted is kept here, not in
 * the segment.
 */
#ifndef PDM_KEYAGENT_SLOTS_H
#define PDM_KEYAGENT_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/metrics.h"
#include "core/tuple.h"
#include "keyagent/clients.h"

#define SLOTS_NONE UINT32_MAX

struct slot_info {
    struct pdm_tuple tuple;
    uint32_t association; /* its number */
    uint32_t path;        /* its number, or PATHS_NONE */
    uint8_t format;
    uint16_t group; /* of the peer's list that the peer is in */
    /* Encrypted: what this opening's leases are of, all of them. Another secret, another slot. */
    uint32_t ledger; /* its number there */
    uint32_t serial; /* which of the two addresses' */
    struct client_id client;
    uint64_t start; /* of the process; 0: not known */
    int64_t opened;
};

struct slot_record {
    struct slot_info info;
    uint64_t owner; /* what the shim must show; 0: free */
    enum pdm_path verdict;
    uint32_t next_free;
    bool carried;          /* its flow went on in another slot */
    uint32_t origin;       /* the slot that its flow came from */
    uint64_t origin_owner; /* what marked that; 0: from none */
};

struct slots {
    struct pdm_slot *shared;
    struct slot_record *record;
    uint32_t count;
    uint32_t used;
    uint32_t first_free;
    uint32_t sweep_at;
};

bool slots_init(struct slots *s, struct pdm_slot *shared, uint32_t count);
void slots_free(struct slots *s);

/* A cleared slot, marked with OWNER (not 0); SLOTS_NONE if all are in use. */
uint32_t slots_take(struct slots *s, const struct slot_info *info, uint64_t owner);
/* The flow of slot FROM goes on in TO; both are in use, and nobody writes to either meanwhile. */
void slots_carry(struct slots *s, uint32_t from, uint32_t to);
/* The flow of SLOT, in use, did not come here: it stays in the one that it was carried from. */
void slots_take_back(struct slots *s, uint32_t slot);
/* Gives slot number SLOT back. It is in use. */
void slots_release(struct slots *s, uint32_t slot);
/* Writes VERDICT into SLOT, in use, for its shim to read. */
void slots_set_verdict(struct slots *s, uint32_t slot, enum pdm_path verdict);
/* Tells the flow of SLOT, in use, to ask again. */
void slots_ask_again(struct slots *s, uint32_t slot);
/* The record of SLOT, or NULL if that is no slot that OWNER marks. */
const struct slot_record *slots_owned(const struct slots *s, uint32_t slot, uint64_t owner);
/*
 * When a packet of SLOT was last seen. The shim says so: never in the future, never before the
 * opening.
 */
int64_t slots_active(const struct slots *s, uint32_t slot, int64_t now);
/* Whether the shim is done with SLOT, in use. */
bool slots_closed(const struct slots *s, uint32_t slot);
/*
 * Calls ENDED for slots that are closed, or without a packet since IDLE_NS; a part of all slots per
 * call.
 */
void slots_sweep(struct slots *s, int64_t now, int64_t idle_ns,
                 void (*ended)(void *arg, uint32_t slot), void *arg);

#endif
