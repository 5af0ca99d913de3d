/* SPDX-License-Identifier: BSD-2-Clause */
/* The clients that pdmperf -s has, and which stream is whose. */
#include <stdio.h>
#include <string.h>

#include "cli/pdmperf/net/server_inside.h"

static struct session *find_session(const struct server *v, const uint8_t cookie[NET_COOKIE_LEN])
{
    for (unsigned i = 0; i < v->count; i++) {
        if (session_knows(v->sessions[i], cookie))
            return v->sessions[i];
    }
    return NULL;
}

bool sessions_admit(struct server *v, struct channel *channel, const struct in6_addr *peer,
                    const struct pdm_net_test *what)
{
    bool full = v->count == SESSIONS_MAX || v->streams + net_stream_count(what) > STREAMS_MAX ||
                (v->options->once && v->served > 0);
    struct session *session = full ? NULL : session_make(channel, what, v->options, v->served + 1);

    if (session == NULL)
        return false;
    session->peer = *peer;
    v->sessions[v->count++] = session;
    v->streams += net_stream_count(what);
    v->served++;
    if (!v->options->json) {
        struct net_ends ends = net_ends_of(channel->fd);

        printf("client %u: %s port %u\n", session->run.number, ends.remote, ends.remote_port);
    }
    return true;
}

static bool same_host(const struct in6_addr *a, const struct in6_addr *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

struct stream *sessions_find_stream(const struct server *v, struct pdm_reader *body,
                                    const struct in6_addr *peer, bool udp)
{
    struct pdm_net_greeting greeting;

    if (!net_greeting_take(body, &greeting))
        return NULL;
    struct session *session = find_session(v, greeting.cookie);

    /* Else a client could have us send a flood to another host. */
    if (session == NULL || !same_host(&session->peer, peer))
        return NULL;
    return session_awaits(session, greeting.stream, udp);
}

static void drop_session(struct server *v, unsigned i)
{
    struct session *s = v->sessions[i];

    v->failed = s->run.error != NULL;
    v->streams -= s->run.test.count;
    v->sessions[i] = v->sessions[--v->count];
    session_end(s, v->report);
}

void sessions_tick(struct server *v, int64_t now)
{
    for (unsigned i = v->count; i-- > 0;) {
        if (!v->sessions[i]->over)
            session_tick(v->sessions[i], now);
        if (v->sessions[i]->over)
            drop_session(v, i);
    }
}

void sessions_end(struct server *v)
{
    for (unsigned i = 0; i < v->count; i++)
        session_refuse(v->sessions[i], NET_ENDED);
    while (v->count > 0)
        drop_session(v, v->count - 1);
}
