/* SPDX-License-Identifier: BSD-2-Clause */
/* end: each stream and the sums, as both ends saw them. */
#include "cli/pdmperf/net/json_parts.h"

#include <string.h>

enum { PERCENT = 100 };

double net_json_seconds(int64_t ns)
{
    return (double)ns / (double)PDM_NSEC_PER_SEC;
}

void net_json_span(struct json *j, int64_t from, int64_t to, uint64_t bytes)
{
    json_decimal(j, "start", net_json_seconds(from));
    json_decimal(j, "end", net_json_seconds(to));
    json_decimal(j, "seconds", net_json_seconds(to - from));
    json_unsigned(j, "bytes", bytes);
    json_decimal(j, "bits_per_second", net_rate(bytes, to - from));
}

void net_json_lost(struct json *j, int64_t jitter, uint64_t lost, uint64_t packets)
{
    json_decimal(j, "jitter_ms", (double)jitter / (double)PDM_NSEC_PER_MSEC);
    json_unsigned(j, "lost_packets", lost);
    json_unsigned(j, "packets", packets);
    json_decimal(j, "lost_percent", packets > 0 ? (double)lost * PERCENT / (double)packets : 0);
}

static void put_side(struct json *j, const struct stream *s, const struct net_side *side,
                     bool sender)
{
    const struct stream_tcp *t = &s->tcp;

    if (!side->told)
        return;
    json_object(j, sender ? "sender" : "receiver");
    json_signed(j, "socket", s->fd);
    net_json_span(j, 0, side->elapsed, side->bytes);
    if (sender) {
        json_unsigned(j, "retransmits", side->retransmits);
        json_unsigned(j, "max_snd_cwnd", t->max_cwnd);
        json_unsigned(j, "max_snd_wnd", t->max_wnd);
        json_unsigned(j, "max_rtt", t->max_rtt);
        json_unsigned(j, "min_rtt", t->min_rtt);
        json_unsigned(j, "mean_rtt", t->rtt_count > 0 ? t->rtt_sum / t->rtt_count : 0);
    }
    json_bool(j, "sender", s->sends);
    json_end(j);
}

/* Of UDP one object for both ends: the sender's octets, the receiver's losses. */
static void put_udp(struct json *j, const struct stream *s, const struct net_side *sent,
                    const struct net_side *received)
{
    if (!sent->told || !received->told)
        return;
    json_object(j, "udp");
    json_signed(j, "socket", s->fd);
    net_json_span(j, 0, sent->elapsed, sent->bytes);
    net_json_lost(j, received->jitter, received->lost, sent->packets);
    json_unsigned(j, "out_of_order", received->out_of_order);
    json_bool(j, "sender", s->sends);
    json_end(j);
}

static void put_streams(struct json *j, const struct net_run *run)
{
    json_array(j, "streams");
    for (unsigned i = 0; i < run->test.count; i++) {
        const struct stream *s = &run->test.streams[i];
        struct net_side sent = net_sender_of(run, s), received = net_receiver_of(run, s);

        if (s->probe)
            continue;
        json_item(j);
        if (s->udp) {
            put_udp(j, s, &sent, &received);
        } else {
            put_side(j, s, &sent, true);
            put_side(j, s, &received, false);
        }
        json_end(j);
    }
    json_array_end(j);
}

static void put_sum(struct json *j, const char *key, const struct net_run *run,
                    const struct net_side *side, bool sender)
{
    if (!side->told)
        return;
    json_object(j, key);
    net_json_span(j, 0, side->elapsed, side->bytes);
    if (run->test.what.udp)
        net_json_lost(j, side->jitter, side->lost, side->packets);
    else if (strncmp(key, "sum_sent", sizeof("sum_sent") - 1) == 0)
        json_unsigned(j, "retransmits", side->retransmits);
    json_bool(j, "sender", sender);
    json_end(j);
}

static void put_sums(struct json *j, const struct net_run *run, bool sends)
{
    static const char *const keys[][3] = {
        {"sum", "sum_sent", "sum_received"},
        {"sum_bidir_reverse", "sum_sent_bidir_reverse", "sum_received_bidir_reverse"},
    };
    struct net_sums sums = net_sums_of(run, sends);
    const char *const *key =
        keys[run->test.what.direction == NET_BOTH && sends != run->test.client ? 1 : 0];
    struct net_side sent = sums.sent, received = sums.received, both = sums.sent;

    if (sums.streams == 0)
        return;
    /* As iperf3, what was sent is the whole of what may be lost. */
    both.jitter = received.jitter;
    both.lost = received.lost;
    both.told = sent.told && received.told;
    sent.jitter = 0;
    sent.lost = 0;
    received.packets = sums.sent.packets;
    if (run->test.what.udp)
        put_sum(j, key[0], run, &both, sends);
    put_sum(j, key[1], run, &sent, run->test.what.udp ? true : sends);
    put_sum(j, key[2], run, &received, run->test.what.udp ? false : sends);
}

void net_json_end(struct json *j, const struct net_run *run)
{
    if (!run->started)
        return;
    put_streams(j, run);
    put_sums(j, run, run->test.client);
    put_sums(j, run, !run->test.client);
}
