/* SPDX-License-Identifier: BSD-2-Clause */
/* The far end of a connection. */
#include "tests/apps/matrix/tcp.h"

#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BACKLOG = 16,
    PATIENCE_MS = 1000,
    QUIET_MS = 100,
    STREAM_MAX = 8 * 1024 * 1024,
    SHORT_NAME = 5,
};

static unsigned char stream[STREAM_MAX];

bool tcp_far_open(struct tcp_far *far, const struct sockaddr_in6 *address)
{
    int on = 1;

    *far = (struct tcp_far){.listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0),
                            .connection = -1};
    return far->listener >= 0 &&
           setsockopt(far->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
           setsockopt(far->listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0 &&
           bind(far->listener, (const struct sockaddr *)address, sizeof(*address)) == 0 &&
           listen(far->listener, BACKLOG) == 0;
}

void tcp_far_close(struct tcp_far *far)
{
    (void)close(far->listener);
    (void)close(far->connection);
}

static bool wait_readable(int fd, int wait_ms)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};

    return poll(&ready, 1, wait_ms) == 1;
}

/* Every shape of accept() and accept4(). */
static void accept_one(struct tcp_far *far, unsigned how, struct line *out)
{
    struct sockaddr_storage name;
    struct sockaddr *to = how == ACCEPT_NO_NAME ? NULL : (struct sockaddr *)&name;
    socklen_t room = how == ACCEPT_SHORT_NAME ? SHORT_NAME : sizeof(name), len = room;
    struct outcome outcome;

    (void)close(far->connection);
    memset(&name, 0, sizeof(name));
    (void)wait_readable(far->listener, PATIENCE_MS);
    if (how == ACCEPT_NONBLOCK) {
        outcome = TRY(accept4(far->listener, to, &len, SOCK_NONBLOCK | SOCK_CLOEXEC));
    } else {
        outcome = TRY(accept(far->listener, to, to != NULL ? &len : NULL));
    }
    far->connection = (int)outcome.ret;
    outcome.ret = outcome.ret >= 0 ? 0 : -1;
    line_start(out, " accept");
    line_outcome(out, outcome);
    if (how == ACCEPT_SHORT_NAME) {
        line_add(out, " name=%u", len); /* cut within the port, which is any */
    } else {
        line_name(out, to, room, len);
    }
    line_ready(out, far->connection);
}

static void give(struct tcp_far *far, size_t len, int flags, unsigned count, struct line *out)
{
    line_start(out, " give");
    for (unsigned n = 0; n < count; n++) {
        payload_fill(stream, len, n);
        line_outcome(out, TRY(send(far->connection, stream, len, flags | MSG_NOSIGNAL)));
    }
}

static size_t read_all(int fd, size_t len, int wait_ms, struct outcome *last)
{
    size_t got = 0;

    *last = (struct outcome){0, ERRNO_SENTINEL};
    while (got < len && wait_readable(fd, wait_ms)) {
        *last = TRY(recv(fd, stream + got, len - got, 0));
        if (last->ret <= 0) {
            break;
        }
        got += (size_t)last->ret;
    }
    return got;
}

static void take(struct tcp_far *far, size_t len, struct line *out)
{
    struct outcome last;
    size_t got = read_all(far->connection, len, PATIENCE_MS, &last);

    line_start(out, " took");
    if (got < len) {
        line_outcome(out, last);
    }
    line_data(out, stream, got);
}

static void drain(struct tcp_far *far, size_t expected, struct line *out)
{
    struct outcome last;
    size_t got = read_all(far->connection, sizeof(stream), QUIET_MS, &last);

    line_start(out, " drained %s", got == expected ? "all" : "other than was sent");
    if (last.ret <= 0) {
        line_outcome(out, last);
    }
}

static void end(struct tcp_far *far, unsigned how, struct line *out)
{
    struct linger at_once = {.l_onoff = 1};

    line_start(out, " end");
    if (how == TCP_END_WRITING || how == TCP_END_READING) {
        line_outcome(out,
                     TRY(shutdown(far->connection, how == TCP_END_WRITING ? SHUT_WR : SHUT_RD)));
        return;
    }
    if (how == TCP_END_RESET) {
        (void)setsockopt(far->connection, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    }
    line_outcome(out, TRY(close(far->connection)));
    far->connection = -1;
}

bool tcp_far_obey(struct tcp_far *far, char verb, size_t len, unsigned with, unsigned count,
                  struct line *out)
{
    switch (verb) {
    case 'a':
        accept_one(far, with, out);
        break;
    case 'g':
        give(far, len, (int)with, count, out);
        break;
    case 't':
        take(far, len, out);
        break;
    case 'd':
        drain(far, len, out);
        break;
    case 'e':
        end(far, with, out);
        break;
    case 'o':
        line_start(out, " shown");
        tcp_options("listener", far->listener);
        tcp_options("accepted", far->connection);
        break;
    default:
        return false;
    }
    line_print(out);
    return true;
}
