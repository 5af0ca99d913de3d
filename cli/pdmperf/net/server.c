/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pdmperf -s: serves tests, to several clients at once. All in one loop in which nothing waits, so
 * nobody holds up another. Who connects is a stranger until its first frame says whether it is a
 * client or a client's stream; of strangers there are so many at most, and the oldest makes room.
 */
#include "cli/pdmperf/net/server.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cli/clock.h"
#include "cli/output.h"
#include "cli/pdmperf/net/session.h"
#include "cli/signals.h"

enum { SESSIONS_MAX = 64, STRANGERS_MAX = 64, STREAMS_MAX = 2048, BACKLOG = 256, BURST = 64 };
#define STRANGER_NS (10 * PDM_NSEC_PER_SEC) /* to say what it is */

struct stranger {
    struct channel *channel; /* NULL: a free place */
    struct in6_addr peer;
    int64_t deadline;
};

struct server {
    const struct net_options *options;
    const struct net_report *report;
    int tcp, udp;
    struct stranger strangers[STRANGERS_MAX];
    struct session *sessions[SESSIONS_MAX];
    unsigned count, streams;
    unsigned served;
    bool failed; /* the last client's test */
    struct poller poller;
};

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

static void forget(struct stranger *s)
{
    if (s->channel) {
        channel_close(s->channel);
        free(s->channel);
    }
    *s = (struct stranger){0};
}

static void refuse(struct stranger *s, enum net_refusal why)
{
    channel_send_refusal(s->channel, why);
    forget(s);
}

static void take_test(struct server *v, struct stranger *s, struct pdm_reader *body)
{
    struct pdm_net_test what;

    if (!net_test_take(body, &what) || !net_test_allowed(&what)) {
        refuse(s, NET_TOO_MUCH);
        return;
    }
    bool full = v->count == SESSIONS_MAX || v->streams + net_stream_count(&what) > STREAMS_MAX ||
                (v->options->once && v->served > 0);
    struct session *session =
        full ? NULL : session_make(s->channel, &what, v->options, v->served + 1);

    if (session == NULL) {
        refuse(s, NET_BUSY);
        return;
    }
    session->peer = s->peer;
    v->sessions[v->count++] = session;
    v->streams += net_stream_count(&what);
    v->served++;
    *s = (struct stranger){0};
    if (!v->options->json) {
        struct net_ends ends = net_ends_of(session->channel->fd);

        printf("client %u: %s port %u\n", session->run.number, ends.remote, ends.remote_port);
    }
}

