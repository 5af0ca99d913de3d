/* SPDX-License-Identifier: BSD-2-Clause */
/* intervals: what went in each, and the latency within it. */
#include "cli/pdmperf/net/json_parts.h"

static void put_interval_end(struct json *j, const struct span *span, bool sender)
{
    json_bool(j, "omitted", span->omitted);
    json_bool(j, "sender", sender);
    json_end(j);
}

static void put_stream(struct json *j, const struct stream *s, const struct span *span)
{
    struct stream_count c = net_since(s);

    json_item(j);
    json_signed(j, "socket", s->fd);
    net_json_span(j, span->from, span->to, c.bytes);
    if (s->kind == &stream_tcp_sender) {
        json_unsigned(j, "retransmits", c.retransmits);
        json_unsigned(j, "snd_cwnd", s->tcp.cwnd);
        json_unsigned(j, "snd_wnd", s->tcp.wnd);
        json_unsigned(j, "rtt", s->tcp.rtt);
        json_unsigned(j, "rttvar", s->tcp.rttvar);
        json_unsigned(j, "pmtu", s->tcp.pmtu);
    } else if (s->kind == &stream_udp_sender) {
        json_unsigned(j, "packets", c.packets);
    } else if (s->kind == &stream_udp_receiver) {
        net_json_lost(j, arrival_jitter(&s->arrival), c.lost, c.packets + c.lost);
    }
    put_interval_end(j, span, s->sends);
}

static void put_interval_sum(struct json *j, const struct net_run *run, const struct span *span,
                             bool sends)
{
    struct stream_count sum = {0};
    const struct stream *any = NULL;
    int64_t jitter = 0, streams = 0;

    for (unsigned i = 0; i < run->test.count; i++) {
        const struct stream *s = &run->test.streams[i];
        struct stream_count c = net_since(s);

        if (s->probe || s->sends != sends)
            continue;
        any = s;
        streams++;
        sum.bytes += c.bytes;
        sum.packets += c.packets;
        sum.lost += c.lost;
        sum.retransmits += c.retransmits;
        jitter += arrival_jitter(&s->arrival);
    }
    if (any == NULL)
        return;
    json_object(j, run->test.what.direction == NET_BOTH && !sends ? "sum_bidir_reverse" : "sum");
    net_json_span(j, span->from, span->to, sum.bytes);
    if (any->kind == &stream_tcp_sender)
        json_unsigned(j, "retransmits", sum.retransmits);
    else if (any->kind == &stream_udp_sender)
        json_unsigned(j, "packets", sum.packets);
    else if (any->kind == &stream_udp_receiver)
        net_json_lost(j, jitter / streams, sum.lost, sum.packets + sum.lost);
    put_interval_end(j, span, sends);
}

static void put_interval_latency(struct json *j, const struct net_run *run, const struct span *span)
{
    static const char *const keys[] = {"network", "server", "total"};
    const struct test *t = &run->test;
    uint64_t transactions = 0;

    json_object(j, "pdm");
    for (enum latency_part p = 0; p < LATENCY_PARTS; p++) {
        int64_t mean = 0;

        if (latency_since(t->loaded, &t->mark, p, &mean))
            json_signed(j, keys[p], mean);
        else
            json_null(j, keys[p]);
    }
    for (unsigned i = 0; i < t->count; i++)
        transactions += net_since(&t->streams[i]).transactions;
    json_unsigned(j, "transactions", transactions);
    json_decimal(
        j, "transactions_per_second",
        span->to > span->from ? (double)transactions / net_json_seconds(span->to - span->from) : 0);
    json_end(j);
}

void net_json_interval(struct json *j, const struct net_run *run, const struct span *span)
{
    json_array(j, "streams");
    for (unsigned i = 0; i < run->test.count; i++) {
        if (!run->test.streams[i].probe)
            put_stream(j, &run->test.streams[i], span);
    }
    json_array_end(j);
    put_interval_sum(j, run, span, true);
    put_interval_sum(j, run, span, false);
    put_interval_latency(j, run, span);
}
