/* SPDX-License-Identifier: BSD-2-Clause */
/* Questions to the key agent, or to a primary: one connection for each, as they want it. */
#ifndef CLI_AGENT_CLIENT_H
#define CLI_AGENT_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/cursor.h"
#include "core/limits.h"
#include "core/message.h"

enum agent_result {
    AGENT_ANSWERED,
    AGENT_UNREACHABLE, /* nobody listens there, or it may not be asked */
    AGENT_FAILED       /* no answer in time, or not a proper one */
};

struct agent_client {
    const char *path;
    const char *who;     /* "agent" or "primary" */
    const char *program; /* that answers there */
    bool quiet;          /* nothing is printed: what there is to say is in why */
    char why[PDM_REASON_MAX];
    uint8_t reply[PDM_MESSAGE_MAX];
    struct pdm_reader body; /* of the last reply, behind its status */
    uint8_t status;         /* of the last reply (enum pdm_status); PDM_STATUS_OK if none came */
};

/*
 * PATH is the socket; NULL is where agents usually are: $PDMV2_AGENT, else
 * $XDG_RUNTIME_DIR/pdmv2/agent.sock, else /run/pdmv2/agent.sock. False, and a line on standard
 * error, if that name is too long for a socket.
 */
bool agent_client_init(struct agent_client *client, const char *path);
/* The same for a primary: $PDMV2_PRIMARY, else /run/pdmv2/primary.sock. */
bool agent_client_init_primary(struct agent_client *client, const char *path);
/* Those below print a line on standard error unless they return AGENT_ANSWERED, or are quiet. */
enum agent_result agent_status(struct agent_client *client, struct pdm_status_reply *status);

/* Writes a request's body into W; START: the page of a list that is asked for. */
typedef void agent_put(struct pdm_writer *w, uint32_t start, const void *arg);
/* Asks for TYPE. What is answered behind the status OK lies in CLIENT's body, the status too. */
enum agent_result agent_ask(struct agent_client *client, uint8_t type, agent_put *put,
                            const void *arg);

/* What to do with one record of a list: reads it from BODY, false to give up. */
typedef bool agent_record(struct pdm_reader *body, void *context);
/* Asks for all pages of a list whose requests are page requests (PDM_ASSOCIATIONS, PDM_FLOWS). */
enum agent_result agent_list(struct agent_client *client, uint8_t type, agent_record *record,
                             void *context);
/* The same for one whose requests PUT writes. */
enum agent_result agent_list_of(struct agent_client *client, uint8_t type, agent_put *put,
                                const void *arg, agent_record *record, void *context);

#endif
