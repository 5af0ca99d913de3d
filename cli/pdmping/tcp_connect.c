/* SPDX-License-Identifier: BSD-2-Clause */
/* Probes that are TCP handshakes: a connection each, which is closed as soon as it is there. */
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/pdmping/method.h"
#include "cli/pdmping/tally.h"

enum { ATTEMPTS = 256 /* under way; the oldest makes room */ };

struct attempt {
    int fd; /* -1: none */
    struct probe probe;
};

struct attempts {
    struct attempt attempt[ATTEMPTS]; /* by sequence number */
};

/* The endpoint's descriptor is an epoll instance: readable while a handshake has an outcome. */
static bool open_connect(struct endpoint *e, char why[static ERROR_TEXT])
{
    struct attempts *all = malloc(sizeof(*all));

    e->fd = epoll_create1(EPOLL_CLOEXEC);
    if (!all || e->fd < 0) {
        (void)snprintf(why, ERROR_TEXT, "cannot wait for connections: %s", strerror(errno));
        free(all);
        if (e->fd >= 0)
            (void)close(e->fd);
        return false;
    }
    for (unsigned i = 0; i < ATTEMPTS; i++)
        all->attempt[i].fd = -1;
    e->state = all;
    e->events = POLLIN;
    return true;
}

static void end_attempt(struct attempt *attempt)
{
    if (attempt->fd >= 0)
        (void)close(attempt->fd);
    attempt->fd = -1;
}

static bool start_attempt(struct endpoint *e, struct attempt *attempt)
{
    char why[ERROR_TEXT];
    struct epoll_event event = {.events = EPOLLOUT, .data = {.ptr = attempt}};

    attempt->fd = ping_socket(e->options, SOCK_STREAM, 0, why);
    if (attempt->fd < 0)
        return false;
    if ((connect(attempt->fd, (const struct sockaddr *)&e->address, sizeof(e->address)) == 0 ||
         errno == EINPROGRESS) &&
        epoll_ctl(e->fd, EPOLL_CTL_ADD, attempt->fd, &event) == 0)
        return true;
    int error = errno;

    end_attempt(attempt);
    errno = error;
    return false;
}

static bool send_connect(struct endpoint *e, const struct probe *probe, size_t size)
{
    struct attempt *attempt = &((struct attempts *)e->state)->attempt[probe->seq % ATTEMPTS];

    (void)size;
    end_attempt(attempt);
    attempt->probe = *probe;
    return start_attempt(e, attempt);
}

static struct ping_error failure_of(const struct endpoint *e, uint64_t seq, int error)
{
    struct ping_error failure = {
        .seq = seq, .remote = error == ECONNREFUSED, .closed = error == ECONNREFUSED};

    (void)snprintf(failure.from, sizeof(failure.from), "%s", e->text);
    (void)snprintf(failure.text, sizeof(failure.text), "%s", strerror(error));
    return failure;
}

static struct arrival receive_connect(struct endpoint *e)
{
    struct arrival arrival = {.kind = ARRIVAL_NONE, .hops = REPLY_NO_HOPS};
    struct epoll_event event;
    int error = 0;
    socklen_t len = sizeof(error);

    if (epoll_wait(e->fd, &event, 1, 0) != 1)
        return arrival;
    struct attempt *attempt = event.data.ptr;

    (void)getsockopt(attempt->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    arrival.probe = attempt->probe;
    arrival.kind = error ? ARRIVAL_FAILURE : ARRIVAL_REPLY;
    if (error)
        arrival.failure = failure_of(e, attempt->probe.seq, error);
    end_attempt(attempt);
    return arrival;
}

static void close_connect(struct endpoint *e)
{
    struct attempts *all = e->state;

    for (unsigned i = 0; i < ATTEMPTS; i++)
        end_attempt(&all->attempt[i]);
    free(all);
    (void)close(e->fd);
}

const struct method method_tcp_connect = {
    .name = "tcp-connect",
    .port = "TCP port",
    .replier = REPLIER_HANDSHAKE,
    .mended = true,
    .open = open_connect,
    .send = send_connect,
    .receive = receive_connect,
    .close = close_connect,
};