static bool same_host(const struct in6_addr *a, const struct in6_addr *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

static struct stream *find_stream(const struct server *v, struct pdm_reader *body,
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

static void take_stream(struct server *v, struct stranger *s, struct pdm_reader *body)
{
    struct stream *stream = find_stream(v, body, &s->peer, false);

    if (stream) {
        channel_send(s->channel, NET_STREAM, NULL, 0);
        stream->fd = s->channel->fd;
        s->channel->fd = -1;
    }
    forget(s);
}

static void work_stranger(struct server *v, struct stranger *s)
{
    enum net_type type;
    struct pdm_reader body;

    channel_work(s->channel);
    bool whole = channel_next(s->channel, &type, &body);

    if (whole && type == NET_TEST)
        take_test(v, s, &body);
    else if (whole && type == NET_STREAM)
        take_stream(v, s, &body);
    else if (whole)
        refuse(s, NET_OUT_OF_TURN);
    else if (s->channel->broken && s->channel->error == EPROTO)
        refuse(s, NET_VERSION_UNKNOWN);
    else if (s->channel->broken)
        forget(s);
}

/* The one that has been there for longest, or a free place. */
static struct stranger *oldest_place(struct server *v)
{
    struct stranger *oldest = &v->strangers[0];

    for (unsigned i = 0; i < STRANGERS_MAX; i++) {
        if (v->strangers[i].deadline < oldest->deadline)
            oldest = &v->strangers[i];
    }
    return oldest;
}

/* False if nobody waits. */
static bool accept_one(struct server *v, int64_t now)
{
    struct sockaddr_in6 peer = {0};
    socklen_t len = sizeof(peer);
    struct stranger *s = oldest_place(v);
    int fd = accept4(v->tcp, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0)
        return errno != EAGAIN && errno != EMFILE && errno != ENFILE;
    forget(s);
    s->channel = calloc(1, sizeof(*s->channel));
    if (s->channel == NULL) {
        (void)close(fd);
        return false;
    }
    s->channel->fd = fd;
    s->peer = peer.sin6_addr;
    s->deadline = now + STRANGER_NS;
    return true;
}

static void work_listener(void *context, int64_t now)
{
    for (unsigned i = 0; i < BURST && accept_one(context, now); i++)
        ;
}

/* --- greetings by datagram --- */

struct greeting {
    uint8_t octets[NET_GREETING_LEN + 1]; /* one more: longer ones are none */
    size_t len;
    struct sockaddr_in6 from;
    struct in6_addr to;
};

static bool receive_greeting(int fd, struct greeting *g)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct in6_pktinfo))];
    struct iovec iov = {.iov_base = g->octets, .iov_len = sizeof(g->octets)};
    struct msghdr msg = {.msg_name = &g->from,
                         .msg_namelen = sizeof(g->from),
                         .msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof(control)};
    ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT);

    if (n < 0)
        return false;
    g->len = (size_t)n;
    g->to = in6addr_any;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
        struct in6_pktinfo info;

        if (c->cmsg_level != IPPROTO_IPV6 || c->cmsg_type != IPV6_PKTINFO)
            continue;
        memcpy(&info, CMSG_DATA(c), sizeof(info));
        g->to = info.ipi6_addr;
    }
    return true;
}

/* A socket of its own for one client, on the same port; -1: it will greet again. */
static int connect_back(const struct server *v, const struct greeting *g)
{
    const struct sockaddr_in6 local = {.sin6_family = AF_INET6,
                                       .sin6_port = htons(v->options->port),
                                       .sin6_addr = g->to,
                                       .sin6_scope_id = g->from.sin6_scope_id};
    const int on = 1, off = 0;
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) == 0 &&
        bind(fd, (const struct sockaddr *)&local, sizeof(local)) == 0 &&
        connect(fd, (const struct sockaddr *)&g->from, sizeof(g->from)) == 0)
        return fd;
    if (fd >= 0)
        (void)close(fd);
    return -1;
}

static void work_greetings(void *context, int64_t now)
{
    struct server *v = context;
    struct greeting g = {0};

    (void)now;
    for (unsigned i = 0; i < BURST && receive_greeting(v->udp, &g); i++) {
        enum net_type type;
        struct pdm_reader body;
        size_t used = 0;

        if (net_frame_take(g.octets, g.len, &type, &body, &used) != NET_FRAME_WHOLE ||
            type != NET_STREAM || used != g.len)
            continue;
        struct stream *stream = find_stream(v, &body, &g.from.sin6_addr, true);

        if (stream)
            stream->fd = connect_back(v, &g);
    }
}

/* --- the loop --- */

static void work_strangers(void *context, int64_t now)
{
    struct server *v = context;

    for (unsigned i = 0; i < STRANGERS_MAX; i++) {
        struct stranger *s = &v->strangers[i];

        if (s->channel)
            work_stranger(v, s);
        if (s->channel && now >= s->deadline)
            forget(s);
    }
}

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
    poller_add(p, v->tcp, POLLIN, POLLER_NEVER, work_listener, v);
    poller_add(p, v->udp, POLLIN, POLLER_NEVER, work_greetings, v);
    for (unsigned i = 0; i < STRANGERS_MAX; i++) {
        if (v->strangers[i].channel)
            poller_add(p, v->strangers[i].channel->fd, POLLIN, v->strangers[i].deadline,
                       work_strangers, v);
    }
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

/* For all streams that it may have; with fewer, clients are refused when there are no more. */
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
    for (unsigned i = 0; i < STRANGERS_MAX; i++)
        forget(&v->strangers[i]);
    if (v->udp >= 0)
        (void)close(v->udp);
    if (v->tcp >= 0)
        (void)close(v->tcp);
    return code;
}
