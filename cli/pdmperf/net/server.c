/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pdmperf -s: serves tests, to several clients at once. All in one loop in which nothing waits, so
 * nobody holds up another.
 */
#include "cli/pdmperf/net/server.h"

#include <arpa/inet.h>
#include <err.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cli/clock.h"
#include "cli/output.h"
#include "cli/pdmperf/net/server_inside.h"
#include "cli/signals.h"

enum { BACKLOG = 256 };

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
        sessions_tick(v, clock_monotonic());
    }
    sessions_end(v);
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
