/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sockets that curl has open. curl tells the addresses of the connection on which it is about
 * to send a request, not its descriptor: that is found here. And it may close one before it says
 * that the transfer has ended: the figures end with the socket, and are taken just before.
 */
#ifndef CLI_PDMPERF_SOCKETS_H
#define CLI_PDMPERF_SOCKETS_H

#include <arpa/inet.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "cli/pdmperf/exchange.h"

/* A connection as curl names it. */
struct socket_ends {
    const char *remote_ip;
    int remote_port;
    int local_port;
};

struct socket_entry {
    int fd;
    int local_port;                   /* 0 until it is known */
    char remote_ip[INET6_ADDRSTRLEN]; /* "" until it is known, with the port */
    int remote_port;
    struct exchange *exchange; /* under way on it; NULL: none */
};

struct sockets {
    struct socket_entry *at;
    size_t count, room;
};

/* A new socket; -1 if there is none to be had. */
int sockets_open(struct sockets *s, int family, int type, int protocol);
/* E has a step under way on the connection with those ends; without figures if it is not found. */
void sockets_begin(struct sockets *s, const struct socket_ends *ends, struct exchange *e);
/* That step has ended. */
void sockets_end(struct sockets *s, struct exchange *e);
/* Closes FD; a step that is under way on it ends. */
int sockets_close(struct sockets *s, int fd);
void sockets_free(struct sockets *s);

#endif
