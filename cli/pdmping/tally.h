/* SPDX-License-Identifier: BSD-2-Clause */
/* The sums of a run, for its summary. */
#ifndef CLI_PDMPING_TALLY_H
#define CLI_PDMPING_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/figures.h"
#include "cli/histogram.h"
#include "cli/pdmping/blame.h"
#include "cli/pdmping/jitter.h"
#include "cli/pdmping/options.h"

enum { REPLY_NO_HOPS = -1 };

struct reply {
    uint64_t seq;
    size_t bytes; /* as ping counts them: with the header of UDP, TCP or ICMP */
    int hops;     /* hop limit on arrival, or REPLY_NO_HOPS */
    int64_t rtt;
    bool duplicate;
    bool late;      /* it came when the wait was over */
    bool reordered; /* a later probe was answered before */
    struct figures figures;
};

struct rtt {
    uint64_t samples;
    int64_t min, max, sum;
    double square_sum;
    double smoothed; /* as ping's ewma: each new one weighs an eighth */
};

/* One kind of delay, of one size of a sweep. */
struct sum {
    uint64_t samples;
    int64_t total;
};

struct size_tally {
    uint64_t transmitted;
    struct sum rtt, network, server;
};

/* The probes between the first and the latest reply that carried an option. */
struct span {
    uint64_t first, last; /* 0: there is none */
    uint64_t met;         /* of those from the first one on, answered or known to have failed */
};

struct tally {
    int64_t started; /* CLOCK_MONOTONIC */
    int64_t latest;  /* the last send or receipt */
    uint64_t transmitted;
    uint64_t received; /* probes answered; duplicates are not among them, late ones are */
    uint64_t late;
    uint64_t reordered;
    uint64_t duplicates;
    uint64_t errors;
    uint64_t refused;   /* probes that this host itself did not send */
    uint64_t strangers; /* datagrams that answer no probe of this run */
    uint64_t overlapped;
    struct rtt rtt;
    struct histogram rtt_histogram;
    struct histogram network;
    struct histogram server;
    struct blame blame;
    struct jitter rtt_jitter;
    struct jitter network_jitter;
    struct span span;
    unsigned sizes; /* of the sweep */
    struct size_tally size[SWEEP_MAX];
};

/* The probe SEQ leaves at NOW. */
void tally_sent(struct tally *tally, uint64_t seq, int64_t now);
/* WITH_OPTION: the reply carried one. */
void tally_reply(struct tally *tally, const struct reply *reply, bool with_option);
/* The probe SEQ met an error and will not be answered. */
void tally_failed(struct tally *tally, uint64_t seq);
/* As if TALLY had seen all of OTHER; jitter, sizes and spans belong to one host and are left. */
void tally_merge(struct tally *tally, const struct tally *other);
uint64_t tally_unanswered(const struct tally *tally);
/* Why there is no mean of the server's delay, if WHY is why none was measured at all. */
const struct missing *tally_no_server(const struct tally *tally, const struct missing *why);
int64_t rtt_mean(const struct rtt *rtt); /* of at least one */
/* What ping calls mdev: the standard deviation. */
int64_t rtt_deviation(const struct rtt *rtt);

#endif
