/* SPDX-License-Identifier: BSD-2-Clause */
/* Control messages that a program sends: its own destination options above all, which the peer must
 * see as they were given, and what the kernel refuses. */
#include "tests/apps/matrix/cases.h"

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

enum {
    PAYLOAD = 250,
    HEADER_MAX = 256,
    OPTION_SKIP = 0x1e,
    OPTION_PADN = 1,
    HEADERS = 48,
    HUGE_CONTROL = 1 << 20,
    SHORT_CMSG = 5,
    A_HUNDRED = 100,
};

static struct line line;
static unsigned char payload[DATA_MAX];
static _Alignas(max_align_t) unsigned char control[CONTROL_MAX];

static struct msghdr message(struct iovec *iov, size_t len)
{
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 1, .msg_control = control};

    *iov = (struct iovec){.iov_base = payload, .iov_len = len};
    payload_fill(payload, len, (unsigned)len);
    return msg;
}

static void deliver(struct lab *lab, const char *name, int fd, struct msghdr *msg)
{
    line_start(&line, "%s", name);
    line_outcome(&line, TRY(sendmsg(fd, msg, 0)));
    line_add(&line, " control=%zu", (size_t)msg->msg_controllen);
    line_ready(&line, fd);
    line_print(&line);
    peer_report(lab, name, PORT_ALL);
}

static void one_control(struct lab *lab, const char *name, int fd, int level, int type,
                        const void *data, size_t len)
{
    struct sockaddr_in6 to = lab_remote(lab, PORT_ALL);
    struct sockaddr_in6 peer;
    socklen_t peer_len = sizeof(peer);
    struct iovec iov;
    struct msghdr msg = message(&iov, PAYLOAD);

    if (getpeername(fd, (struct sockaddr *)&peer, &peer_len) != 0) {
        msg.msg_name = &to;
        msg.msg_namelen = sizeof(to);
    }
    put_control(&msg, level, type, data, len);
    deliver(lab, name, fd, &msg);
}

static void one_int(struct lab *lab, const char *name, int fd, int level, int type, int value)
{
    one_control(lab, name, fd, level, type, &value, sizeof(value));
}

/* A header of n skippable options of `size` octets of data each, padded to a multiple of 8. */
static size_t make_header(unsigned char *header, unsigned n, unsigned size)
{
    size_t len = 2;
    size_t pad;

    memset(header, 0, HEADER_MAX);
    for (unsigned i = 0; i < n; i++) {
        header[len] = OPTION_SKIP;
        header[len + 1] = (unsigned char)size;
        memset(header + len + 2, (int)(i + 1), size);
        len += 2 + size;
    }
    pad = (8 - len % 8) % 8;
    if (pad > 1) {
        header[len] = OPTION_PADN;
        header[len + 1] = (unsigned char)(pad - 2);
    }
    len += pad;
    header[1] = (unsigned char)(len / 8 - 1);
    return len;
}

/* Shapes that leave little or no room beside them: the kernel's receiver takes at most 8 options,
 * at most 7 octets of padding in a row, and a header of at most 2048 octets. */
static void own_headers(struct lab *lab, int fd)
{
    static const struct {
        unsigned n;
        unsigned size;
    } shapes[] = {{1, 4}, {1, 0}, {1, 5}, {1, 6},   {2, 2},
                  {7, 3}, {8, 2}, {9, 2}, {1, 200}, {1, 250}};
    unsigned char header[HEADER_MAX * 2];
    char name[64];

    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        size_t len = make_header(header, shapes[i].n, shapes[i].size);

        (void)snprintf(name, sizeof(name), "own-dstopts %ux%u", shapes[i].n, shapes[i].size);
        one_control(lab, name, fd, IPPROTO_IPV6, IPV6_DSTOPTS, header, len);
        line_start(&line, "sticky %s", name);
        line_outcome(&line,
                     TRY(setsockopt(fd, IPPROTO_IPV6, IPV6_DSTOPTS, header, (socklen_t)len)));
        line_print(&line);
        (void)snprintf(name, sizeof(name), "sticky-dstopts %ux%u", shapes[i].n, shapes[i].size);
        one_control(lab, name, fd, IPPROTO_IPV6, IPV6_HOPLIMIT, &(int){64}, sizeof(int));
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_DSTOPTS, NULL, 0);
    }
}

static void sticky_get(const char *name, int fd, int option)
{
    unsigned char got[HEADER_MAX];
    socklen_t len = sizeof(got);
    struct outcome outcome = TRY(getsockopt(fd, IPPROTO_IPV6, option, got, &len));

    line_start(&line, "%s get %d", name, option);
    line_outcome(&line, outcome);
    line_add(&line, " %u:", len);
    if (outcome.ret == 0) {
        line_hex(&line, got, len);
    }
    line_print(&line);
}

