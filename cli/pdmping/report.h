/* SPDX-License-Identifier: BSD-2-Clause */
/* What pdmping tells: as text like ping's, or as JSON Lines. */
#ifndef CLI_PDMPING_REPORT_H
#define CLI_PDMPING_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/figures.h"
#include "cli/pdmping/options.h"
#include "cli/pdmping/tally.h"

#define PING_SCHEMA "pdmping/1"

enum {
    REPORT_UDP_HEADER = 8, /* counted in a reply's octets, as ping counts ICMP's */
    REPORT_NO_HOPS = -1,
};

struct reply {
    uint64_t seq;
    size_t bytes; /* of payload */
    int hops;     /* hop limit on arrival, or REPORT_NO_HOPS */
    int64_t rtt;
    bool duplicate;
    struct figures figures;
};

struct timeout {
    uint64_t seq;
    int64_t age; /* since it was sent */
};

/* An ICMPv6 error, or one of this host's own. */
struct failure {
    uint64_t seq;     /* 0: not known */
    const char *from; /* who reported it; NULL: this host */
    const char *text;
};

/* The whole run. */
struct summary {
    const struct tally *tally;
    const struct pdmv2_stats *flow; /* the library's counters at the end */
};

struct report {
    void (*start)(const struct ping_options *options, const char *address);
    void (*reply)(const struct ping_options *options, const char *address, const struct reply *r);
    void (*timeout)(const struct ping_options *options, const struct timeout *t);
    void (*failure)(const struct ping_options *options, const struct failure *f);
    void (*interim)(const struct ping_options *options, const struct summary *s);
    void (*summary)(const struct ping_options *options, const struct summary *s);
};

extern const struct report report_text;
extern const struct report report_json;

#endif
