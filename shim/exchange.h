/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One request to the agent: a connection of its own, closed at once, within the policy's time
 * budget. The shim keeps no descriptor. Signal-safe; no cancellation point.
 */
#ifndef PDM_SHIM_EXCHANGE_H
#define PDM_SHIM_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/message.h"

struct pdm_exchange {
    uint8_t bytes[PDM_MESSAGE_SMALL];
    struct pdm_message message; /* put the request's body into message.body */
    struct pdm_reader reply;    /* the reply's body */
    int fds[2];                 /* that came with it, or -1; the caller closes them */
};

void pdm_exchange_begin(struct pdm_exchange *x, uint8_t type);
/*
 * Sends the request at NOW and, with WANTS_REPLY, takes the reply. What it took counts as effort.
 */
bool pdm_exchange_make(struct pdm_exchange *x, int64_t now, bool wants_reply);
/* Closes the descriptors that came, and wipes the rest. */
void pdm_exchange_end(struct pdm_exchange *x);

#endif
