/* SPDX-License-Identifier: BSD-2-Clause */
/* A flow that is being opened, or looked at as if it were. Single thread. */
#ifndef PDM_KEYAGENT_OPENING_H
#define PDM_KEYAGENT_OPENING_H

#include "keyagent/keying.h"
#include "keyagent/request.h"

struct opening {
    enum pdm_message_type type; /* of the request */
    struct pdm_tuple tuple;     /* as this host sends */
    const struct association *association;
    uint16_t group;
    struct keying keying; /* encrypted: the secrets to open it under; to be wiped */
};

/* Fills in the keying; the rest is there. */
enum pdm_status opening_key(const struct request *q, struct opening *o);
/* The peer was seen to send under the newer secret: it has it, so it can be sent under at once. */
enum pdm_status opening_follow_peer(struct request *q, struct opening *o);
/* For how long nothing will be searched for what the peer sends. */
uint32_t opening_pause_ms(const struct request *q, const struct opening *o);

#endif
