/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where metrics are served: HTTP on a loopback address or a Unix socket, GET and HEAD of /metrics
 * and nothing else. One request a connection; those that come while all places are taken wait to
 * be accepted. Event loop: single thread.
 */
#ifndef PDM_KEYAGENT_ENDPOINT_H
#define PDM_KEYAGENT_ENDPOINT_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/limits.h"
#include "keyagent/agent.h"
#include "keyagent/enrolment/registry.h"
#include "keyagent/metrics/scrape.h"

struct evhttp;
struct evhttp_request;
struct evconnlistener;
struct bufferevent;

struct endpoint_client {
    struct bufferevent *connection;
    int64_t began;
};

struct endpoint_request {
    struct evhttp_request *request;
    enum exposition_format format;
};

struct endpoint {
    struct event_base *base;
    struct agent *agent;
    const struct registry *registry;
    union config_address address; /* that is listened on; AF_UNSPEC: none */
    struct evhttp *http;
    struct evconnlistener *listener; /* HTTP's own */
    struct endpoint_client client[AGENT_SCRAPE_CLIENTS];
    size_t clients;
    struct event *look;                                    /* whether clients have gone */
    struct endpoint_request waiting[AGENT_SCRAPE_WAITING]; /* for what is being gathered, or next */
    size_t waits;
    struct scrape scrape;
    struct event *go_on; /* with that */
};

/* AGENT and REGISTRY outlive it, in BASE. False: out of memory; endpoint_free() is due in any case.
 */
bool endpoint_init(struct endpoint *e, struct event_base *base, struct agent *agent,
                   const struct registry *registry);
void endpoint_free(struct endpoint *e);
/* Serves where the agent's configuration says from now on, or nowhere. False after telling why:
 * then nowhere. */
bool endpoint_set(struct endpoint *e);

#endif
