/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a mode of operation gives to a secondary of ours (draft-ietf-ippm-encrypted-pdmv2-02 section
 * 7): by each of the negotiations in force, for each of its addresses. Writes records of a SECRET
 * response. Single thread.
 */
#ifndef PDM_KEYAGENT_PRIMARY_GRANTS_H
#define PDM_KEYAGENT_PRIMARY_GRANTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/limits.h"
#include "core/registration.h"
#include "keyagent/primary/identities.h"
#include "keyagent/primary/lists.h"
#include "keyagent/primary/store.h"

/* A negotiation in force. */
struct grants_epoch {
    const struct store_secret *secret;
    uint64_t send_ms; /* from now */
    uint64_t ends_ms;
};

/*
 * Of SECRET those that secondaries may use NOW (seconds), older first: the current one, and the one
 * before for as long as it is received under, if it is of the same mode. None whose epoch is below
 * USABLE_FROM. Returns how many.
 */
size_t grants_epochs(const struct store_secret *secret, size_t secrets, uint64_t usable_from,
                     int64_t now, struct grants_epoch epoch[static PDM_PEER_SECRETS]);
/* The current one, whether usable or not, or NULL. */
const struct store_secret *grants_current(const struct store_secret *secret, size_t secrets);

/* An address of the secondary, on our list. */
struct grants_scope {
    uint8_t addr[PDM_ADDR_LEN];
    uint16_t group;                   /* that our list has it in */
    uint32_t first[PDM_PEER_SECRETS]; /* generations, by the negotiation's place in EPOCH */
    uint32_t count[PDM_PEER_SECRETS];
};

struct grants {
    uint32_t pair;
    const char *name; /* of the other organisation */
    uint8_t side;     /* ours */
    const struct list *peers;
    const struct grants_epoch *epoch;
    size_t epochs;
    const struct grants_scope *scope;
    size_t scopes;
    struct identities *identities;
};

/* The pair's record with all that belongs to it; EPOCHS is 1 at least. False if a secret could not
 * be made. */
bool grants_write(const struct grants *g, struct pdm_writer *w);

/*
 * asymmetric-poll: SECRET shared by OWN, one of ours of SIDE, and PEER, for OWN, which polls.
 * False if it is another mode, or the other side that polls.
 */
bool grants_poll(const struct store_secret *secret, uint8_t side,
                 const uint8_t own[static PDM_ADDR_LEN], const uint8_t peer[static PDM_ADDR_LEN],
                 uint8_t shared[static PDM_NH_MAX]);

#endif
