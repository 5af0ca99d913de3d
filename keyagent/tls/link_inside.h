/* SPDX-License-Identifier: BSD-2-Clause */
/* A link, as its parts see it. */
#ifndef PDM_KEYAGENT_TLS_LINK_INSIDE_H
#define PDM_KEYAGENT_TLS_LINK_INSIDE_H

#include "keyagent/tls/dialer.h"
#include "keyagent/tls/incoming.h"
#include "keyagent/tls/link.h"

struct bufferevent;

enum stage {
    DIALING,
    HANDSHAKE,
    UP,
    FLUSHING,  /* closing: what is queued goes first */
    LINGERING, /* closed by us: the other end closes next */
    OVER       /* down() is all that is left */
};

/* What is needed until a link is up, and no longer. */
struct admission {
    struct credentials_check check;
    char name[PDM_HOST_MAX];
};

struct link {
    enum stage stage;
    bool busy;  /* in a handler */
    bool freed; /* by it */
    struct event_base *base;
    const struct link_handlers *handlers;
    void *arg;
    void *data;
    struct credentials *credentials;
    struct admission *admission;
    struct dialer *dialer;
    struct bufferevent *stream; /* from the handshake on */
    struct event *timer;
    struct incoming message; /* that is coming */
    struct link_peer peer;
};

/* One that has neither dialer nor stream yet; NULL: no memory. */
struct link *link_new(struct event_base *base, struct credentials *credentials,
                      const struct link_handlers *handlers, void *arg);
/* STREAM becomes the link's, which goes on as the handshake does. */
void link_shake_hands(struct link *link, struct bufferevent *stream);
/* Over: tells WHY (NULL: in good order) by down(), and destroys it. */
void link_finish(struct link *link, const char *why);
void link_destroy(struct link *link);

#endif
