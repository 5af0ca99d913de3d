/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A data stream of a test, as one of its two ends has it. Nothing in it waits: it says what it
 * waits for, and does a bounded piece of its work when that has come, so that all get their turn.
 */
#ifndef CLI_PDMPERF_NET_STREAM_H
#define CLI_PDMPERF_NET_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/pdmperf/net/arrival.h"
#include "cli/pdmperf/net/latency.h"
#include "cli/pdmperf/net/message.h"
#include "cli/pdmperf/schedule.h"
#include "shim/pdmv2.h"

struct stream;

/* What an end does. */
struct stream_kind {
    short (*events)(const struct stream *s);
    int64_t (*due)(const struct stream *s); /* SCHEDULE_NEVER: not because of the time */
    void (*work)(struct stream *s, int64_t now);
};
extern const struct stream_kind stream_tcp_sender, stream_tcp_receiver;
extern const struct stream_kind stream_udp_sender, stream_udp_receiver;
extern const struct stream_kind stream_asker, stream_answerer;

struct stream_count {
    uint64_t bytes;
    uint64_t packets;      /* of UDP */
    uint64_t transactions; /* of requests and answers */
    uint64_t retransmits;  /* of a sender over TCP */
    uint64_t lost, out_of_order;
};

/* What the kernel says of a sender's TCP connection; octets and microseconds. */
struct stream_tcp {
    uint64_t retransmits_before; /* those that do not count */
    uint32_t cwnd, wnd, rtt, rttvar, pmtu;
    uint32_t max_cwnd, max_wnd, max_rtt, min_rtt;
    uint64_t rtt_sum, rtt_count;
};

struct stream_ask {
    bool waiting; /* for an answer */
    int64_t sent;
    size_t out_left, in; /* octets of a request or answer on their way */
    uint64_t settled;    /* number of the request before the latest pause */
    int64_t not_before;  /* the next request */
    struct pdmv2_stats before;
    struct latency *latency; /* to which answers are added */
};

struct stream {
    const struct stream_kind *kind;
    const struct pdm_net_test *test;
    unsigned id;
    int fd; /* -1: not there yet */
    bool udp, probe;
    bool sends;    /* a sender or one that asks: its end is the test's */
    bool running;  /* its time has begun, and is not over */
    bool finished; /* it has sent all, or all has come */
    bool blocked;  /* the socket takes no more for now */
    bool omitting;
    int error;                       /* errno of what broke it */
    int64_t began;                   /* of the time that counts */
    int64_t last;                    /* when the last octets came or went */
    struct stream_count count, base; /* since it began, and up to the interval under way */
    uint64_t number;                 /* of the latest datagram or request */
    size_t part;                     /* octets of a block that have gone */
    struct schedule pace;
    struct arrival arrival;
    struct stream_tcp tcp;
    struct stream_ask ask;
    struct pdmv2_stats stats; /* at its end */
};

/* The stream ID of TEST at the client's end or the server's; without a socket yet. */
void stream_make(struct stream *s, const struct pdm_net_test *test, unsigned id, bool client);
short stream_events(const struct stream *s);
int64_t stream_due(const struct stream *s);
void stream_work(struct stream *s, int64_t now);
/* Its time begins. */
void stream_begin(struct stream *s, int64_t now);
/* What was before does not count (-O). */
void stream_count_from(struct stream *s, int64_t now);
/* Sends no more. */
void stream_stop(struct stream *s);
/* Asks the kernel for what it knows, at the end of an interval. */
void stream_sample(struct stream *s);
struct pdm_net_entry stream_entry(const struct stream *s, int64_t ended);
/* Asks for the library's figures, which end with the socket. */
void stream_ask_figures(struct stream *s);
void stream_close(struct stream *s);

/* For the kinds. A block's octets: as good as random, so that nothing on the way compresses them.
 */
uint8_t *stream_block(void);
void stream_moved(struct stream *s, size_t octets, int64_t now);
/* What a bulk stream's end waits for: a sender for room and its pace, a receiver for data alone. */
short stream_sender_events(const struct stream *s);
int64_t stream_sender_due(const struct stream *s);
short stream_receiver_events(const struct stream *s);
int64_t stream_receiver_due(const struct stream *s);
/* Sends a block or a datagram, or a part of one; false if no more goes now. */
typedef bool stream_send_one(struct stream *s, int64_t now);
/* Does so as often as the pace allows, BURST times at the most: then others get their turn. */
void stream_send(struct stream *s, stream_send_one *send_one, unsigned burst, int64_t now);
/* Its connection or peer is gone. */
void stream_break(struct stream *s, int error);

#endif
