/* SPDX-License-Identifier: BSD-2-Clause */
/* Errors that come back: refused ports, the error queue, descriptors that are no sockets or not
 * there at all. */
#include "tests/apps/matrix/cases.h"

#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    CALLS = 12,
    NO_SUCH_FD = 900,
    /* The kernel answers the first few datagrams to a closed port of another host, then one a
     * second: more would make the outcome a matter of time. */
    REMOTE_PASSES = 2,
};

static struct line line;

/* Each takes what is pending on the socket: an error first. */
static struct outcome nth_call(unsigned n, int fd)
{
    char data[8] = "datagram";
    struct iovec iov = {.iov_base = data, .iov_len = sizeof(data)};
    struct mmsghdr batch = {.msg_len = 0};
    socklen_t len = sizeof(int);
    int value = 0;

    batch.msg_hdr.msg_iov = &iov;
    batch.msg_hdr.msg_iovlen = 1;
    switch (n) {
    case 0:
        return TRY(send(fd, data, sizeof(data), 0));
    case 1:
        return TRY(sendto(fd, data, sizeof(data), 0, NULL, 0));
    case 2:
        return TRY(sendmsg(fd, &batch.msg_hdr, 0));
    case 3:
        return TRY(sendmmsg(fd, &batch, 1, 0));
    case 4:
        return TRY(write(fd, data, sizeof(data)));
    case 5:
        return TRY(writev(fd, &iov, 1));
    case 6:
        return TRY(recv(fd, data, sizeof(data), MSG_DONTWAIT));
    case 7:
        return TRY(recvfrom(fd, data, sizeof(data), MSG_DONTWAIT, NULL, NULL));
    case 8:
        return TRY(recvmsg(fd, &batch.msg_hdr, MSG_DONTWAIT));
    case 9:
        return TRY(recvmmsg(fd, &batch, 1, MSG_DONTWAIT, NULL));
    case 10:
        return TRY(recv(fd, data, sizeof(data), MSG_DONTWAIT | MSG_PEEK));
    default:
        (void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, &len);
        return (struct outcome){.ret = 0, .err = value};
    }
}

/* Two ends on ::1, where refusals are neither delayed nor limited: one is closed, the other sends,
 * and one call after the other must find the error exactly once. */
static void refused_here(const struct lab *lab, bool queued)
{
    struct sockaddr_in6 closed = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};

    closed.sin6_port = htons((in_port_t)(lab->base + PORT_SINK));
    for (unsigned n = 0; n < CALLS; n++) {
        int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        set_int(fd, IPPROTO_IPV6, IPV6_RECVERR, queued);
        (void)connect(fd, (struct sockaddr *)&closed, sizeof(closed));
        for (int i = 0; i < 2; i++) {
            line_start(&line, "refused %s call %u", queued ? "queued" : "plain", n);
            line_outcome(&line, TRY(send(fd, "refused", 7, 0)));
            line_ready(&line, fd);
            line_outcome(&line, nth_call(n, fd));
            line_ready(&line, fd);
            line_outcome(&line, nth_call(n, fd));
            line_ready(&line, fd);
            line_outcome(&line, nth_call(CALLS - 1, fd));
            line_ready(&line, fd);
            line_print(&line);
        }
        drain_errors("refused", fd);
        (void)close(fd);
    }
}

/* The unconnected socket hears of a refusal only through its error queue. */
static void refused_loose(const struct lab *lab)
{
    struct sockaddr_in6 closed = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    closed.sin6_port = htons((in_port_t)(lab->base + PORT_SINK));
    for (int queued = 0; queued <= 1; queued++) {
        set_int(fd, IPPROTO_IPV6, IPV6_RECVERR, queued);
        set_int(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, queued);
        set_int(fd, IPPROTO_IPV6, IPV6_RECVDSTOPTS, queued);
        for (int i = 0; i < 2; i++) {
            line_start(&line, "refused loose");
            line_outcome(&line, TRY(sendto(fd, "refused", 7, 0, (struct sockaddr *)&closed,
                                           sizeof(closed))));
            line_ready(&line, fd);
            line_print(&line);
            read_and_print("refused loose", fd, MSG_DONTWAIT);
            drain_errors("refused loose", fd);
        }
    }
    (void)close(fd);
}

