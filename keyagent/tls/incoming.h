/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The message that is coming on a link, in pieces. What was taken is wiped where it came from. It
 * is held as it comes: its length is the other end's word alone.
 */
#ifndef PDM_KEYAGENT_TLS_INCOMING_H
#define PDM_KEYAGENT_TLS_INCOMING_H

#include <stddef.h>
#include <stdint.h>

#include "core/registration.h"

struct evbuffer;

struct incoming {
    uint8_t head[PDM_REGISTRATION_HEADER];
    size_t head_len;
    struct pdm_registration_header header; /* once it is whole */
    uint8_t *body;                         /* BODY_LEN octets of it, and room for BODY_ROOM */
    size_t body_len;
    size_t body_room;
    uint32_t longest; /* that a body may be */
};

enum incoming_state {
    INCOMING_PART,
    INCOMING_WHOLE, /* to be dropped before the next */
    INCOMING_BAD,   /* no message of this version, or longer than one may be */
    INCOMING_NO_MEMORY
};

/* Takes from INPUT what belongs to the message. */
enum incoming_state incoming_take(struct incoming *m, struct evbuffer *input);
/* Wipes it, and begins with the next. */
void incoming_drop(struct incoming *m);
/* Wipes what is left in INPUT. */
void incoming_discard(struct evbuffer *input);

#endif
