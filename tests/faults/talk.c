/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Somebody who talks to an echo over UDP all the time, and says how it goes.
 *
 *   talk STATUS ADDRESS PORT PAUSE_US SOCKET_MS
 *
 * Every PAUSE_US it sends a datagram; it uses a socket for SOCKET_MS, then another. The file STATUS
 * always holds one line: samples of network delay, samples of server delay, datagrams sent,
 * datagrams echoed, datagrams lost, and the most milliseconds that went by without a sample of
 * network delay since the last SIGUSR1. A datagram is lost if it was not echoed within PATIENCE_NS.
 */
#define PDMV2_WEAK
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "shim/pdmv2.h"

#define NS_PER_S INT64_C(1000000000)
#define PATIENCE_NS (8 * NS_PER_S)
#define STATUS_NS (NS_PER_S / 50)

enum { NS_PER_US = 1000, NS_PER_MS = 1000000, LINE_MAX_LEN = 128 };

/* The figures of one socket start anew when an agent did. */
struct growing {
    uint64_t last;
    uint64_t sum;
};

static struct growing network, server;
static uint64_t sent, echoed, lost;
static int status_fd;
static int64_t status_at;
static int64_t sampled_at, paused_ns;
static volatile sig_atomic_t forget;

static void on_forget(int signal)
{
    (void)signal;
    forget = 1;
}

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * NS_PER_S + t.tv_nsec;
}

static void grow(struct growing *g, uint64_t now)
{
    g->sum += now >= g->last ? now - g->last : now;
    g->last = now;
}

static void look(int fd, int64_t now)
{
    const uint64_t before = network.sum;

    struct pdmv2_stats stats = {.size = sizeof stats};

    if (pdmv2_stats == NULL || pdmv2_stats(fd, &stats) != 0 || stats.reason == PDMV2_BUSY)
        return;
    grow(&network, stats.network_delay.samples);
    grow(&server, stats.server_delay.samples);
    if (forget != 0) {
        forget = 0;
        sampled_at = now;
        paused_ns = 0;
    }
    if (now - sampled_at > paused_ns)
        paused_ns = now - sampled_at;
    if (network.sum != before)
        sampled_at = now;
}

static void tell(int fd, int64_t now)
{
    char line[LINE_MAX_LEN];

    if (now < status_at)
        return;
    status_at = now + STATUS_NS;
    look(fd, now);
    int len = snprintf(line, sizeof line,
                       "%12" PRIu64 " %12" PRIu64 " %12" PRIu64 " %12" PRIu64 " %12" PRIu64
                       " %12" PRId64 "\n",
                       network.sum, server.sum, sent, echoed, lost, paused_ns / NS_PER_MS);
    if (pwrite(status_fd, line, (size_t)len, 0) != len)
        err(1, "status");
}

static int talk_to(const struct sockaddr_in6 *peer)
{
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (const struct sockaddr *)peer, sizeof *peer) != 0)
        err(1, "socket");
    network.last = server.last = 0;
    return fd;
}

/* Waits until UNTIL for an echo; another socket's cannot come. */
static void hear(int fd, int64_t until)
{
    int64_t left = until - now_ns();
    struct timespec wait = {.tv_sec = left / NS_PER_S, .tv_nsec = left % NS_PER_S};
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    uint64_t number;

    if (left <= 0 || ppoll(&ready, 1, &wait, NULL) <= 0)
        return;
    if (recv(fd, &number, sizeof number, MSG_DONTWAIT) == (ssize_t)sizeof number)
        echoed++;
    else if (errno == ECONNREFUSED)
        errx(1, "nobody listens");
}

static void converse(const struct sockaddr_in6 *peer, int64_t pause, int64_t last_ns)
{
    int fd = talk_to(peer);
    const int64_t end = now_ns() + last_ns;
    const uint64_t before = echoed, from = sent;
    int64_t next = now_ns();

    while (next < end) {
        if (now_ns() >= next) {
            if (send(fd, &sent, sizeof sent, 0) != (ssize_t)sizeof sent)
                err(1, "send");
            sent++;
            next += pause;
        }
        hear(fd, next);
        tell(fd, now_ns());
    }
    for (int64_t until = now_ns() + PATIENCE_NS;
         echoed - before < sent - from && now_ns() < until;) {
        hear(fd, until);
        tell(fd, now_ns());
    }
    lost += (sent - from) - (echoed - before);
    status_at = 0;
    tell(fd, now_ns());
    close(fd);
}

int main(int argc, char **argv)
{
    struct sockaddr_in6 peer = {.sin6_family = AF_INET6};

    if (argc != 6 || inet_pton(AF_INET6, argv[2], &peer.sin6_addr) != 1)
        errx(2, "usage: talk STATUS ADDRESS PORT PAUSE_US SOCKET_MS");
    peer.sin6_port = htons((uint16_t)atoi(argv[3]));
    status_fd = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (status_fd < 0)
        err(1, "%s", argv[1]);
    signal(SIGUSR1, on_forget);
    sampled_at = now_ns();
    for (;;)
        converse(&peer, atol(argv[4]) * NS_PER_US, atol(argv[5]) * NS_PER_MS);
}
