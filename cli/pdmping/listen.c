/* SPDX-License-Identifier: BSD-2-Clause */
/* An echo service over UDP. */
#include "cli/pdmping/listen.h"

#include <err.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/output.h"
#include "cli/signals.h"
#include "cli/pdmping/socket.h"

enum {
    DATAGRAM_MAX = 65536,
    BURST = 64, /* datagrams between two looks at the signals */
    ECHO = 7,
};

struct request {
    struct sockaddr_in6 from;
    struct in6_pktinfo to; /* the address that it was sent to */
    size_t size;
    uint8_t payload[DATAGRAM_MAX];
};

static bool receive_request(int fd, struct request *r)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(r->to))];
    struct iovec iov = {.iov_base = r->payload, .iov_len = sizeof(r->payload)};
    struct msghdr msg = {.msg_name = &r->from,
                         .msg_namelen = sizeof(r->from),
                         .msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof(control)};
    ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT);

    if (n < 0)
        return false;
    r->size = (size_t)n;
    memset(&r->to, 0, sizeof(r->to));
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
        if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO)
            memcpy(&r->to, CMSG_DATA(c), sizeof(r->to));
    }
    return true;
}

/*
 * An answer to another echo service would come back for ever, and one to a group's address would
 * come from an address that nobody asked.
 */
static bool is_answerable(const struct request *r, uint16_t own_port)
{
    uint16_t port = ntohs(r->from.sin6_port);

    return port != 0 && port != ECHO && port != own_port &&
           !IN6_IS_ADDR_MULTICAST(&r->to.ipi6_addr);
}

/* From the address that was asked. What the kernel refuses to send is lost, as datagrams are. */
static void answer(int fd, struct request *r)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(r->to))] = {0};
    struct iovec iov = {.iov_base = r->payload, .iov_len = r->size};
    struct msghdr msg = {.msg_name = &r->from,
                         .msg_namelen = sizeof(r->from),
                         .msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof(control)};
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

    /* Only a link-local address needs its interface; any other goes where the routes say. */
    if (!IN6_IS_ADDR_LINKLOCAL(&r->to.ipi6_addr))
        r->to.ipi6_ifindex = 0;
    cmsg->cmsg_level = IPPROTO_IPV6;
    cmsg->cmsg_type = IPV6_PKTINFO;
    cmsg->cmsg_len = CMSG_LEN(sizeof(r->to));
    memcpy(CMSG_DATA(cmsg), &r->to, sizeof(r->to));
    (void)sendmsg(fd, &msg, MSG_DONTWAIT);
}

static bool answer_until_stopped(int fd, const struct ping_options *options)
{
    static struct request request; /* too large for a stack */
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

    printf("pdmping: echo service on port %u\n", options->port);
    if (!output_flush())
        return false;
    while (!signals_stop()) {
        for (unsigned i = 0; i < BURST && receive_request(fd, &request); i++) {
            if (is_answerable(&request, options->port))
                answer(fd, &request);
        }
        (void)ppoll(&poll_fd, 1, NULL, signals_during_wait());
    }
    return true;
}

enum ping_exit ping_listen(const struct ping_options *options)
{
    char why[ERROR_TEXT];
    int fd = ping_socket_listen(options, why);

    if (fd < 0) {
        warnx("%s", why);
        return PING_FAILED;
    }
    bool served = answer_until_stopped(fd, options);

    (void)close(fd);
    return served ? PING_OK : PING_FAILED;
}
