/* SPDX-License-Identifier: BSD-2-Clause */
/* How a host is asked: a table for each way. */
#ifndef CLI_PDMPING_METHOD_H
#define CLI_PDMPING_METHOD_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/pdmping/error.h"
#include "cli/figures.h"
#include "cli/pdmping/options.h"
#include "cli/pdmping/probe.h"
#include "cli/pdmping/socket.h"

enum {
    ENDPOINT_HEADER = 8, /* of ICMPv6 echo */
    ENDPOINT_MAX = 65536,
};

/* Our end of what one host is asked through. */
struct endpoint {
    const struct ping_options *options;
    struct sockaddr_in6 address;
    char text[ADDRESS_TEXT]; /* of that address */
    uint64_t run;            /* random: in each probe */
    uint16_t identifier;     /* of an echo, in network order; 0: the kernel's choice */
    int fd;                  /* to wait for, and to ask the library about */
    short events;            /* that poll() is to wait for */
    bool has_errors;         /* there may be something in the error queue */
    void *state;             /* the method's own */
    uint8_t out[ENDPOINT_HEADER + ENDPOINT_MAX]; /* the payload lies behind room for a header */
};

struct arrival {
    enum { ARRIVAL_NONE, ARRIVAL_REPLY, ARRIVAL_STRANGER, ARRIVAL_FAILURE } kind;
    struct probe probe;
    size_t bytes; /* as ping counts them */
    int hops;
    struct ping_error failure;
};

struct method {
    const char *name;
    const char *port;     /* what the port is called; NULL: it has none */
    enum replier replier; /* of replies without an option */
    bool mended;          /* the transport repairs losses */
    bool has_service;     /* a probe without option can be sent apart: see control.h */
    /* WHY says what failed; an endpoint that was not opened is not closed. */
    bool (*open)(struct endpoint *e, char why[static ERROR_TEXT]);
    /* The probe with SIZE octets of payload; false and errno if it did not leave. */
    bool (*send)(struct endpoint *e, const struct probe *probe, size_t size);
    /* The next thing that came, without waiting. */
    struct arrival (*receive)(struct endpoint *e);
    void (*close)(struct endpoint *e);
};

extern const struct method method_udp;
extern const struct method method_icmp;
extern const struct method method_tcp_connect;
extern const struct method method_tcp_request;

const struct method *method_of(enum ping_method method);

#endif
