/* SPDX-License-Identifier: BSD-2-Clause */
/* A client, as the server has it: from its TEST to its RESULT. */
#ifndef CLI_PDMPERF_NET_SESSION_H
#define CLI_PDMPERF_NET_SESSION_H

#include "cli/pdmperf/net/report.h"

struct session {
    struct net_run run;
    struct channel *channel;
    struct in6_addr peer;
    bool ready, over;
    int64_t made; /* and when its next message must have come */
    int64_t deadline;
};

/*
 * Over CHANNEL, which it takes, a client wants WHAT; the one with NUMBER. NULL if there is no
 * memory or entropy.
 */
struct session *session_make(struct channel *channel, const struct pdm_net_test *what,
                             const struct net_options *options, unsigned number);
/* Whether COOKIE is its own, in constant time. */
bool session_knows(const struct session *s, const uint8_t cookie[NET_COOKIE_LEN]);
/* The stream with that number, without a socket yet; NULL: there is none. */
struct stream *session_awaits(const struct session *s, unsigned id, bool udp);
void session_poll(struct session *s, struct poller *p);
void session_tick(struct session *s, int64_t now);
/* Ends it for WHY, which its client is told. */
void session_refuse(struct session *s, enum net_refusal why);
/* Tells what came of it, and frees it. */
void session_end(struct session *s, const struct net_report *report);

#endif
