/* SPDX-License-Identifier: BSD-2-Clause */
/* A negotiation, as its sides see it. */
#ifndef PDM_KEYAGENT_PRIMARY_NEGOTIATION_INSIDE_H
#define PDM_KEYAGENT_PRIMARY_NEGOTIATION_INSIDE_H

#include "core/kem.h"
#include "keyagent/primary/negotiation.h"

enum negotiation_stage { BEGUN, OFFERED, ANSWERED, ENCAPSULATED, AGREED, OVER };

/* Room for the fixed part of a SETUP's body and all that comes before its list. */
#define SETUP_HEAD 256

struct negotiation {
    const struct primary_peer *peer;
    enum negotiation_stage stage;
    const char *why;
    struct negotiation_terms terms;
    bool has_suite;
    struct parcel *request; /* the SETUP's messages, as they were sent or came */
    struct parcel *response;
    uint8_t sk[PDM_KEM_SK_LEN]; /* the server's */
    uint8_t pk[PDM_KEM_PK_MAX];
    uint16_t pk_len;
    uint8_t pms[PDM_NH_MAX];
    uint8_t confirm[PDM_NH_MAX]; /* that the server shows */
};

/* Says WHY, and false. */
bool negotiation_refuse(struct negotiation *n, const char *why);
bool negotiation_expect(struct negotiation *n, enum negotiation_stage stage);
/* Among the identifiers of one kind. */
bool negotiation_has_id(const uint16_t *id, uint8_t ids, uint16_t wanted);
/* The secrets, once all three messages are known: KEM is the third. */
bool negotiation_derive(struct negotiation *n, const uint8_t shared[static PDM_KEM_SECRET_LEN],
                        const uint8_t salt[static PDM_SALT_LEN], const struct parcel *kem);

#endif
