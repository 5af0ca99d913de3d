/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One negotiation of a PairMasterSecret, of either side (draft-ietf-ippm-encrypted-pdmv2 section
 * 4.3, appendix B.2): the Primary Client offers suites, the Primary Server chooses one and shows a
 * public key made for this negotiation alone, the client encapsulates, and the HMAC over all that
 * was said shows that both have said and heard the same. Messages in, messages out: links, the
 * store and who may say what is the caller's. Single thread.
 *
 *   client: offer, take_answer, encapsulate, take_confirmation
 *   server: take_offer, answer, take_encapsulation
 *
 * In another order they refuse. False and NULL: the negotiation is over; WHY says what was wrong
 * with what came, and is empty if it was not that but memory.
 */
#ifndef PDM_KEYAGENT_PRIMARY_NEGOTIATION_H
#define PDM_KEYAGENT_PRIMARY_NEGOTIATION_H

#include <stdbool.h>
#include <stdint.h>

#include "conf/primary_config.h"
#include "core/registration.h"
#include "keyagent/primary/lists.h"
#include "keyagent/primary/parcel.h"
#include "keyagent/primary/store.h"

struct negotiation;

/* What was agreed on; the server's word. */
struct negotiation_terms {
    uint64_t epoch;
    struct pdm_suite suite;
    uint8_t secmop;
    uint8_t poller;
    uint8_t unprotected;
    uint32_t lifetime_s;
    uint32_t grace_s;
};

/* PEER: our own configuration for the other side. NULL after telling why. */
struct negotiation *negotiation_new(const struct primary_peer *peer);
/* Wipes it; NULL is allowed. */
void negotiation_free(struct negotiation *n);
const char *negotiation_why(const struct negotiation *n);
const struct negotiation_terms *negotiation_terms(const struct negotiation *n);

/* A SETUP request: EPOCH negotiations are known, OWN is the list of our clients. */
struct parcel *negotiation_offer(struct negotiation *n, uint64_t epoch, const struct list *own);
/* BODY is left before ENTRIES entries, of the list's version VERSION. */
bool negotiation_take_answer(struct negotiation *n, struct pdm_reader *body, uint32_t *entries,
                             uint64_t *version);
/* A KEM request. */
struct parcel *negotiation_encapsulate(struct negotiation *n);
bool negotiation_take_confirmation(struct negotiation *n, struct pdm_reader *body);

/* As negotiation_take_answer. *EPOCH: negotiations that the client knows of. A suite in common may
 * be missing: negotiation_answer() says so to the client then. */
bool negotiation_take_offer(struct negotiation *n, struct pdm_reader *body, uint64_t *epoch,
                            uint32_t *entries, uint64_t *version);
bool negotiation_has_suite(const struct negotiation *n);
/* A SETUP response; EPOCH is that of this negotiation, OWN the list of our servers. */
struct parcel *negotiation_answer(struct negotiation *n, uint64_t epoch, const struct list *own);
/* A KEM response. NULL: refused; the client is to be told. */
struct parcel *negotiation_take_encapsulation(struct negotiation *n, struct pdm_reader *body);

/* A SETUP or KEM response that says no more than STATUS. */
struct parcel *negotiation_refusal(uint8_t command, uint8_t status);

/* The PairMasterSecret as it is stored, made NOW. False unless both sides have done their part. */
bool negotiation_secret(const struct negotiation *n, int64_t now, struct store_secret *secret);

#endif