static void sticky(struct lab *lab, int fd)
{
    static const int options[] = {IPV6_DSTOPTS, IPV6_HOPOPTS, IPV6_RTHDRDSTOPTS, IPV6_2292DSTOPTS,
                                  IPV6_2292HOPOPTS};
    const unsigned char other[8] = {0, 0, OPTION_SKIP, 4, 1, 2, 3, 4};
    const unsigned char wrong[8] = {0, 9, OPTION_SKIP, 4, 1, 2, 3, 4};

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        sticky_get("sticky before", fd, options[i]);
        line_start(&line, "sticky set %d", options[i]);
        line_outcome(
            &line, TRY(setsockopt(fd, IPPROTO_IPV6, options[i], own_dstopts, sizeof(own_dstopts))));
        line_print(&line);
        sticky_get("sticky after", fd, options[i]);
        one_int(lab, "sticky sent", fd, IPPROTO_IPV6, IPV6_TCLASS, 0);
        one_control(lab, "sticky and own", fd, IPPROTO_IPV6, IPV6_DSTOPTS, other, sizeof(other));
        sticky_get("sticky later", fd, options[i]);
        line_start(&line, "sticky wrong %d", options[i]);
        line_outcome(&line, TRY(setsockopt(fd, IPPROTO_IPV6, options[i], wrong, sizeof(wrong))));
        line_outcome(&line, TRY(setsockopt(fd, IPPROTO_IPV6, options[i], wrong, 3)));
        line_outcome(&line, TRY(setsockopt(fd, IPPROTO_IPV6, options[i], NULL, 0)));
        line_print(&line);
        sticky_get("sticky cleared", fd, options[i]);
        one_int(lab, "sticky no more", fd, IPPROTO_IPV6, IPV6_TCLASS, 0);
    }
}

