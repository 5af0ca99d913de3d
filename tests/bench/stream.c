/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Both ends of one TCP connection on ::1 that send each other 64 octets, timed in slices: for each
 * line on standard input, a number of round trips (two sends, two receives), one line with the
 * nanoseconds that they took.
 *
 *   stream bare     send() and recv(), as an ordinary program does
 *   stream LENGTH   what no shim could do without: once per 10 ms each way, a segment with a
 * constant option in a Destination Options header of LENGTH octets, signals held back meanwhile;
 * reads with their time, and a look for an option after those that may bring one
 */
#include <err.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#include "core/limits.h"

#define PAYLOAD 64

/* One end, and when the floor does what for it. */
struct end {
    int fd;
    bool accepted;
    bool asked;        /* an option came that is to be answered */
    int64_t option_at; /* when the last one was sent */
    int64_t look_at;   /* no look for one before that */
};

static uint8_t header[2048];
static size_t header_len;

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void connect_ends(struct end *client, struct end *server)
{
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    socklen_t len = sizeof a;
    int listener = socket(AF_INET6, SOCK_STREAM, 0), on = 1;

    *client = (struct end){.fd = socket(AF_INET6, SOCK_STREAM, 0)};
    if (listener < 0 || client->fd < 0 || bind(listener, (struct sockaddr *)&a, sizeof a) != 0 ||
        listen(listener, 1) != 0 || getsockname(listener, (struct sockaddr *)&a, &len) != 0 ||
        connect(client->fd, (struct sockaddr *)&a, sizeof a) != 0)
        err(1, "connect");
    *server = (struct end){.fd = accept(listener, NULL, NULL), .accepted = true};
    if (server->fd < 0)
        err(1, "accept");
    const int ends[] = {client->fd, server->fd};

    for (int i = 0; i < 2; i++)
        if (setsockopt(ends[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
            (header_len != 0 &&
             (setsockopt(ends[i], IPPROTO_IPV6, IPV6_RECVDSTOPTS, &on, sizeof on) != 0 ||
              setsockopt(ends[i], SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) != 0)))
            err(1, "setsockopt");
}

/* An experimental option type that receivers skip, filling the header. */
static void make_header(size_t len)
{
    header_len = len;
    header[1] = (uint8_t)(len / 8 - 1);
    header[2] = 0x1E;
    header[3] = (uint8_t)(len - 4);
}

static void bare_send(struct end *e, const uint8_t *data)
{
    if (send(e->fd, data, PAYLOAD, 0) != PAYLOAD)
        err(1, "send");
}

static void bare_receive(struct end *e, uint8_t *data)
{
    if (recv(e->fd, data, PAYLOAD, 0) != PAYLOAD)
        err(1, "recv");
}

/* A segment with the option, which nothing sent later carries. */
static void optional_send(struct end *e, const uint8_t *data)
{
    _Alignas(struct cmsghdr) uint8_t none[CMSG_SPACE(sizeof(int))] = {0};
    struct cmsghdr c = {CMSG_LEN(sizeof(int)), IPPROTO_IPV6, IPV6_HOPLIMIT};
    struct iovec iov = {(void *)(uintptr_t)data, PAYLOAD};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    struct tcp_info info;
    socklen_t len = sizeof info, len_after = sizeof info;
    sigset_t all, before;
    int default_limit = -1;

    memcpy(none, &c, sizeof c);
    memcpy(none + CMSG_LEN(0), &default_limit, sizeof default_limit);
    sigfillset(&all);
    if (getsockopt(e->fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0 ||
        sigprocmask(SIG_BLOCK, &all, &before) != 0 ||
        setsockopt(e->fd, IPPROTO_IPV6, IPV6_DSTOPTS, header, (socklen_t)header_len) != 0 ||
        sendmsg(e->fd, &m, MSG_DONTWAIT) != PAYLOAD ||
        getsockopt(e->fd, IPPROTO_TCP, TCP_INFO, &info, &len_after) != 0 ||
        setsockopt(e->fd, IPPROTO_IPV6, IPV6_2292PKTOPTIONS, none, sizeof none) != 0 ||
        sigprocmask(SIG_SETMASK, &before, NULL) != 0)
        err(1, "send with an option");
}

static void floor_send(struct end *e, const uint8_t *data)
{
    int64_t now = e->accepted ? 0 : now_ns();

    if (e->accepted ? !e->asked : now - e->option_at < PDM_STREAM_INTERVAL_NS) {
        bare_send(e, data);
        return;
    }
    optional_send(e, data);
    e->asked = false;
    e->option_at = now;
    if (!e->accepted)
        e->look_at = 0;
}

/* Whether what was read last had an option, and nothing waits behind it. */
static bool had_option(int fd)
{
    uint8_t control[PDM_STREAM_CONTROL];
    socklen_t len = sizeof control;
    int queued;

    if (getsockopt(fd, IPPROTO_IPV6, IPV6_2292PKTOPTIONS, control, &len) != 0)
        err(1, "IPV6_2292PKTOPTIONS");
    return len > 0 && ioctl(fd, SIOCINQ, &queued) == 0 && queued == 0;
}

static void floor_receive(struct end *e, uint8_t *data)
{
    _Alignas(struct cmsghdr) uint8_t control[512];
    struct iovec iov = {data, PAYLOAD};
    struct msghdr m = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};

    if (recvmsg(e->fd, &m, 0) != PAYLOAD)
        err(1, "recvmsg");
    if (now_ns() >= e->look_at && had_option(e->fd)) {
        e->asked = e->accepted;
        e->look_at = e->accepted ? now_ns() + PDM_STREAM_LOOK_NS : INT64_MAX;
    }
}

int main(int argc, char **argv)
{
    struct end client, server;
    uint8_t data[PAYLOAD] = {0};
    char line[32];

    if (argc != 2)
        errx(2, "usage: stream bare|LENGTH");
    if (strcmp(argv[1], "bare") != 0)
        make_header((size_t)atoi(argv[1]));
    connect_ends(&client, &server);
    void (*out)(struct end *, const uint8_t *) = header_len != 0 ? floor_send : bare_send;
    void (*in)(struct end *, uint8_t *) = header_len != 0 ? floor_receive : bare_receive;

    while (fgets(line, sizeof line, stdin) != NULL) {
        long rounds = atol(line);
        int64_t began = now_ns();

        for (long i = 0; i < rounds; i++) {
            out(&client, data);
            in(&server, data);
            out(&server, data);
            in(&client, data);
        }
        printf("%lld\n", (long long)(now_ns() - began));
        fflush(stdout);
    }
    return 0;
}
