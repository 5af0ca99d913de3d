/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One socket that talks to many peers, each a flow of its own. Both ends are sockets of this
 * process: the hub is bound to HUB; the peers are one socket too, which speaks from PREFIX::N by
 * packet info. For each line "ROUNDS PEERS" on standard input: ROUNDS packets to the hub and its
 * answers back, over PEERS peers in turn; prints the nanoseconds and the resident memory in KiB.
 *
 *   many HUB PREFIX
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define HUB_PORT 9000
#define PEER_PORT 9001
#define PAYLOAD 64

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static long resident_kib(void)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[128];
    long kib = -1;

    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "VmRSS: %ld", &kib) == 1)
            break;
    if (f != NULL)
        fclose(f);
    return kib;
}

static int make_socket(const char *addr, uint16_t port)
{
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    int on = 1, fd = socket(AF_INET6, SOCK_DGRAM, 0);

    if (fd < 0 || inet_pton(AF_INET6, addr, &a.sin6_addr) != 1 ||
        setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on) != 0 ||
        bind(fd, (struct sockaddr *)&a, sizeof a) != 0)
        err(1, "socket %s", addr);
    return fd;
}

static void send_from(int fd, const struct in6_addr *from, const struct sockaddr_in6 *to)
{
    static uint8_t data[PAYLOAD];
    _Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof(struct in6_pktinfo))] = {0};
    struct in6_pktinfo info = {.ipi6_addr = *from};
    struct iovec iov = {data, sizeof data};
    struct msghdr m = {.msg_name = (void *)(uintptr_t)to,
                       .msg_namelen = sizeof *to,
                       .msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control,
                       .msg_controllen = sizeof control};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);

    c->cmsg_level = IPPROTO_IPV6;
    c->cmsg_type = IPV6_PKTINFO;
    c->cmsg_len = CMSG_LEN(sizeof info);
    memcpy(CMSG_DATA(c), &info, sizeof info);
    if (sendmsg(fd, &m, 0) != PAYLOAD)
        err(1, "sendmsg");
}

static void receive(int fd, struct sockaddr_in6 *from)
{
    uint8_t data[PAYLOAD];
    _Alignas(struct cmsghdr) uint8_t control[512];
    struct iovec iov = {data, sizeof data};
    struct msghdr m = {.msg_name = from,
                       .msg_namelen = sizeof *from,
                       .msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control,
                       .msg_controllen = sizeof control};

    if (recvmsg(fd, &m, 0) != PAYLOAD)
        err(1, "recvmsg");
}

int main(int argc, char **argv)
{
    struct in6_addr hub_addr, peer;
    char line[64];

    if (argc != 3 || inet_pton(AF_INET6, argv[1], &hub_addr) != 1 ||
        inet_pton(AF_INET6, argv[2], &peer) != 1)
        errx(2, "usage: many HUB PREFIX");
    int hub = make_socket(argv[1], HUB_PORT), peers = make_socket("::", PEER_PORT);
    struct sockaddr_in6 to_hub = {
        .sin6_family = AF_INET6, .sin6_port = htons(HUB_PORT), .sin6_addr = hub_addr};

    while (fgets(line, sizeof line, stdin) != NULL) {
        long rounds, count;

        if (sscanf(line, "%ld %ld", &rounds, &count) != 2 || count < 1)
            errx(2, "ROUNDS PEERS");
        int64_t began = now_ns();

        for (long i = 0; i < rounds; i++) {
            uint32_t number = htonl((uint32_t)(i % count) + 1);
            struct sockaddr_in6 from;

            memcpy(&peer.s6_addr[12], &number, sizeof number);
            send_from(peers, &peer, &to_hub);
            receive(hub, &from);
            send_from(hub, &hub_addr, &from);
            receive(peers, &from);
        }
        printf("%lld %ld\n", (long long)(now_ns() - began), resident_kib());
        fflush(stdout);
    }
    return 0;
}