/* Two of a kind, several kinds, and what makes the kernel say no. */
static void combined(struct lab *lab, int fd)
{
    const unsigned char other[8] = {0, 0, OPTION_SKIP, 4, 1, 2, 3, 4};
    const unsigned char wrong[8] = {0, 9, OPTION_SKIP, 4, 1, 2, 3, 4};
    struct in6_pktinfo info = {.ipi6_addr = lab->local.sin6_addr};
    int tclass = 8;
    struct iovec iov;
    struct msghdr msg = message(&iov, PAYLOAD);

    put_control(&msg, IPPROTO_IPV6, IPV6_DSTOPTS, own_dstopts, sizeof(own_dstopts));
    put_control(&msg, IPPROTO_IPV6, IPV6_DSTOPTS, other, sizeof(other));
    deliver(lab, "dstopts twice", fd, &msg);
    msg = message(&iov, PAYLOAD);
    put_control(&msg, IPPROTO_IPV6, IPV6_HOPOPTS, own_dstopts, sizeof(own_dstopts));
    put_control(&msg, IPPROTO_IPV6, IPV6_DSTOPTS, other, sizeof(other));
    put_control(&msg, IPPROTO_IPV6, IPV6_TCLASS, &tclass, sizeof(tclass));
    put_control(&msg, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
    deliver(lab, "four controls", fd, &msg);
    one_control(lab, "dstopts wrong length", fd, IPPROTO_IPV6, IPV6_DSTOPTS, wrong, sizeof(wrong));
    one_control(lab, "dstopts cut", fd, IPPROTO_IPV6, IPV6_DSTOPTS, own_dstopts, 1);
    one_control(lab, "dstopts empty", fd, IPPROTO_IPV6, IPV6_DSTOPTS, own_dstopts, 0);
    one_control(lab, "2292dstopts", fd, IPPROTO_IPV6, IPV6_2292DSTOPTS, other, sizeof(other));
    one_control(lab, "hopopts", fd, IPPROTO_IPV6, IPV6_HOPOPTS, other, sizeof(other));
    one_control(lab, "rthdrdstopts", fd, IPPROTO_IPV6, IPV6_RTHDRDSTOPTS, other, sizeof(other));
    one_int(lab, "tclass", fd, IPPROTO_IPV6, IPV6_TCLASS, 0x28);
    one_int(lab, "tclass wrong", fd, IPPROTO_IPV6, IPV6_TCLASS, 0x128);
    one_int(lab, "hoplimit", fd, IPPROTO_IPV6, IPV6_HOPLIMIT, 7);
    one_int(lab, "hoplimit wrong", fd, IPPROTO_IPV6, IPV6_HOPLIMIT, 300);
    one_int(lab, "dontfrag", fd, IPPROTO_IPV6, IPV6_DONTFRAG, 1);
    one_int(lab, "unknown ipv6", fd, IPPROTO_IPV6, 199, 1);
    one_int(lab, "unknown socket", fd, SOL_SOCKET, 199, 1);
    one_int(lab, "unknown level", fd, 199, 199, 1);
    one_int(lab, "ip ttl", fd, IPPROTO_IP, IP_TTL, 9);

    msg = message(&iov, PAYLOAD);
    put_control(&msg, IPPROTO_IPV6, IPV6_TCLASS, &tclass, sizeof(tclass));
    ((struct cmsghdr *)(void *)control)->cmsg_len = SHORT_CMSG;
    deliver(lab, "cmsg_len too short", fd, &msg);
    ((struct cmsghdr *)(void *)control)->cmsg_len = (size_t)CONTROL_MAX * 2;
    deliver(lab, "cmsg_len too long", fd, &msg);
    ((struct cmsghdr *)(void *)control)->cmsg_len = SIZE_MAX - 2;
    deliver(lab, "cmsg_len endless", fd, &msg);
    for (size_t len = 0; len <= CMSG_SPACE(sizeof(int)); len++) {
        ((struct cmsghdr *)(void *)control)->cmsg_len = CMSG_LEN(sizeof(int));
        msg.msg_controllen = len;
        deliver(lab, "controllen", fd, &msg);
    }
    msg.msg_control = NULL;
    msg.msg_controllen = 0;
    deliver(lab, "no control", fd, &msg);
}

/* More control than the kernel takes (optmem_max): the memory is there, the kernel still refuses.
 */
static void huge_control(struct lab *lab, int fd)
{
    static _Alignas(max_align_t) unsigned char huge[HUGE_CONTROL];
    struct iovec iov;
    struct msghdr msg = message(&iov, PAYLOAD);
    int tclass = 8;

    msg.msg_control = huge;
    while (msg.msg_controllen + CMSG_SPACE(sizeof(tclass)) <= sizeof(huge)) {
        put_control(&msg, IPPROTO_IPV6, IPV6_TCLASS, &tclass, sizeof(tclass));
    }
    deliver(lab, "control of a megabyte", fd, &msg);
    msg.msg_controllen = (size_t)INT32_MAX + 1;
    deliver(lab, "control of two gigabytes", fd, &msg);
    msg.msg_controllen = CMSG_SPACE(sizeof(tclass)) * A_HUNDRED;
    deliver(lab, "a hundred controls", fd, &msg);
}

static void pktinfo(struct lab *lab, int fd)
{
    struct in6_pktinfo info = {.ipi6_addr = lab->local.sin6_addr};

    one_control(lab, "pktinfo ours", fd, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
    one_control(lab, "2292pktinfo ours", fd, IPPROTO_IPV6, IPV6_2292PKTINFO, &info, sizeof(info));
    info.ipi6_addr = in6addr_any;
    one_control(lab, "pktinfo any", fd, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
    info.ipi6_ifindex = 9999;
    one_control(lab, "pktinfo no such interface", fd, IPPROTO_IPV6, IPV6_PKTINFO, &info,
                sizeof(info));
    info = (struct in6_pktinfo){.ipi6_addr = {{{0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff, [15] = 9}}}};
    one_control(lab, "pktinfo not ours", fd, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
    one_control(lab, "pktinfo short", fd, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info) - 1);
    info = (struct in6_pktinfo){.ipi6_addr = lab->local.sin6_addr};
    line_start(&line, "sticky pktinfo");
    line_outcome(&line, TRY(setsockopt(fd, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info))));
    line_print(&line);
    sticky_get("pktinfo", fd, IPV6_PKTINFO);
    one_int(lab, "with sticky pktinfo", fd, IPPROTO_IPV6, IPV6_TCLASS, 4);
}

/* Segmentation offload: one call, several datagrams. */
static void segments(struct lab *lab, int fd)
{
    uint16_t size = SEGMENT_OCTETS;
    socklen_t len = sizeof(int);
    struct iovec iov;
    struct msghdr msg;
    int mtu = 0;

    one_control(lab, "segments of 100", fd, SOL_UDP, UDP_SEGMENT, &size, sizeof(size));
    size = PAYLOAD;
    one_control(lab, "segment of all", fd, SOL_UDP, UDP_SEGMENT, &size, sizeof(size));
    size = 0;
    one_control(lab, "segments of 0", fd, SOL_UDP, UDP_SEGMENT, &size, sizeof(size));
    size = 1;
    one_control(lab, "segments of 1", fd, SOL_UDP, UDP_SEGMENT, &size, sizeof(size));
    size = SEGMENT_OCTETS;
    one_control(lab, "segments wrong length", fd, SOL_UDP, UDP_SEGMENT, &size, 1);

    msg = message(&iov, PAYLOAD);
    put_control(&msg, SOL_UDP, UDP_SEGMENT, &size, sizeof(size));
    put_control(&msg, IPPROTO_IPV6, IPV6_DSTOPTS, own_dstopts, sizeof(own_dstopts));
    deliver(lab, "segments with dstopts", fd, &msg);

    /* Segments that fill the path's packets to the last octet, and one octet more. */
    (void)getsockopt(fd, IPPROTO_IPV6, IPV6_MTU, &mtu, &len);
    if (mtu > HEADERS && mtu < DATA_MAX / 4) {
        for (int extra = -1; extra <= 1; extra++) {
            size = (uint16_t)(mtu - HEADERS + extra);
            msg = message(&iov, (size_t)size * 3);
            put_control(&msg, SOL_UDP, UDP_SEGMENT, &size, sizeof(size));
            deliver(lab, "segments that fill", fd, &msg);
        }
    }
    set_int(fd, SOL_UDP, UDP_SEGMENT, SEGMENT_OCTETS);
    mtu = LENGTH_SENTINEL;
    (void)getsockopt(fd, SOL_UDP, UDP_SEGMENT, &mtu, &len);
    line_start(&line, "segment option is %d", mtu);
    line_print(&line);
    one_int(lab, "segments by option", fd, IPPROTO_IPV6, IPV6_TCLASS, 0);
    line_start(&line, "send segments by option");
    line_outcome(&line, TRY(send(fd, payload, PAYLOAD, 0)));
    line_print(&line);
    peer_report(lab, "send segments by option", PORT_ALL);
    set_int(fd, SOL_UDP, UDP_SEGMENT, 0);
    set_int(fd, SOL_UDP, UDP_SEGMENT, -1);
}

/* Transmit stamps come back over the error queue: bare, or with the packet. Of the packet, whose
 * link header is the interface's own, the length is shown. */
static void transmit_stamps(struct lab *lab)
{
    static const int kinds[] = {
        SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE,
        SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID,
        SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_ID |
            SOF_TIMESTAMPING_OPT_TSONLY,
        SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_CMSG,
        SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_OPT_TSONLY,
    };
    static struct inbox inbox;

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        int fd = ours_open(lab, TIED_BOUND, PORT_ALL);

        set_int(fd, SOL_SOCKET, SO_TIMESTAMPING, kinds[i]);
        for (size_t len = 40; len <= 42; len++) {
            struct outcome outcome = TRY(send(fd, payload, len, 0));

            line_start(&line, "stamped %zu send", i);
            line_outcome(&line, outcome);
            line_print(&line);
            peer_report(lab, "stamped", PORT_ALL);
            do {
                inbox_set(&inbox, DATA_MAX - 64, CONTROL_MAX - 64, sizeof(inbox.name));
                outcome = TRY(recvmsg(fd, &inbox.msg, MSG_ERRQUEUE | MSG_DONTWAIT));
                line_start(&line, "stamped %zu errqueue", i);
                line_outcome(&line, outcome);
                line_flags(&line, inbox.msg.msg_flags);
                if (outcome.ret >= 0) {
                    line_control(&line, &inbox.msg);
                }
                line_ready(&line, fd);
                line_print(&line);
            } while (outcome.ret >= 0);
        }
        (void)close(fd);
    }
}

/* Zero copy completes over the error queue too, once the datagram has been read. */
static void zero_copy(struct lab *lab)
{
    int fd = ours_open(lab, TIED_BOUND, PORT_ALL);

    set_int(fd, SOL_SOCKET, SO_ZEROCOPY, 1);
    for (int i = 0; i < 3; i++) {
        line_start(&line, "zerocopy send");
        line_outcome(&line, TRY(send(fd, payload, PAYLOAD, MSG_ZEROCOPY)));
        line_print(&line);
        peer_report(lab, "zerocopy", PORT_ALL);
        ours_wait(fd, POLLERR);
        drain_errors("zerocopy", fd);
    }
    (void)close(fd);
}

void cases_send_controls(struct lab *lab)
{
    for (enum kind kind = LOOSE_ANY; kind < KINDS; kind++) {
        int fd = ours_open(lab, kind, PORT_ALL);

        line_start(&line, "controls of a %s socket", kind_names[kind]);
        line_print(&line);
        own_headers(lab, fd);
        sticky(lab, fd);
        if (kind_is_tied(kind)) {
            combined(lab, fd);
            huge_control(lab, fd);
            segments(lab, fd);
        }
        pktinfo(lab, fd);
        (void)close(fd);
    }
    transmit_stamps(lab);
    zero_copy(lab);
}
