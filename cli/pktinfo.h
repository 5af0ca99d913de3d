/* SPDX-License-Identifier: BSD-2-Clause */
/* Datagrams with the address that they were sent to (RFC 3542 section 6), on an IPv6 socket. */
#ifndef CLI_PKTINFO_H
#define CLI_PKTINFO_H

#include <netinet/in.h>
#include <stddef.h>
#include <sys/types.h>

/* The two ends of a datagram that came. */
struct pktinfo {
    struct sockaddr_in6 from;
    struct in6_pktinfo to; /* the address and the interface; :: and 0 if the kernel does not say */
};

/*
 * Receives a datagram into the SIZE octets at OCTETS, without waiting; FD has IPV6_RECVPKTINFO set.
 * Returns its length, cut to SIZE; -1 with errno.
 */
ssize_t pktinfo_receive(int fd, void *octets, size_t size, struct pktinfo *info);
/* Sends one back, from the address that was asked, without waiting. Returns as sendmsg() does. */
ssize_t pktinfo_answer(int fd, const void *octets, size_t len, const struct pktinfo *info);

#endif
