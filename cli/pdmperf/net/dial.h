/* SPDX-License-Identifier: BSD-2-Clause */
/* Connecting to a host by name. */
#ifndef CLI_PDMPERF_NET_DIAL_H
#define CLI_PDMPERF_NET_DIAL_H

#include <stdint.h>
#include <sys/socket.h>

struct dial_address {
    struct sockaddr_storage storage;
    socklen_t len;
};

/*
 * A TCP connection to HOST, over FAMILY (AF_UNSPEC: either), whose address is left in *TO; -1, and
 * in *WHY the reason in words.
 */
int dial_host(const char *host, uint16_t port, int family, struct dial_address *to,
              const char **why);
/* A socket of TYPE connected to that address; -1 with errno. Non-blocking, as the other. */
int dial_again(const struct dial_address *to, int type);

#endif
