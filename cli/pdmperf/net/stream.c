/* SPDX-License-Identifier: BSD-2-Clause */
/* A data stream of a test, as one of its two ends has it. */
#include "cli/pdmperf/net/stream.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/stats.h"

enum { PROBE_SIZE = 64 };
#define PROBE_INTERVAL_NS (50 * PDM_NSEC_PER_MSEC)

/* A probe is a test of its own beside another. */
static const struct pdm_net_test probe_test = {
    .udp = 1,
    .kind = NET_TRANSACTIONS,
    .streams = 1,
    .request = PROBE_SIZE,
    .answer = PROBE_SIZE,
};

static bool client_sends(const struct pdm_net_test *test, unsigned id)
{
    switch (test->direction) {
    case NET_FORWARD:
        return true;
    case NET_REVERSE:
        return false;
    default:
        return id < test->streams;
    }
}

static const struct stream_kind *kind_of(const struct stream *s)
{
    if (s->test->kind == NET_TRANSACTIONS)
        return s->sends ? &stream_asker : &stream_answerer;
    if (s->udp)
        return s->sends ? &stream_udp_sender : &stream_udp_receiver;
    return s->sends ? &stream_tcp_sender : &stream_tcp_receiver;
}

/* Nanoseconds between two blocks; 0: as fast as they go. */
static int64_t pace_of(const struct stream *s)
{
    return s->probe ? PROBE_INTERVAL_NS : net_test_pace(s->test);
}

void stream_make(struct stream *s, const struct pdm_net_test *test, unsigned id, bool client)
{
    *s = (struct stream){.test = test, .id = id, .fd = -1, .udp = test->udp != 0};
    if (test->probe && id == net_stream_count(test) - 1) {
        s->test = &probe_test;
        s->probe = true;
        s->udp = true;
    }
    s->sends = client == client_sends(s->test, id);
    s->kind = kind_of(s);
}

short stream_events(const struct stream *s)
{
    if (s->finished)
        return 0;
    return s->kind->events(s);
}

int64_t stream_due(const struct stream *s)
{
    return s->finished ? SCHEDULE_NEVER : s->kind->due(s);
}

void stream_work(struct stream *s, int64_t now)
{
    if (!s->finished && s->fd >= 0)
        s->kind->work(s, now);
}

void stream_begin(struct stream *s, int64_t now)
{
    s->running = true;
    s->omitting = s->test->omit > 0;
    s->began = now;
    s->pace = (struct schedule){.count = UINT64_MAX, .interval = pace_of(s), .start = now};
}

void stream_count_from(struct stream *s, int64_t now)
{
    if (!s->omitting)
        return;
    stream_sample(s);
    s->omitting = false;
    s->began = now;
    s->tcp.retransmits_before += s->count.retransmits;
    s->count = (struct stream_count){0};
    s->base = s->count;
    s->number = s->udp && s->test->kind == NET_BULK ? 0 : s->number;
}

void stream_stop(struct stream *s)
{
    s->running = false;
    if (!s->sends || s->finished)
        return;
    s->finished = true;
    stream_sample(s);
    if (s->fd >= 0 && s->kind == &stream_tcp_sender)
        (void)shutdown(s->fd, SHUT_WR); /* fails only if it is broken */
}

void stream_break(struct stream *s, int error)
{
    s->error = error;
    s->finished = true;
    s->running = false;
}

void stream_moved(struct stream *s, size_t octets, int64_t now)
{
    s->count.bytes += octets;
    s->last = now;
    if (s->sends && s->test->kind == NET_BULK && !s->omitting && s->test->amount != 0 &&
        s->count.bytes >= s->test->amount)
        stream_stop(s);
}

static bool may_send(const struct stream *s, int64_t now)
{
    return s->running && !s->blocked && (s->part > 0 || schedule_next(&s->pace, now) <= now);
}

short stream_sender_events(const struct stream *s)
{
    bool paced = s->pace.interval != 0 && s->part == 0;

    return s->running && (s->blocked || !paced) ? POLLOUT : 0;
}

int64_t stream_sender_due(const struct stream *s)
{
    if (!s->running || s->blocked || s->pace.interval == 0 || s->part > 0)
        return SCHEDULE_NEVER;
    return schedule_next(&s->pace, 0);
}

short stream_receiver_events(const struct stream *s)
{
    (void)s;
    return POLLIN;
}

int64_t stream_receiver_due(const struct stream *s)
{
    (void)s;
    return SCHEDULE_NEVER;
}

void stream_send(struct stream *s, stream_send_one *send_one, unsigned burst, int64_t now)
{
    s->blocked = false;
    for (unsigned i = 0; i < burst && may_send(s, now); i++) {
        if (!send_one(s, now))
            return;
    }
}

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static void sample_tcp(struct stream *s)
{
    struct tcp_info info = {0};
    struct stream_tcp *t = &s->tcp;
    socklen_t len = sizeof(info);

    if (getsockopt(s->fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
        return;
    s->count.retransmits = info.tcpi_total_retrans - t->retransmits_before;
    t->cwnd = info.tcpi_snd_cwnd * info.tcpi_snd_mss;
    t->wnd = info.tcpi_snd_wnd;
    t->rtt = info.tcpi_rtt;
    t->rttvar = info.tcpi_rttvar;
    t->pmtu = info.tcpi_pmtu;
    t->max_cwnd = larger(t->max_cwnd, t->cwnd);
    t->max_wnd = larger(t->max_wnd, t->wnd);
    t->max_rtt = larger(t->max_rtt, t->rtt);
    if (t->rtt_count == 0 || t->rtt < t->min_rtt)
        t->min_rtt = t->rtt;
    t->rtt_sum += t->rtt;
    t->rtt_count++;
}

void stream_sample(struct stream *s)
{
    if (s->kind == &stream_tcp_sender && s->fd >= 0)
        sample_tcp(s);
    if (s->kind == &stream_udp_receiver) {
        s->count.lost = arrival_lost(&s->arrival, 0);
        s->count.out_of_order = s->arrival.out_of_order;
    }
}

struct pdm_net_entry stream_entry(const struct stream *s, int64_t ended)
{
    return (struct pdm_net_entry){
        .stream = (uint16_t)s->id,
        .bytes = s->count.bytes,
        .packets = s->test->kind == NET_BULK ? s->count.packets : s->count.transactions,
        .lost = s->count.lost,
        .out_of_order = s->count.out_of_order,
        .duplicates = s->arrival.duplicates,
        .jitter = (uint64_t)arrival_jitter(&s->arrival),
        .retransmits = s->count.retransmits,
        .elapsed = ended > s->began && s->began != 0 ? (uint64_t)(ended - s->began) : 0,
    };
}

void stream_ask_figures(struct stream *s)
{
    s->stats = stats_of(s->fd);
}

void stream_close(struct stream *s)
{
    if (s->fd < 0)
        return;
    (void)close(s->fd);
    s->fd = -1;
    s->finished = true;
}

uint8_t *stream_block(void)
{
    static uint8_t block[NET_BLOCK_MAX];
    static bool made;

    /* What getrandom() gives at once is enough: the rest stays as it is. */
    for (size_t at = 0; !made && at < sizeof(block);) {
        ssize_t n = getrandom(block + at, sizeof(block) - at, 0);

        if (n <= 0)
            break;
        at += (size_t)n;
    }
    made = true;
    return block;
}
