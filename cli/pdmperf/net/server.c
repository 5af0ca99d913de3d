/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pdmperf -s: serves tests, to several clients at once. All in one loop in which nothing waits, so
 * nobody holds up another.
 */
#include "cli/pdmperf/net/server.h"

#include <arpa/inet.h>
#include <err.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cli/clock.h"
#include "cli/output.h"
#include "cli/pdmperf/net/server_inside.h"
#include "cli/signals.h"

enum { BACKLOG = 256 };

/* --- listening --- */

static int listen_on(const struct server *v, int type)
{
    const struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(v->options->port)};
    const int on = 1, both = v->options->family == AF_INET6;
    int fd = socket(AF_INET6, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &both, sizeof(both)) != 0 ||
        (type == SOCK_DGRAM &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on)) != 0) ||
        bind(fd, (const struct sockaddr *)&any, sizeof(any)) != 0 ||
        (type == SOCK_STREAM && listen(fd, BACKLOG) != 0)) {
        warn("port %u", v->options->port);
        if (fd >= 0)
            (void)close(fd);
        return -1;
    }
    return fd;
}

/* --- clients and their streams --- */

static struct session *find_session(const struct server *v, const uint8_t cookie[NET_COOKIE_LEN])
{
    for (unsigned i = 0; i < v->count; i++) {
        if (session_knows(v->sessions[i], cookie))
            return v->sessions[i];
    }
    return NULL;
}

bool server_admit(struct server *v, struct channel *channel, const struct in6_addr *peer,
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

struct stream *server_find_stream(const struct server *v, struct pdm_reader *body,
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

/* --- the loop --- */

static void drop_session(struct server *v, unsigned i)
{
    struct session *s = v->sessions[i];

    v->failed = s->run.error != NULL;
    v->streams -= s->run.test.count;
    v->sessions[i] = v->sessions[--v->count];
    session_end(s, v->report);
}

static void tick(struct server *v, int64_t now)
{
    for (unsigned i = v->count; i-- > 0;) {
        if (!v->sessions[i]->over)
            session_tick(v->sessions[i], now);
        if (v->sessions[i]->over)
            drop_session(v, i);
    }
}

static void turn(struct server *v)
{
    struct poller *p = &v->poller;

    poller_begin(p);
    if (clock_monotonic() >= v->accepts_from)
        poller_add(p, v->tcp, POLLIN, POLLER_NEVER, strangers_accept, v);
    else
        poller_wake(p, v->accepts_from);
    poller_add(p, v->udp, POLLIN, POLLER_NEVER, greetings_take, v);
    strangers_poll(v);
    for (unsigned i = 0; i < v->count; i++)
        session_poll(v->sessions[i], p);
    poller_turn(p);
}

static enum net_exit serve(struct server *v)
{
    if (!v->options->json)
        printf("Server listening on %u\n", v->options->port);
    while (!signals_stop() && (!v->options->once || v->served == 0 || v->count > 0)) {
        if (!output_flush())
            return NET_EXIT_OUTPUT;
        turn(v);
        tick(v, clock_monotonic());
    }
    for (unsigned i = 0; i < v->count; i++)
        session_refuse(v->sessions[i], NET_ENDED);
    while (v->count > 0)
        drop_session(v, v->count - 1);
    if (!output_flush())
        return NET_EXIT_OUTPUT;
    return v->options->once && v->failed ? NET_EXIT_FAILED : NET_EXIT_OK;
}

/* For all streams that it may have; with fewer descriptors, clients wait until there are some. */
static void raise_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= POLLER_MAX)
        return;
    limit.rlim_cur = limit.rlim_max < POLLER_MAX ? limit.rlim_max : POLLER_MAX;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

enum net_exit net_server(const struct net_options *options)
{
    static struct server server; /* too large for a stack */
    struct server *v = &server;
    enum net_exit code = NET_EXIT_USAGE;

    v->options = options;
    v->report = options->json ? &net_report_json : &net_report_text;
    raise_limit();
    v->tcp = listen_on(v, SOCK_STREAM);
    v->udp = v->tcp >= 0 ? listen_on(v, SOCK_DGRAM) : -1;
    if (v->udp >= 0)
        code = serve(v);
    strangers_forget(v);
    if (v->udp >= 0)
        (void)close(v->udp);
    if (v->tcp >= 0)
        (void)close(v->tcp);
    return code;
}
