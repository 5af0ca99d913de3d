/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bulk transfer over one TCP connection, timed in slices by the end that connects: for each line
 * "up|down MIB" on its standard input, one line with the nanoseconds from its request to the last
 * octet that it got.
 *
 *   bulk serve ADDRESS PORT     answers one connection after the other
 *   bulk ADDRESS PORT
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BLOCK (128 * 1024) /* of one call, as iperf3 does */

struct request {
    uint32_t up; /* 0: the data goes to the end that asks */
    uint32_t blocks;
};

static uint8_t block[BLOCK];

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* False: the connection ended before. */
static bool receive_all(int fd, void *to, size_t len)
{
    for (size_t got = 0; got < len;) {
        ssize_t n = recv(fd, (uint8_t *)to + got, len - got, 0);

        if (n < 0)
            err(1, "recv");
        if (n == 0)
            return false;
        got += (size_t)n;
    }
    return true;
}

static void send_all(int fd, const void *from, size_t len)
{
    for (size_t sent = 0; sent < len;) {
        ssize_t n = send(fd, (const uint8_t *)from + sent, len - sent, MSG_NOSIGNAL);

        if (n < 0)
            err(1, "send");
        sent += (size_t)n;
    }
}

static void receive_blocks(int fd, uint32_t blocks)
{
    for (uint32_t i = 0; i < blocks; i++)
        if (!receive_all(fd, block, sizeof block))
            errx(1, "the connection ended");
}

static void send_blocks(int fd, uint32_t blocks)
{
    for (uint32_t i = 0; i < blocks; i++)
        send_all(fd, block, sizeof block);
}

static void answer(int fd)
{
    struct request r;

    while (receive_all(fd, &r, sizeof r)) {
        if (r.up == 0) {
            send_blocks(fd, r.blocks);
        } else {
            receive_blocks(fd, r.blocks);
            send_all(fd, &r, 1);
        }
    }
}

static void serve(const struct sockaddr_in6 *name)
{
    int listener = socket(AF_INET6, SOCK_STREAM, 0), on = 1;

    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(listener, (const struct sockaddr *)name, sizeof *name) != 0 ||
        listen(listener, 1) != 0)
        err(1, "listen");
    for (;;) {
        int fd = accept(listener, NULL, NULL);

        if (fd < 0)
            err(1, "accept");
        answer(fd);
        close(fd);
    }
}

static void ask(int fd, const struct request *r)
{
    uint8_t thanks;

    send_all(fd, r, sizeof *r);
    if (r->up == 0) {
        receive_blocks(fd, r->blocks);
        return;
    }
    send_blocks(fd, r->blocks);
    if (!receive_all(fd, &thanks, sizeof thanks))
        errx(1, "the connection ended");
}

int main(int argc, char **argv)
{
    struct sockaddr_in6 name = {.sin6_family = AF_INET6};
    bool serves = argc == 4 && strcmp(argv[1], "serve") == 0;
    char line[64], direction[8];
    uint32_t mib;

    if ((argc != 3 && !serves) || inet_pton(AF_INET6, argv[argc - 2], &name.sin6_addr) != 1)
        errx(2, "usage: bulk [serve] ADDRESS PORT");
    name.sin6_port = htons((uint16_t)atoi(argv[argc - 1]));
    if (serves)
        serve(&name);
    int fd = socket(AF_INET6, SOCK_STREAM, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&name, sizeof name) != 0)
        err(1, "connect");
    while (fgets(line, sizeof line, stdin) != NULL) {
        if (sscanf(line, "%7s %u", direction, &mib) != 2)
            errx(1, "up|down MIB");
        struct request r = {strcmp(direction, "up") == 0, mib * (1024 * 1024 / BLOCK)};
        int64_t began = now_ns();

        ask(fd, &r);
        printf("%lld\n", (long long)(now_ns() - began));
        fflush(stdout);
    }
    return 0;
}
