/* SPDX-License-Identifier: BSD-2-Clause */
/* One request under way. A handler puts its reply and returns PDM_STATUS_OK, or says why not. */
#ifndef PDM_KEYAGENT_REQUEST_H
#define PDM_KEYAGENT_REQUEST_H

#include "core/message.h"
#include "keyagent/requests.h"

struct request {
    struct agent *agent;
    struct client *client;
    int64_t now;
    struct pdm_reader *body;
    struct reply *reply;
};

static inline void request_begin(const struct request *q, struct pdm_message *m,
                                 enum pdm_message_type type)
{
    pdm_message_begin(m, q->reply->bytes, sizeof q->reply->bytes, (uint8_t)(type | PDM_REPLY));
}

static inline void request_end(const struct request *q, struct pdm_message *m)
{
    q->reply->len = pdm_message_end(m);
}

#endif
