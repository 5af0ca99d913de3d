/* SPDX-License-Identifier: BSD-2-Clause */
/* Probes that are requests on one TCP connection to an echo service. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/clock.h"
#include "cli/pdmping/method.h"
#include "cli/pdmping/tally.h"
#include "cli/signals.h"
#include "cli/wait.h"

struct connection {
    enum { CLOSED, CONNECTING, CONNECTED } is;
    int error;   /* why it is closed */
    size_t have; /* octets of the next answer that have come */
    uint8_t in[ENDPOINT_MAX];
};

static void disconnect(struct endpoint *e, int error)
{
    struct connection *c = e->state;

    if (e->fd >= 0)
        (void)close(e->fd);
    e->fd = -1;
    *c = (struct connection){.is = CLOSED, .error = error};
}

static bool start(struct endpoint *e, char why[static ERROR_TEXT])
{
    struct connection *c = e->state;
    const int on = 1;

    e->fd = ping_socket(e->options, SOCK_STREAM, 0, why);
    if (e->fd < 0)
        return false;
    /* A request waits for no other's acknowledgement. */
    (void)setsockopt(e->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    c->is = CONNECTING;
    e->events = POLLOUT;
    if (connect(e->fd, (const struct sockaddr *)&e->address, sizeof(e->address)) != 0 &&
        errno != EINPROGRESS)
        disconnect(e, errno);
    return true;
}

/* Looks at how the attempt to connect ended; false while it goes on. */
static bool has_ended(struct endpoint *e)
{
    struct connection *c = e->state;
    struct pollfd poll_fd = {.fd = e->fd, .events = POLLOUT};
    int error = 0;
    socklen_t len = sizeof(error);

    if (poll(&poll_fd, 1, 0) == 0)
        return false;
    (void)getsockopt(e->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error) {
        disconnect(e, error);
        return true;
    }
    c->is = CONNECTED;
    e->events = POLLIN;
    return true;
}

/* The handshake is no part of the first request: it is waited for, as long as for a reply. */
static void wait_until_connected(struct endpoint *e)
{
    const struct connection *c = e->state;
    int64_t until = clock_monotonic() + e->options->wait;

    while (c->is == CONNECTING && !has_ended(e) && !signals_stop()) {
        struct pollfd poll_fd = {.fd = e->fd, .events = POLLOUT};

        if (wait_ready(&poll_fd, 1, until) == 0)
            return;
    }
}

static bool open_request(struct endpoint *e, char why[static ERROR_TEXT])
{
    e->state = calloc(1, sizeof(struct connection));
    if (!e->state) {
        (void)snprintf(why, ERROR_TEXT, "%s", strerror(errno));
        return false;
    }
    if (!start(e, why)) {
        free(e->state);
        return false;
    }
    wait_until_connected(e);
    return true;
}

/* What cannot be sent at once does not leave; a part of a request would spoil all that follow. */
static bool send_request(struct endpoint *e, const struct probe *probe, size_t size)
{
    struct connection *c = e->state;
    char why[ERROR_TEXT];

    if (c->is == CLOSED) {
        int error = c->error;

        (void)start(e, why);
        errno = error;
        return false;
    }
    if (c->is == CONNECTING && (!has_ended(e) || c->is != CONNECTED)) {
        errno = c->is == CLOSED ? c->error : ENOTCONN;
        return false;
    }
    probe_write(probe, e->out + ENDPOINT_HEADER);
    ssize_t n = send(e->fd, e->out + ENDPOINT_HEADER, size, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (n == (ssize_t)size)
        return true;
    int error = n >= 0 ? ENOBUFS : errno;

    if (n >= 0 || error != EAGAIN)
        disconnect(e, error);
    errno = error;
    return false;
}

static struct arrival lost_connection(struct endpoint *e, int error)
{
    struct arrival arrival = {.kind = ARRIVAL_FAILURE, .failure = {.remote = true}};

    (void)snprintf(arrival.failure.from, sizeof(arrival.failure.from), "%s", e->text);
    (void)snprintf(arrival.failure.text, sizeof(arrival.failure.text), "%s",
                   error ? strerror(error) : "Connection closed by the host");
    disconnect(e, error ? error : ENOTCONN);
    return arrival;
}

/* The answer is an echo: its header tells which probe's, and so how long it is. */
static size_t wanted(const struct endpoint *e, const struct connection *c)
{
    struct probe probe;

    if (c->have < PROBE_HEADER || !probe_read(&probe, c->in, c->have) || probe.run != e->run)
        return PROBE_HEADER;
    return ping_size(e->options, probe.seq);
}

static struct arrival receive_request(struct endpoint *e)
{
    struct connection *c = e->state;
    struct arrival arrival = {.kind = ARRIVAL_NONE, .hops = REPLY_NO_HOPS};

    if (c->is == CONNECTING)
        (void)has_ended(e);
    if (c->is != CONNECTED) /* the next probe tells why */
        return arrival;
    while (c->have < wanted(e, c)) {
        ssize_t n = recv(e->fd, c->in + c->have, wanted(e, c) - c->have, MSG_DONTWAIT);

        if (n < 0 && errno == EAGAIN)
            return arrival;
        if (n <= 0)
            return lost_connection(e, n < 0 ? errno : 0);
        c->have += (size_t)n;
    }
    (void)probe_read(&arrival.probe, c->in, c->have);
    arrival.kind = arrival.probe.run == e->run ? ARRIVAL_REPLY : ARRIVAL_STRANGER;
    arrival.bytes = c->have;
    c->have = 0;
    return arrival;
}

static void close_request(struct endpoint *e)
{
    disconnect(e, 0);
    free(e->state);
}

const struct method method_tcp_request = {
    .name = "tcp-request",
    .port = "TCP port",
    .replier = REPLIER_SERVICE,
    .mended = true,
    .open = open_request,
    .send = send_request,
    .receive = receive_request,
    .close = close_request,
};
