/* SPDX-License-Identifier: BSD-2-Clause */
/* What pdmping was asked to do. */
#ifndef CLI_PDMPING_OPTIONS_H
#define CLI_PDMPING_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ping_options {
    const char *host;
    const char *source; /* an address or an interface; NULL: the kernel's choice */
    uint16_t port;
    uint64_t count;   /* 0: until interrupted */
    int64_t interval; /* nanoseconds, as all times */
    int64_t deadline; /* 0: none */
    int64_t wait;     /* for the reply to a probe */
    size_t size;      /* octets of payload */
    bool quiet;
    bool timestamps;
    bool json;
    bool listen;
};

enum ping_parsed {
    PING_RUN,
    PING_DONE, /* help or the version was printed */
    PING_BAD   /* and a line on standard error says why */
};

enum ping_parsed ping_options_parse(int argc, char **argv, struct ping_options *options);

#endif
