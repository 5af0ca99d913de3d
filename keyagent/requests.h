/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What clients ask of the agent (core/message.h): one function per request. Takes bytes and gives
 * bytes; the sockets are the server's.
 */
#ifndef PDM_KEYAGENT_REQUESTS_H
#define PDM_KEYAGENT_REQUESTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keyagent/agent.h"

#define REPLY_FDS 2

struct reply {
    uint8_t bytes[PDM_MESSAGE_MAX]; /* may hold secrets: locked memory, to be wiped */
    size_t len;                     /* 0: there is no reply */
    int fd[REPLY_FDS];              /* go with it; not to be closed */
    size_t fds;
    bool opened; /* it hands out slot */
    uint32_t slot;
};

/* Answers the message of LEN octets that client WHO sent. */
void requests_answer(struct agent *agent, const struct client_id *who, const uint8_t *bytes,
                     size_t len, struct reply *reply);
/* A search that went on has found HIT: what the peer sends under is followed at once, since the
 * flow that asked may be over before it asks again. */
void requests_found(struct agent *agent, const struct search_hit *hit);
/* Its client had left: the flow that it opened is nobody's. */
void requests_undelivered(struct agent *agent, const struct reply *reply);

#endif
