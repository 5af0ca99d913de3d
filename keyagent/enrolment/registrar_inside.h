/* SPDX-License-Identifier: BSD-2-Clause */
/* A registrar, as its parts see it. */
#ifndef PDM_KEYAGENT_REGISTRAR_INSIDE_H
#define PDM_KEYAGENT_REGISTRAR_INSIDE_H

#include "keyagent/enrolment/registrar.h"
#include "keyagent/tls/link.h"

/* Whom to connect to. */
struct registrar_terms {
    char *primary[CONFIG_PRIMARIES_MAX];
    size_t primaries;
    char *name; /* in their certificates */
};

struct registrar {
    const struct registrar_place *place;
    struct registrar_terms terms;
    struct credentials *credentials;
    struct enrolment *enrolment;
    struct pairing_use pairings;
    struct link *link; /* NULL: RETRY is pending */
    struct event *retry;
    unsigned turn;     /* of the primaries: which is connected to */
    unsigned failures; /* in a row */
    bool up;
    bool enrolled;        /* by this connection */
    bool ending;          /* this connection, and why has been told */
    unsigned unanswered;  /* requests */
    int64_t waiting_from; /* for an answer */
    int64_t refused_until;
    int64_t trusted_until; /* then its certificate is looked at again */
};

/* Names, for what is told. */
const char *registrar_association(const struct registrar *r);
const char *registrar_primary(const struct registrar *r);
/* Ends the connection; WHAT: one line, or NULL if it has been told. */
void registrar_end(struct registrar *r, const char *what);

/* Asks for what this host is to have. */
void registrar_ask(struct registrar *r);
/* Hooks of the enrolment. */
bool registrar_poll(void *arg, const struct pdm_poll_request *request);
bool registrar_block(void *arg, const struct pdm_block_request *request);
/* A handler of the link. */
void registrar_message(struct link *link, const struct pdm_registration_header *header,
                       struct pdm_reader *body, void *arg);

#endif
