/* SPDX-License-Identifier: BSD-2-Clause */
/* pdmperf -s, as its parts see it. */
#ifndef CLI_PDMPERF_NET_SERVER_INSIDE_H
#define CLI_PDMPERF_NET_SERVER_INSIDE_H

#include "cli/pdmperf/net/session.h"

enum {
    SESSIONS_MAX = 64,
    STREAMS_MAX = 2048, /* of all sessions */
    STRANGERS_MAX = 64,
    SERVER_BURST = 64, /* connections or datagrams before others get their turn */
};

/*
 * Who connects is one until its first frame says whether it is a client or a client's stream. There
 * are so many at most, and the oldest makes room.
 */
struct stranger {
    struct channel *channel; /* NULL: a free place */
    struct in6_addr peer;
    int64_t deadline;
};

struct server {
    const struct net_options *options;
    const struct net_report *report;
    int tcp, udp;
    int64_t accepts_from; /* until then there is no room for a connection */
    struct stranger strangers[STRANGERS_MAX];
    struct session *sessions[SESSIONS_MAX];
    unsigned count, streams;
    unsigned served;
    bool failed; /* the last client's test */
    struct poller poller;
};

/* A session for the client at PEER, which takes CHANNEL; false: there is no room for another. */
bool sessions_admit(struct server *v, struct channel *channel, const struct in6_addr *peer,
                    const struct pdm_net_test *what);
/* The stream without a socket yet that a greeting from PEER names; NULL: there is none. */
struct stream *sessions_find_stream(const struct server *v, struct pdm_reader *body,
                                    const struct in6_addr *peer, bool udp);

/* What is to do because of the time; those that are over are told of and forgotten. */
void sessions_tick(struct server *v, int64_t now);
/* Refuses all and forgets them: the server ends. */
void sessions_end(struct server *v);

/* For the poller; their context is the server. */
poller_work strangers_accept, greetings_take;

void strangers_poll(struct server *v);
/* Drops them all. */
void strangers_forget(struct server *v);

#endif
