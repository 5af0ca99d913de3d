/* SPDX-License-Identifier: BSD-2-Clause */
/* Making a link: from an address, or of a socket that was accepted. */
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "keyagent/tls/link_inside.h"

/* A peer that vanished is noticed, whether something was sent to it or not. */
static void set_options(int fd)
{
    static const struct {
        int level;
        int name;
        int value;
    } options[] = {
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, LINK_KEEPALIVE_S},
        {IPPROTO_TCP, TCP_KEEPINTVL, LINK_KEEPALIVE_PAUSE_S},
        {IPPROTO_TCP, TCP_KEEPCNT, LINK_KEEPALIVE_PROBES},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, LINK_UNACKNOWLEDGED_MS},
        {IPPROTO_TCP, TCP_NODELAY, 1},
    };

    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        (void)setsockopt(fd, options[i].level, options[i].name, &options[i].value,
                         sizeof options[i].value); /* what is no TCP has none of them */
}

static void note_from(struct link *link, int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;

    if (getpeername(fd, (struct sockaddr *)&address, &len) == 0)
        dialer_text((struct sockaddr *)&address, len, link->peer.from);
}

/* FD becomes the link's, or is closed. */
static bool take_socket(struct link *link, int fd, enum bufferevent_ssl_state side)
{
    SSL *tls = credentials_session(link->credentials, &link->admission->check);
    struct bufferevent *stream = NULL;

    if (tls != NULL && evutil_make_socket_nonblocking(fd) == 0)
        stream = bufferevent_openssl_socket_new(link->base, fd, tls, side,
                                                BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    if (stream == NULL) {
        SSL_free(tls);
        close(fd);
        return false;
    }
    note_from(link, fd);
    set_options(fd);
    link_shake_hands(link, stream);
    return true;
}

static void on_dialed(int fd, const char *why, void *arg)
{
    struct link *link = arg;

    if (fd < 0)
        link_finish(link, why);
    else if (!take_socket(link, fd, BUFFEREVENT_SSL_CONNECTING))
        link_finish(link, "no memory for a connection");
    else {
        dialer_free(link->dialer);
        link->dialer = NULL;
    }
}

struct link *link_connect(struct event_base *base, struct evdns_base *dns,
                          struct credentials *credentials, const char *target, unsigned authority,
                          const char *name, const struct link_handlers *handlers, void *arg)
{
    struct link *link = link_new(base, credentials, handlers, arg);

    if (link == NULL)
        return NULL;
    struct admission *a = link->admission;
    a->check.of_server = true;
    a->check.authority = authority;
    a->check.name = a->name;
    int len = snprintf(a->name, sizeof a->name, "%s", name);
    if (len > 0 && (size_t)len < sizeof a->name)
        link->dialer = dialer_new(base, dns, target, on_dialed, link);
    if (link->dialer != NULL)
        return link;
    link_destroy(link);
    return NULL;
}

struct link *link_accept(struct event_base *base, struct credentials *credentials, int fd,
                         const struct link_handlers *handlers, void *arg)
{
    struct link *link = link_new(base, credentials, handlers, arg);

    if (link == NULL) {
        close(fd);
        return NULL;
    }
    link->admission->check.any = true;
    if (take_socket(link, fd, BUFFEREVENT_SSL_ACCEPTING))
        return link;
    link_destroy(link);
    return NULL;
}
