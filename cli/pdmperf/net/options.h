/* SPDX-License-Identifier: BSD-2-Clause */
/* What pdmperf -s or -C was asked to do. */
#ifndef CLI_PDMPERF_NET_OPTIONS_H
#define CLI_PDMPERF_NET_OPTIONS_H

#include <stdio.h>

#include "cli/pdmperf/net/message.h"

enum net_exit {
    NET_EXIT_OK = 0,
    NET_EXIT_FAILED = 1, /* no test, or one that ended in an error */
    NET_EXIT_USAGE = 2,
    NET_EXIT_OUTPUT = 23, /* as with URLs */
};

struct net_options {
    bool server;
    const char *host; /* the server's, of a client */
    uint16_t port;
    int family;
    struct pdm_net_test test;
    int64_t interval; /* nanoseconds; 0: none */
    bool once;        /* a server: one client */
    bool json;        /* one document a test */
    bool json_stream; /* JSON Lines instead */
};

enum net_parsed {
    NET_RUN,
    NET_DONE_PARSING, /* help or the version was printed */
    NET_BAD           /* and a line on standard error says why */
};

/* Whether the command line asks for this: it has -s or -C. */
bool net_options_asked(int argc, char **argv);
void net_options_usage(FILE *out);
enum net_parsed net_options_parse(int argc, char **argv, struct net_options *options);

#endif
