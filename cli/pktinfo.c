/* SPDX-License-Identifier: BSD-2-Clause */
/* Datagrams with the address that they were sent to. */
#include "cli/pktinfo.h"

#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

ssize_t pktinfo_receive(int fd, void *octets, size_t size, struct pktinfo *info)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(info->to))];
    struct iovec iov = {.iov_base = octets, .iov_len = size};
    struct msghdr msg = {.msg_name = &info->from,
                         .msg_namelen = sizeof(info->from),
                         .msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof(control)};
    ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT);

    if (n < 0)
        return -1;
    info->to = (struct in6_pktinfo){.ipi6_addr = IN6ADDR_ANY_INIT};
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
        if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO)
            memcpy(&info->to, CMSG_DATA(c), sizeof(info->to));
    }
    return n;
}

ssize_t pktinfo_answer(int fd, const void *octets, size_t len, const struct pktinfo *info)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(info->to))] = {0};
    struct iovec iov = {.iov_base = (void *)(uintptr_t)octets, .iov_len = len};
    struct msghdr msg = {.msg_name = (void *)(uintptr_t)&info->from,
                         .msg_namelen = sizeof(info->from),
                         .msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof(control)};
    struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
    struct in6_pktinfo from = info->to;

    /* Only a link-local address needs its interface; any other goes where the routes say. */
    if (!IN6_IS_ADDR_LINKLOCAL(&from.ipi6_addr))
        from.ipi6_ifindex = 0;
    cmsg->cmsg_level = IPPROTO_IPV6;
    cmsg->cmsg_type = IPV6_PKTINFO;
    cmsg->cmsg_len = CMSG_LEN(sizeof(from));
    memcpy(CMSG_DATA(cmsg), &from, sizeof(from));
    return sendmsg(fd, &msg, MSG_DONTWAIT);
}
