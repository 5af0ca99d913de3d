/* SPDX-License-Identifier: BSD-2-Clause */
/* Greetings by datagram: each makes a client's stream. */
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/pdmperf/net/server_inside.h"
#include "cli/pktinfo.h"

/* A socket of its own for one client, on the same port; -1: it will greet again. */
static int connect_back(const struct server *v, const struct pktinfo *g)
{
    const struct sockaddr_in6 local = {.sin6_family = AF_INET6,
                                       .sin6_port = htons(v->options->port),
                                       .sin6_addr = g->to.ipi6_addr,
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

static void take(const struct server *v, const uint8_t *octets, size_t len,
                 const struct pktinfo *info)
{
    enum net_type type;
    struct pdm_reader body;
    size_t used = 0;

    if (net_frame_take(octets, len, &type, &body, &used) != NET_FRAME_WHOLE || type != NET_STREAM ||
        used != len)
        return;
    struct stream *stream = sessions_find_stream(v, &body, &info->from.sin6_addr, true);

    if (stream)
        stream->fd = connect_back(v, info);
}

void greetings_take(void *context, int64_t now)
{
    const struct server *v = context;
    uint8_t octets[NET_GREETING_LEN + 1]; /* one more: longer ones are none */
    struct pktinfo info;

    (void)now;
    for (unsigned i = 0; i < SERVER_BURST; i++) {
        ssize_t n = pktinfo_receive(v->udp, octets, sizeof(octets), &info);

        if (n < 0)
            return;
        take(v, octets, (size_t)n, &info);
    }
}
