/* SPDX-License-Identifier: BSD-2-Clause */
/* A connection to be made. */
#include "keyagent/tls/dialer.h"

#include <errno.h>
#include <event2/dns.h>
#include <event2/util.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WHY_MAX (PDM_HOST_MAX + 128)
#define PORT_DIGITS 5

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    };
    socklen_t len;
};

struct dialer {
    struct event_base *base;
    void (*done)(int fd, const char *why, void *arg); /* NULL: nobody waits any more */
    void *arg;
    struct event *event; /* the next step, or the connection that is tried */
    struct evdns_getaddrinfo_request *asked;
    int fd; /* that is tried, or -1 */
    size_t addresses;
    size_t next; /* of them to be tried */
    struct address address[LINK_ADDRESSES_MAX];
    char host[PDM_HOST_MAX];
    char port[PORT_DIGITS + 1];
    char why[WHY_MAX];
};

void dialer_text(const struct sockaddr *address, socklen_t len, char text[static LINK_FROM_MAX])
{
    char host[LINK_FROM_MAX - PORT_DIGITS - 4];
    char port[PORT_DIGITS + 1];

    if ((address->sa_family != AF_INET && address->sa_family != AF_INET6) ||
        getnameinfo(address, len, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        snprintf(text, LINK_FROM_MAX, "local");
    else
        snprintf(text, LINK_FROM_MAX, strchr(host, ':') != NULL ? "[%s]:%s" : "%s:%s", host, port);
}

static bool take_port(struct dialer *d, const char *port)
{
    size_t digits = strspn(port, "0123456789");

    if (digits == 0 || digits > PORT_DIGITS || port[digits] != '\0')
        return false;
    memcpy(d->port, port, digits + 1);
    unsigned long number = strtoul(port, NULL, 10);
    return number > 0 && number <= UINT16_MAX;
}

/* An address of IPv6 has its colons inside brackets. */
static bool take_target(struct dialer *d, const char *target)
{
    const char *colon = strrchr(target, ':');
    const char *end = colon;

    if (colon == NULL)
        return false;
    if (target[0] == '[') {
        target++;
        end--;
        if (end < target || *end != ']')
            return false;
    } else if (memchr(target, ':', (size_t)(end - target)) != NULL) {
        return false;
    }
    size_t len = (size_t)(end - target);
    if (len == 0 || len >= sizeof d->host)
        return false;
    memcpy(d->host, target, len);
    return take_port(d, colon + 1);
}

static void turn(struct address *address, size_t count)
{
    struct address turned[LINK_ADDRESSES_MAX];

    if (count < 2)
        return;
    size_t first = randombytes_uniform((uint32_t)count);
    for (size_t i = 0; i < count; i++)
        turned[i] = address[(first + i) % count];
    memcpy(address, turned, count * sizeof turned[0]);
}

static void take_family(struct dialer *d, const struct evutil_addrinfo *found, int family)
{
    size_t first = d->addresses;

    for (; found != NULL && d->addresses < LINK_ADDRESSES_MAX; found = found->ai_next) {
        struct address *a = &d->address[d->addresses];

        if (found->ai_family != family || found->ai_addrlen > sizeof a->v6)
            continue;
        memcpy(&a->any, found->ai_addr, found->ai_addrlen);
        a->len = found->ai_addrlen;
        d->addresses++;
    }
    turn(d->address + first, d->addresses - first);
}

static void take_found(struct dialer *d, int error, struct evutil_addrinfo *found)
{
    take_family(d, found, AF_INET6);
    take_family(d, found, AF_INET);
    snprintf(d->why, sizeof d->why, "%s: %s", d->host,
             error != 0 ? evutil_gai_strerror(error) : "has no address");
    if (found != NULL)
        evutil_freeaddrinfo(found);
    event_active(d->event, EV_TIMEOUT, 0);
}

/* Called by evdns even after it was told to stop. */
static void on_resolved(int error, struct evutil_addrinfo *found, void *arg)
{
    struct dialer *d = arg;

    d->asked = NULL;
    if (d->done != NULL) {
        take_found(d, error, found);
        return;
    }
    if (found != NULL)
        evutil_freeaddrinfo(found);
    free(d);
}

static void resolve(struct dialer *d, struct evdns_base *dns)
{
    struct evutil_addrinfo hints = {.ai_family = AF_UNSPEC,
                                    .ai_socktype = SOCK_STREAM,
                                    .ai_protocol = IPPROTO_TCP,
                                    .ai_flags = EVUTIL_AI_NUMERICHOST | EVUTIL_AI_NUMERICSERV};
    struct evutil_addrinfo *found = NULL;
    int error = evutil_getaddrinfo(d->host, d->port, &hints, &found);

    hints.ai_flags = EVUTIL_AI_NUMERICSERV;
    if (error != EVUTIL_EAI_NONAME || dns == NULL)
        take_found(d, error, found);
    else
        d->asked = evdns_getaddrinfo(dns, d->host, d->port, &hints, on_resolved, d);
}

static void note_failure(struct dialer *d, const struct address *a, int error)
{
    char text[LINK_FROM_MAX];

    dialer_text(&a->any, a->len, text);
    snprintf(d->why, sizeof d->why, "%s: %s", text, strerror(error));
}

static void on_event(int fd, short what, void *arg);

/* True if A answers, or may yet do so. */
static bool try_address(struct dialer *d, const struct address *a)
{
    static const struct timeval patience = {.tv_sec = LINK_CONNECT_S};
    bool good = false;

    d->fd = socket(a->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    if (d->fd >= 0 && (connect(d->fd, &a->any, a->len) == 0 || errno == EINPROGRESS))
        good = event_assign(d->event, d->base, d->fd, EV_WRITE, on_event, d) == 0 &&
               event_add(d->event, &patience) == 0;
    if (good)
        return true;
    note_failure(d, a, errno);
    if (d->fd >= 0)
        close(d->fd);
    d->fd = -1;
    return false;
}

static void try_next(struct dialer *d)
{
    while (d->next < d->addresses)
        if (try_address(d, &d->address[d->next++]))
            return;
    d->done(-1, d->why, d->arg);
}

static void on_event(int fd, short what, void *arg)
{
    struct dialer *d = arg;
    int error = ETIMEDOUT;
    socklen_t len = sizeof error;

    if (d->fd < 0) {
        try_next(d);
        return;
    }
    if ((what & EV_WRITE) != 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        error = errno;
    event_del(d->event);
    d->fd = -1;
    if (error == 0) {
        d->done(fd, NULL, d->arg);
        return;
    }
    close(fd);
    note_failure(d, &d->address[d->next - 1], error);
    try_next(d);
}

struct dialer *dialer_new(struct event_base *base, struct evdns_base *dns, const char *target,
                          void (*done)(int fd, const char *why, void *arg), void *arg)
{
    struct dialer *d = calloc(1, sizeof *d);

    if (d == NULL)
        return NULL;
    d->base = base;
    d->done = done;
    d->arg = arg;
    d->fd = -1;
    d->event = take_target(d, target) ? event_new(base, -1, 0, on_event, d) : NULL;
    if (d->event == NULL) {
        free(d);
        return NULL;
    }
    resolve(d, dns);
    return d;
}

void dialer_free(struct dialer *dialer)
{
    if (dialer == NULL)
        return;
    event_free(dialer->event);
    if (dialer->fd >= 0)
        close(dialer->fd);
    dialer->done = NULL;
    if (dialer->asked != NULL)
        evdns_getaddrinfo_cancel(dialer->asked); /* frees it with its last call */
    else
        free(dialer);
}
