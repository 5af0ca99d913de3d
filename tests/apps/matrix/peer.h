/* SPDX-License-Identifier: BSD-2-Clause */
/* The far end of the call matrix: a server that sends what it is asked to and reports what it got.
 *
 * It is driven by datagrams to BASE, answered one by one. A request follows the traffic that it
 * asks about on the same path, so once the answer is there, so is the traffic. */
#ifndef TESTS_APPS_MATRIX_PEER_H
#define TESTS_APPS_MATRIX_PEER_H

#include "tests/apps/matrix/transcript.h"

#include <netinet/in.h>
#include <stdbool.h>

/* Ports, as offsets from BASE. */
enum {
    PORT_CONTROL = 0,
    PORT_ALL = 1,    /* the peer's socket with every receive option on, bound to its address */
    PORT_BARE = 2,   /* the peer's socket with none on, bound to :: */
    PORT_CLOSED = 3, /* nobody */
    PORT_STREAM = 4, /* the peer's TCP listener */
    PORT_DRIVER = 9, /* ours, for requests */
    PORT_OURS = 10,  /* ours, the socket under test */
    PORT_SINK = 11,  /* ours, a second one */
};

/* What peer_send may ask for. */
enum {
    WITH_DSTOPTS = 1,
    WITH_TCLASS = 2,
    WITH_SEGMENTS = 4,
};

enum {
    SEGMENT_OCTETS = 100,
    WAIT_MS = 2000,
};

struct lab {
    struct sockaddr_in6 local;  /* our address, port 0 */
    struct sockaddr_in6 remote; /* the peer's address, port 0 */
    unsigned base;
    unsigned pass;
    int driver;
};

bool peer_open(struct lab *lab, const char *address, const char *port);
void peer_close(struct lab *lab);

/* The peer sends count datagrams of len octets from `from` to our port `to`. */
void peer_send(struct lab *lab, unsigned from, unsigned to, size_t len, unsigned with,
               unsigned count);
/* Prints what the peer got at one of its ports, a line per datagram. */
void peer_report(struct lab *lab, const char *name, unsigned at);

int peer_serve(const char *address, const char *port);

struct sockaddr_in6 lab_remote(const struct lab *lab, unsigned offset);
struct sockaddr_in6 lab_local(const struct lab *lab, unsigned offset);

/* The peer's own Destination Options header: one option that receivers skip, six octets of it. */
extern const unsigned char own_dstopts[8];

#endif
