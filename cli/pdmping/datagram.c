/* SPDX-License-Identifier: BSD-2-Clause */
/* Probes in datagrams: over UDP to an echo service, or as ICMPv6 echo. */
#include <errno.h>
#include <netinet/icmp6.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/pdmping/method.h"
#include "cli/pdmping/tally.h"

enum { UDP_HEADER = 8, ICMP_HEADER = 8, ICMP_SEQUENCE = 0xffff };

static uint8_t received[ENDPOINT_HEADER + ENDPOINT_MAX];

/* With FD for its socket; -1: there is none, and WHY says so already. */
static bool open_with(struct endpoint *e, int fd, char why[static ERROR_TEXT])
{
    e->fd = fd;
    if (fd < 0)
        return false;
    e->events = POLLIN;
    if (ping_socket_connect(e->fd, &e->address, e->text, why))
        return true;
    (void)close(e->fd);
    return false;
}

static bool open_udp(struct endpoint *e, char why[static ERROR_TEXT])
{
    return open_with(e, ping_socket(e->options, SOCK_DGRAM, 0, why), why);
}

/* With the privilege a raw socket, on which the library can attach options; else a ping socket. */
static int open_echo(struct endpoint *e, char why[static ERROR_TEXT])
{
    char raw_why[ERROR_TEXT];
    int fd = ping_socket(e->options, SOCK_RAW, IPPROTO_ICMPV6, raw_why);

    if (fd >= 0) {
        randombytes_buf(&e->identifier, sizeof(e->identifier));
        if (ping_socket_pass_replies(fd))
            return fd;
        (void)snprintf(why, ERROR_TEXT, "cannot set up a raw socket: %s", strerror(errno));
        (void)close(fd);
        return -1;
    }
    fd = ping_socket(e->options, SOCK_DGRAM, IPPROTO_ICMPV6, why);
    if (fd < 0 && (errno == EACCES || errno == EPERM))
        (void)snprintf(why, ERROR_TEXT,
                       "--icmp needs CAP_NET_RAW, or a group in net.ipv4.ping_group_range");
    return fd;
}

static bool open_icmp(struct endpoint *e, char why[static ERROR_TEXT])
{
    return open_with(e, open_echo(e, why), why);
}

/* An error that send() reports may be an earlier probe's: it is told off the queue. */
static bool send_all(struct endpoint *e, const uint8_t *bytes, size_t size)
{
    if (send(e->fd, bytes, size, MSG_DONTWAIT) >= 0)
        return true;
    int why = errno;

    e->has_errors = true;
    if (send(e->fd, bytes, size, MSG_DONTWAIT) >= 0)
        return true;
    errno = why;
    return false;
}

static bool send_udp(struct endpoint *e, const struct probe *probe, size_t size)
{
    probe_write(probe, e->out + ENDPOINT_HEADER);
    return send_all(e, e->out + ENDPOINT_HEADER, size);
}

/* The kernel fills in the checksum (RFC 3542 section 3.1). */
static bool send_icmp(struct endpoint *e, const struct probe *probe, size_t size)
{
    const struct icmp6_hdr header = {.icmp6_type = ICMP6_ECHO_REQUEST,
                                     .icmp6_id = e->identifier,
                                     .icmp6_seq = htons(probe->seq & ICMP_SEQUENCE)};

    _Static_assert(sizeof(header) == ENDPOINT_HEADER, "echo's header");
    memcpy(e->out, &header, sizeof(header));
    probe_write(probe, e->out + ENDPOINT_HEADER);
    return send_all(e, e->out, ENDPOINT_HEADER + size);
}

static int hops_of(struct msghdr *msg)
{
    int hops = REPLY_NO_HOPS;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_HOPLIMIT)
            memcpy(&hops, CMSG_DATA(c), sizeof(hops));
    }
    return hops;
}

/* One datagram to RECEIVED; -1 if there is none. */
static ssize_t take(struct endpoint *e, struct arrival *arrival)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    struct iovec iov = {.iov_base = received, .iov_len = sizeof(received)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof(control)};
    ssize_t n = recvmsg(e->fd, &msg, MSG_DONTWAIT);

    if (n >= 0)
        arrival->hops = hops_of(&msg);
    else if (errno != EAGAIN)
        e->has_errors = true; /* what is pending is told off the error queue */
    return n;
}

static struct arrival take_error(struct endpoint *e, size_t header)
{
    struct arrival arrival = {.kind = ARRIVAL_NONE};

    if (!e->has_errors)
        return arrival;
    if (ping_error_take(e->fd, e->run, header, &arrival.failure))
        arrival.kind = ARRIVAL_FAILURE;
    else
        e->has_errors = false;
    return arrival;
}

/* HEADER octets lie before the probe in what is received. */
static struct arrival receive(struct endpoint *e, size_t header)
{
    struct arrival arrival = {.kind = ARRIVAL_STRANGER};
    ssize_t n = take(e, &arrival);

    if (n < 0)
        return take_error(e, header);
    if ((size_t)n >= header && probe_read(&arrival.probe, received + header, (size_t)n - header) &&
        arrival.probe.run == e->run)
        arrival.kind = ARRIVAL_REPLY;
    arrival.bytes = (size_t)n;
    return arrival;
}

static struct arrival receive_udp(struct endpoint *e)
{
    struct arrival arrival = receive(e, 0);

    arrival.bytes += UDP_HEADER;
    return arrival;
}

static bool has_our_identifier(const struct endpoint *e)
{
    struct icmp6_hdr header;

    memcpy(&header, received, sizeof(header));
    return e->identifier == 0 || header.icmp6_id == e->identifier;
}

/* A raw socket sees the replies to all pings of this host to that one: others' are no strangers. */
static struct arrival receive_icmp(struct endpoint *e)
{
    struct arrival arrival;

    do
        arrival = receive(e, ICMP_HEADER);
    while (arrival.kind == ARRIVAL_STRANGER && !has_our_identifier(e));
    return arrival;
}

static void close_socket(struct endpoint *e)
{
    (void)close(e->fd);
}

const struct method method_udp = {
    .name = "udp",
    .port = "UDP port",
    .replier = REPLIER_SERVICE,
    .has_service = true,
    .open = open_udp,
    .send = send_udp,
    .receive = receive_udp,
    .close = close_socket,
};

const struct method method_icmp = {
    .name = "icmp",
    .replier = REPLIER_KERNEL,
    .open = open_icmp,
    .send = send_icmp,
    .receive = receive_icmp,
    .close = close_socket,
};
