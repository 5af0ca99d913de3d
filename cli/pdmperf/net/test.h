/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The part of a session in which data flows, the same at both ends: from BEGIN, over END (who says
 * so sends no more), to RESULT (what the other sent has come, or is given up).
 */
#ifndef CLI_PDMPERF_NET_TEST_H
#define CLI_PDMPERF_NET_TEST_H

#include "cli/pdmperf/net/channel.h"
#include "cli/pdmperf/net/poller.h"
#include "cli/pdmperf/net/stream.h"

#define TEST_STALLED_NS (30 * PDM_NSEC_PER_SEC) /* without an octet of any stream */

enum test_phase { TEST_READY, TEST_RUNNING, TEST_ENDING, TEST_DONE };

/* Told at the end of each interval, with the figures in the streams' count less their base. */
typedef void test_report(void *context, int64_t from, int64_t to);

struct test {
    struct pdm_net_test what;
    bool client;
    struct channel *channel;
    unsigned count;
    struct stream *streams;
    enum test_phase phase;
    bool interrupted;
    bool omitting;  /* the time that counts has not begun */
    bool time_over; /* its own, by the duration */
    bool end_sent, end_taken, result_sent, result_taken;
    int64_t began;                    /* of all, -O included */
    int64_t ends_at;                  /* POLLER_NEVER: an amount ends it */
    int64_t end_time;                 /* when END was taken */
    int64_t drained_by;               /* until then the rest may come */
    struct net_entries ended, result; /* what the peer said */
    const char *error;
    int64_t interval, from, next; /* the interval under way; 0: none are told */
    test_report *report;
    void *context;
    /* The client's. */
    struct latency *idle, *loaded;
    struct latency_mark mark; /* of loaded, when the interval began */
};

/* False if there is no memory. */
bool test_make(struct test *t, const struct pdm_net_test *what, bool client);
void test_free(struct test *t); /* closes the streams */
void test_begin(struct test *t, int64_t now);
void test_poll(struct test *t, struct poller *p);
/* What is to do because of the time, or since streams went on. */
void test_tick(struct test *t, int64_t now);
/* An END or RESULT came; false if it is malformed or out of turn. */
bool test_take(struct test *t, enum net_type type, struct pdm_reader *body, int64_t now);
/* Ends it early; the peer is asked to stop as well. */
void test_interrupt(struct test *t);
/* Before a report at the end: what kernel and library know of the streams. */
void test_settle(struct test *t);
/* Under way, but nothing came or went for so long that it is given up. */
bool test_has_stalled(const struct test *t, int64_t now);
/* What the peer said of the stream ID, the latest; NULL: nothing. */
const struct pdm_net_entry *test_peer(const struct test *t, unsigned id);
/* Until when the streams' data counts. */
int64_t test_ended(const struct test *t, const struct stream *s);

#endif
