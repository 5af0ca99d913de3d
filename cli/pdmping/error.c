/* SPDX-License-Identifier: BSD-2-Clause */
/* ICMPv6 errors as the kernel queues them on the socket. */
#include "cli/pdmping/error.h"

#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "cli/pdmping/probe.h"

enum { ERROR_HEADER = 8 }; /* the largest before a probe: ICMPv6's */

/* In ping's words. */
static const char *unreachable_text(uint8_t code)
{
    static const char *const texts[] = {
        [ICMP6_DST_UNREACH_NOROUTE] = "No route",
        [ICMP6_DST_UNREACH_ADMIN] = "Administratively prohibited",
        [ICMP6_DST_UNREACH_BEYONDSCOPE] = "Beyond scope of source address",
        [ICMP6_DST_UNREACH_ADDR] = "Address unreachable",
        [ICMP6_DST_UNREACH_NOPORT] = "Port unreachable",
    };

    return code < sizeof(texts) / sizeof(texts[0]) ? texts[code] : "Unknown code";
}

static void describe_icmp(const struct sock_extended_err *e, char text[static ERROR_TEXT])
{
    switch (e->ee_type) {
    case ICMP6_DST_UNREACH:
        (void)snprintf(text, ERROR_TEXT, "Destination unreachable: %s",
                       unreachable_text(e->ee_code));
        break;
    case ICMP6_PACKET_TOO_BIG:
        (void)snprintf(text, ERROR_TEXT, "Packet too big: mtu=%u", e->ee_info);
        break;
    case ICMP6_TIME_EXCEEDED:
        (void)snprintf(text, ERROR_TEXT, "Time exceeded: %s",
                       e->ee_code == ICMP6_TIME_EXCEED_TRANSIT ? "Hop limit"
                                                               : "Defragmentation failure");
        break;
    case ICMP6_PARAM_PROB:
        (void)snprintf(text, ERROR_TEXT, "Parameter problem: code %u at octet %u", e->ee_code,
                       e->ee_info);
        break;
    default:
        (void)snprintf(text, ERROR_TEXT, "ICMPv6 type %u code %u", e->ee_type, e->ee_code);
    }
}

static void describe(const struct cmsghdr *cmsg, struct ping_error *error)
{
    struct {
        struct sock_extended_err e;
        struct sockaddr_in6 offender;
    } queued = {0};
    size_t len = cmsg->cmsg_len - CMSG_LEN(0);

    memcpy(&queued, CMSG_DATA(cmsg), len < sizeof(queued) ? len : sizeof(queued));
    error->remote = queued.e.ee_origin == SO_EE_ORIGIN_ICMP6;
    if (!error->remote) {
        (void)snprintf(error->text, sizeof(error->text), "%s", strerror((int)queued.e.ee_errno));
        return;
    }
    error->closed =
        queued.e.ee_type == ICMP6_DST_UNREACH && queued.e.ee_code == ICMP6_DST_UNREACH_NOPORT;
    (void)inet_ntop(AF_INET6, &queued.offender.sin6_addr, error->from, sizeof(error->from));
    describe_icmp(&queued.e, error->text);
}

bool ping_error_take(int fd, uint64_t run, size_t header, struct ping_error *error)
{
    /* The kernel may hand out its options beside the error. */
    enum { CONTROL = 512 };
    _Alignas(struct cmsghdr) char control[CONTROL];
    uint8_t payload[ERROR_HEADER + PROBE_HEADER]; /* what the error quotes */
    struct iovec iov = {.iov_base = payload, .iov_len = sizeof(payload)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof(control)};
    struct probe probe;
    ssize_t n = recvmsg(fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT);

    if (n < 0)
        return false;
    *error = (struct ping_error){.text = "unknown error"};
    if ((size_t)n > header && probe_read(&probe, payload + header, (size_t)n - header) &&
        probe.run == run)
        error->seq = probe.seq;
    for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg); cmsg; cmsg = CMSG_NXTHDR(&msg, cmsg)) {
        if (cmsg->cmsg_level == IPPROTO_IPV6 && cmsg->cmsg_type == IPV6_RECVERR)
            describe(cmsg, error);
    }
    return true;
}
