/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two UDP sockets on ::1 that send each other 64 octets, timed in slices: for each line on standard
 * input, a number of round trips (two sends, two receives), one line with the nanoseconds that they
 * took.
 *
 *   volley bare     send() and recv(), as an ordinary program does
 *   volley LENGTH   what no shim could do without: sendmsg() with a constant option in a
 * Destination Options header of LENGTH octets, recvmsg() with option, receive time and packet info
 */
#include <err.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define PAYLOAD 64

static uint8_t header[2048];
static size_t header_len;

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int make_socket(struct sockaddr_in6 *name)
{
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    socklen_t len = sizeof *name;
    int on = 1, fd = socket(AF_INET6, SOCK_DGRAM, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) != 0 ||
        getsockname(fd, (struct sockaddr *)name, &len) != 0)
        err(1, "socket");
    if (header_len != 0 && (setsockopt(fd, IPPROTO_IPV6, IPV6_RECVDSTOPTS, &on, sizeof on) != 0 ||
                            setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on) != 0 ||
                            setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) != 0))
        err(1, "setsockopt");
    return fd;
}

/* An experimental option type that receivers skip, filling the header. */
static void make_header(size_t len)
{
    header_len = len;
    header[1] = (uint8_t)(len / 8 - 1);
    header[2] = 0x1E;
    header[3] = (uint8_t)(len - 4);
}

static void bare_send(int fd, const uint8_t *data)
{
    if (send(fd, data, PAYLOAD, 0) != PAYLOAD)
        err(1, "send");
}

static void bare_receive(int fd, uint8_t *data)
{
    if (recv(fd, data, PAYLOAD, 0) != PAYLOAD)
        err(1, "recv");
}

static void floor_send(int fd, const uint8_t *data)
{
    _Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(sizeof header)];
    struct iovec iov = {(void *)(uintptr_t)data, PAYLOAD};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control,
                       .msg_controllen = CMSG_SPACE(header_len)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);

    c->cmsg_level = IPPROTO_IPV6;
    c->cmsg_type = IPV6_DSTOPTS;
    c->cmsg_len = CMSG_LEN(header_len);
    memcpy(CMSG_DATA(c), header, header_len);
    if (sendmsg(fd, &m, 0) != PAYLOAD)
        err(1, "sendmsg");
}

static void floor_receive(int fd, uint8_t *data)
{
    _Alignas(struct cmsghdr) uint8_t control[512];
    struct iovec iov = {data, PAYLOAD};
    struct msghdr m = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};

    if (recvmsg(fd, &m, 0) != PAYLOAD)
        err(1, "recvmsg");
}

int main(int argc, char **argv)
{
    struct sockaddr_in6 a, b;
    uint8_t data[PAYLOAD] = {0};
    char line[32];

    if (argc != 2)
        errx(2, "usage: volley bare|LENGTH");
    if (strcmp(argv[1], "bare") != 0)
        make_header((size_t)atoi(argv[1]));
    int left = make_socket(&a), right = make_socket(&b);

    if (connect(left, (struct sockaddr *)&b, sizeof b) != 0 ||
        connect(right, (struct sockaddr *)&a, sizeof a) != 0)
        err(1, "connect");
    void (*out)(int, const uint8_t *) = header_len != 0 ? floor_send : bare_send;
    void (*in)(int, uint8_t *) = header_len != 0 ? floor_receive : bare_receive;

    while (fgets(line, sizeof line, stdin) != NULL) {
        long rounds = atol(line);
        int64_t began = now_ns();

        for (long i = 0; i < rounds; i++) {
            out(left, data);
            in(right, data);
            out(right, data);
            in(left, data);
        }
        printf("%lld\n", (long long)(now_ns() - began));
        fflush(stdout);
    }
    return 0;
}
