/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an agent has from its primary: for each pair of organisations the mode, and for each of at
 * most two negotiations (older first) the secrets of each of the host's own addresses. Kept in
 * memory alone: a restarted agent asks again. From it comes the SharedSecret of two addresses.
 *
 * The connection that fills it is keyagent/enrolment/registrar.[ch]. Single thread.
 */
#ifndef PDM_KEYAGENT_ENROLMENT_H
#define PDM_KEYAGENT_ENROLMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/limits.h"
#include "core/message.h"
#include "core/prefix.h"
#include "core/registration.h"
#include "core/suite.h"
#include "keyagent/enrolment/enrolled.h"
#include "keyagent/enrolment/highwater.h"
#include "keyagent/ledger.h"

struct enrolment; /* of one enrolled association of the configuration */

/* What two addresses share, by one negotiation (or, ibc, by one pairing). */
struct enrolled_secret {
    struct pdm_suite suite;
    uint32_t ledger; /* the scope's */
    uint32_t serial; /* another for every other secret between these two, in this agent's life;
                        bit 31 is set */
    int64_t send_at; /* as of the epoch; ibc: INT64_MAX until the peer has shown that it has it */
    uint8_t shared[PDM_NH_MAX]; /* wipe after use */
};

/*
 * The secrets between OWN and PEER of PAIR, older first, into SECRET; how many into *COUNT.
 * PDM_STATUS_LATER if one is being asked for (asymmetric-poll, ibc) and there is none yet;
 * PDM_STATUS_NOT_NAMED if OWN is not enrolled or no grant is for GROUP, the peer's group;
 * PDM_STATUS_QUOTA if too many are being asked for.
 */
enum pdm_status enrolment_secrets(struct enrolment *e, const struct enrolled_pair *pair,
                                  const uint8_t own[static PDM_ADDR_LEN],
                                  const uint8_t peer[static PDM_ADDR_LEN], uint16_t group,
                                  int64_t now,
                                  struct enrolled_secret secret[static PDM_PEER_SECRETS],
                                  unsigned *count);
/* PEER sends under the secret with SERIAL: we send under it from now on, too. */
void enrolment_peer_moved(struct enrolment *e, const struct enrolled_pair *pair,
                          const uint8_t own[static PDM_ADDR_LEN],
                          const uint8_t peer[static PDM_ADDR_LEN], uint32_t serial);
/*
 * Takes the next generation of the scope with LEDGER from its block: durably noted as used before
 * this returns true. False if the block is used up (more is asked for) or it cannot be noted.
 * E NULL: the scope's time is over; false.
 */
bool enrolment_generation(struct enrolment *e, uint32_t ledger, uint32_t *generation);
/* The association's, in the configuration. */
const char *enrolment_name(const struct enrolment *e);

/*
 * For pairings. KEY, pdm_suite_nh() octets, is what OWN and PEER agreed on by EPOCH. The initiator
 * knows that the responder has it; the responder waits for the initiator to show that, or to use
 * it. The key's serial; 0: there is no room for it, or nothing that it would be for.
 */
uint32_t enrolment_pair_device_key(struct enrolment *e, uint32_t pair, uint64_t epoch,
                                   const uint8_t own[static PDM_ADDR_LEN],
                                   const uint8_t peer[static PDM_ADDR_LEN],
                                   const uint8_t key[static PDM_NH_MAX], bool initiator);
/* PEER has shown that it has the key with SERIAL: it is sent under at once. */
void enrolment_pair_device_key_shown(struct enrolment *e, uint32_t pair,
                                     const uint8_t own[static PDM_ADDR_LEN],
                                     const uint8_t peer[static PDM_ADDR_LEN], uint32_t serial);

/*
 * For the registrar.
 */

/* What a pairing is to be made with; valid during the call. */
struct enrolment_pairing {
    const struct enrolled_pair *pair;
    const struct enrolled_epoch *epoch;
    const struct enrolled_scope *scope; /* of OWN */
    const uint8_t *peer;
};

struct enrolment_hooks {
    /*
     * A pair is new or has changed, or the time to send under its newer secret has come (it stays
     * where it is for as long as it lasts); or it is about to go. An entry of its list; or all of
     * them go, before those of a whole list come.
     */
    void (*pair_changed)(void *arg, struct enrolment *e, const struct enrolled_pair *pair);
    void (*pair_gone)(void *arg, struct enrolment *e, uint32_t pair);
    /* The keys that OWN and PEER agreed on are others now. */
    void (*peer_changed)(void *arg, struct enrolment *e, uint32_t pair,
                         const uint8_t own[static PDM_ADDR_LEN],
                         const uint8_t peer[static PDM_ADDR_LEN]);
    void (*list_changed)(void *arg, struct enrolment *e, uint32_t pair, bool add,
                         const struct pdm_prefix *prefix, uint16_t group);
    void (*list_cleared)(void *arg, struct enrolment *e, uint32_t pair);
    /* Asks the primary; false if it cannot be asked now. */
    bool (*poll)(void *arg, const struct pdm_poll_request *request);
    bool (*block)(void *arg, const struct pdm_block_request *request);
    /* Asks the peer: PDM_STATUS_LATER, or PDM_STATUS_QUOTA. NULL: no pairings are made. */
    enum pdm_status (*pairing)(void *arg, struct enrolment *e,
                               const struct enrolment_pairing *pairing);
};

/* LEDGER and HIGHWATER outlive it. NULL: out of memory. */
struct enrolment *enrolment_new(const char *name, struct ledger *ledger,
                                struct highwater *highwater, const struct enrolment_hooks *hooks,
                                void *arg);
/* All pairs go first. */
void enrolment_free(struct enrolment *e);

/* A SECRET request's body: what we have. *LEN octets, to be freed; NULL: out of memory. */
uint8_t *enrolment_ask(struct enrolment *e, size_t *len);
/*
 * The body of a message of the primary. NULL if it is good, else what is wrong with it; nothing of
 * it has been taken then, but for parts of a list, which is not complete then.
 */
const char *enrolment_take_secrets(struct enrolment *e, struct pdm_reader *body, int64_t now,
                                   enum pdm_registration_status *status);
const char *enrolment_take_list(struct enrolment *e, struct pdm_reader *body,
                                struct pdm_list_response *response);
const char *enrolment_take_poll(struct enrolment *e, struct pdm_reader *body, int64_t now);
const char *enrolment_take_block(struct enrolment *e, struct pdm_reader *body, int64_t now);
/* Nothing that was asked for will be answered any more. */
void enrolment_cut_off(struct enrolment *e);
/* All pairs go. */
void enrolment_drop(struct enrolment *e);
/* What is to be done once a second: epochs end, generations are asked for ahead of need. */
void enrolment_tick(struct enrolment *e, int64_t now);

/* Pairs that it has, and the pair with NUMBER, or NULL. */
size_t enrolment_pairs(const struct enrolment *e);
const struct enrolled_pair *enrolment_pair(const struct enrolment *e, uint32_t number);

#endif
