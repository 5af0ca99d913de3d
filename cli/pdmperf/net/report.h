/* SPDX-License-Identifier: BSD-2-Clause */
/* What a test is told as: for people like iperf3's report, or JSON with iperf3's keys. */
#ifndef CLI_PDMPERF_NET_REPORT_H
#define CLI_PDMPERF_NET_REPORT_H

#include <netinet/in.h>

#include "cli/pdmperf/net/options.h"
#include "cli/pdmperf/net/test.h"

#define NET_SCHEMA "pdmperf-net/1"

enum { NET_ADDRESS_TEXT = INET6_ADDRSTRLEN };

/* A test, from whichever end it is told. */
struct net_run {
    const struct net_options *options;
    struct test test;
    uint8_t cookie[NET_COOKIE_LEN];
    int64_t realtime;  /* when it began, for people */
    const char *error; /* NULL: none */
    bool started;      /* report->start() was called */
    unsigned number;   /* a server's client, from 1 on */
};

struct net_report {
    void (*start)(const struct net_run *run); /* all streams are connected */
    void (*interval)(const struct net_run *run, int64_t from, int64_t to);
    void (*end)(const struct net_run *run); /* also of a test that did not start */
};
extern const struct net_report net_report_text, net_report_json;

/* One side of a stream at the test's end; what one end alone knows is 0 at the other. */
struct net_side {
    bool told; /* false: the peer ended without a word */
    uint64_t bytes, packets, lost, out_of_order, retransmits;
    int64_t jitter, elapsed;
};

/* Streams in the client's direction or the other. */
struct net_sums {
    struct net_side sent, received;
    unsigned streams;
};

/* What the two ends say of S: as told by the peer, if it was. */
struct net_side net_sender_of(const struct net_run *run, const struct stream *s);
struct net_side net_receiver_of(const struct net_run *run, const struct stream *s);
/* Of all streams whose data this end sends, or else receives. */
struct net_sums net_sums_of(const struct net_run *run, bool sends);
double net_rate(uint64_t bytes, int64_t ns); /* bits a second; 0 if no time went by */
/* What the interval under way brought S. */
struct stream_count net_since(const struct stream *s);

struct net_ends {
    char local[NET_ADDRESS_TEXT], remote[NET_ADDRESS_TEXT];
    unsigned local_port, remote_port;
};
struct net_ends net_ends_of(int fd);
/* Why S has no figure of a kind at its end; NULL: there are some. */
const struct missing *net_missing(const struct stream *s, const struct pdmv2_delay *delay);
/* The verdict in words, of NET_VERDICT_TEXT octets. */
enum { NET_VERDICT_TEXT = 200 };
void net_verdict_text(const struct net_run *run, char text[NET_VERDICT_TEXT]);
struct latency_verdict net_verdict(const struct net_run *run);

#endif
