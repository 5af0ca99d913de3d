/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An enrolment, as its parts see it: each of them, enrolment_*.c, takes the messages of the primary
 * that are its own, and calls none but those above it here.
 */
#ifndef PDM_KEYAGENT_ENROLMENT_INSIDE_H
#define PDM_KEYAGENT_ENROLMENT_INSIDE_H

#include "keyagent/enrolment/enrolment.h"
#include "keyagent/enrolment/pairwise.h"

struct enrolment {
    char name[PDM_NAME_MAX];
    struct ledger *ledger;
    struct highwater *highwater;
    struct enrolment_hooks hooks;
    void *arg;
    struct enrolled_set held; /* room for ENROLMENT_PAIRS_MAX */
    struct pairwise pairwise;
    struct pdm_ibc_parameters *parameters; /* NULL until mode ibc is met */
};

/* Generations. */

/* Gives scopes their numbers in the ledger; one that it has no room for is left out. */
void enrolment_number_scopes(struct enrolment *e, struct enrolled_epoch *epoch);
/* Nothing is granted by SCOPE any more. */
void enrolment_end_scope(struct enrolment *e, const struct enrolled_epoch *epoch,
                         const struct enrolled_scope *scope);
/* What was used of SCOPE, whose epoch is over, need not be noted for ever. */
void enrolment_note_end(struct enrolment *e, const struct enrolled_epoch *epoch,
                        const struct enrolled_scope *scope);
/* The primary gives BLOCK, or tells again that it did. */
void enrolment_add_block(const struct enrolment *e, const struct enrolled_epoch *epoch,
                         struct enrolled_scope *scope, const struct enrolled_block *block);
/* Asks for a block if SCOPE runs low, and it may be asked for. */
void enrolment_ask_block(struct enrolment *e, const struct enrolled_pair *pair,
                         const struct enrolled_epoch *epoch, struct enrolled_scope *scope,
                         int64_t now);

/* Points of identities (ibc). */

/* NULL if all of SET that is new can be computed with, else what is wrong. */
const char *enrolment_check_points(struct enrolment *e, const struct enrolled_set *set);

/* Device keys (ibc). */

/* As enrolment_secrets(); a status counts if *COUNT stays 0. */
enum pdm_status enrolment_device_keys(struct enrolment *e, const struct enrolled_pair *pair,
                                      const uint8_t own[static PDM_ADDR_LEN],
                                      const uint8_t peer[static PDM_ADDR_LEN],
                                      struct enrolled_secret secret[static PDM_PEER_SECRETS],
                                      unsigned *count);
/* PEER has the key with SERIAL: it is sent under from now on. */
void enrolment_device_key_moved(struct enrolment *e, uint32_t pair,
                                const uint8_t own[static PDM_ADDR_LEN],
                                const uint8_t peer[static PDM_ADDR_LEN], uint32_t serial);

/* Pairs. */

/* Epochs of PAIR that are over go; true if any was. */
bool enrolment_end_epochs(struct enrolment *e, struct enrolled_pair *pair, int64_t now);

#endif