static void error_sizes(const struct lab *lab)
{
    static struct inbox inbox;
    struct sockaddr_in6 closed = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    closed.sin6_port = htons((in_port_t)(lab->base + PORT_SINK));
    set_int(fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
    set_int(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
    for (size_t size = 0; size <= 120; size += 8) {
        (void)sendto(fd, "refused", 7, 0, (struct sockaddr *)&closed, sizeof(closed));
        inbox_set(&inbox, 5, size, sizeof(inbox.name));
        line_start(&line, "errqueue control of %zu", size);
        inbox_line(&line, &inbox, TRY(recvmsg(fd, &inbox.msg, MSG_ERRQUEUE)));
        line_ready(&line, fd);
        line_print(&line);
    }
    /* Calls without a place for control messages, and the queue when it is empty. */
    (void)sendto(fd, "refused", 7, 0, (struct sockaddr *)&closed, sizeof(closed));
    line_start(&line, "errqueue by recv");
    line_outcome(&line, TRY(recv(fd, inbox.data, 100, MSG_ERRQUEUE)));
    line_outcome(&line, TRY(recv(fd, inbox.data, 100, MSG_ERRQUEUE)));
    line_print(&line);
    (void)close(fd);
}

static void refused_there(struct lab *lab)
{
    int fd;

    if (lab->pass > REMOTE_PASSES) {
        return;
    }
    fd = ours_open(lab, TIED_BOUND, PORT_CLOSED);
    set_int(fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
    line_start(&line, "refused there");
    line_outcome(&line, TRY(send(fd, "refused", 7, 0)));
    line_print(&line);
    ours_wait(fd, POLLERR);
    line_start(&line, "refused there, again");
    line_outcome(&line, nth_call(2, fd));
    line_print(&line);
    ours_wait(fd, POLLERR);
    drain_errors("refused there", fd);
    (void)close(fd);
}

/* ----------------------------------------------------------- not a socket, or none */

static void each_call_on(const char *name, int fd)
{
    struct sockaddr_in6 address;
    socklen_t len = sizeof(address);

    line_start(&line, "%s", name);
    for (unsigned n = 0; n < CALLS - 1; n++) {
        line_outcome(&line, nth_call(n, fd));
    }
    line_outcome(&line, TRY(connect(fd, NULL, 0)));
    line_outcome(&line, TRY(getsockname(fd, (struct sockaddr *)&address, &len)));
    line_outcome(&line,
                 TRY(setsockopt(fd, IPPROTO_IPV6, IPV6_RECVDSTOPTS, &(int){1}, sizeof(int))));
    line_outcome(&line, TRY(getsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &address, &len)));
    line_outcome(&line, TRY(shutdown(fd, SHUT_RDWR)));
    line_print(&line);
}

static void no_sockets(void)
{
    int fds[2];
    int closed = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int epoll = epoll_create1(EPOLL_CLOEXEC);

    each_call_on("minus one", -1);
    each_call_on("never open", NO_SUCH_FD);
    each_call_on("endless", INT32_MAX);
    (void)close(closed);
    each_call_on("closed", closed);
    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0) {
        each_call_on("pipe, read end", fds[0]);
        each_call_on("pipe, write end", fds[1]);
        (void)close(fds[0]);
        (void)close(fds[1]);
    }
    each_call_on("epoll", epoll);
    line_start(&line, "close");
    line_outcome(&line, TRY(close(epoll)));
    line_outcome(&line, TRY(close(epoll)));
    line_outcome(&line, TRY(close(-1)));
    line_print(&line);
}

/* A path descriptor has a number and no calls. */
static void path_descriptor(void)
{
    int fd = open("/", O_PATH | O_CLOEXEC);

    each_call_on("path", fd);
    (void)close(fd);
}

void cases_errors(struct lab *lab)
{
    refused_here(lab, false);
    refused_here(lab, true);
    refused_loose(lab);
    error_sizes(lab);
    refused_there(lab);
    no_sockets();
    path_descriptor();
}
