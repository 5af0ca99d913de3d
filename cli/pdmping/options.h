/* SPDX-License-Identifier: BSD-2-Clause */
/* What pdmping was asked to do. */
#ifndef CLI_PDMPING_OPTIONS_H
#define CLI_PDMPING_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/pdmping/slo.h"

enum {
    TARGETS_MAX = 64,
    SWEEP_MAX = 64,   /* sizes */
    PATTERN_MAX = 16, /* octets, as ping's -p */
    PING_UNSET = -1,  /* of what is otherwise 0..255: the kernel's choice */
};

enum ping_method { PING_UDP, PING_ICMP, PING_TCP_CONNECT, PING_TCP_REQUEST, PING_METHODS };
enum ping_output { PING_TEXT, PING_JSON, PING_CSV, PING_LIVE };

/* Sizes of payload: the first, and so many steps up. */
struct sweep {
    size_t from, step;
    unsigned sizes; /* 1: no sweep */
};

struct ping_options {
    char *const *hosts;
    size_t host_count;
    enum ping_method method;
    enum ping_output output;
    const char *source; /* an address or an interface; NULL: the kernel's choice */
    uint16_t port;
    uint64_t count;   /* 0: until interrupted */
    int64_t interval; /* nanoseconds, as all times; 0: as fast as replies come */
    int64_t deadline; /* 0: none */
    int64_t wait;     /* for the reply to a probe */
    struct sweep size;
    uint8_t pattern[PATTERN_MAX];
    size_t pattern_len; /* 0: counting octets */
    int traffic_class;
    int hop_limit;
    int mtu_discovery; /* IPV6_PMTUDISC_* */
    struct slo slo;
    bool quiet;
    bool timestamps;
    bool outstanding;
    bool adaptive;
    bool flood;
    bool require_pdm;
    bool listen;
};

enum ping_parsed {
    PING_RUN,
    PING_DONE, /* help or the version was printed */
    PING_BAD   /* and a line on standard error says why */
};

enum ping_parsed ping_options_parse(int argc, char **argv, struct ping_options *options);
/* Octets of payload of the probe SEQ, from 1. */
size_t ping_size(const struct ping_options *options, uint64_t seq);
size_t ping_size_max(const struct ping_options *options);

#endif
