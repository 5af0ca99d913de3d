/* SPDX-License-Identifier: BSD-2-Clause */
/* What both forms of report make of a test's streams. */
#include "cli/pdmperf/net/report.h"

#include <stdio.h>
#include <sys/socket.h>

#include "cli/pdmperf/address.h"

#define BITS 8.0

static const struct missing is_bulk = {"bulk", "a bulk transfer has no requests"};

static struct net_side side_of(const struct pdm_net_entry *e)
{
    return (struct net_side){
        .told = true,
        .bytes = e->bytes,
        .packets = e->packets,
        .lost = e->lost,
        .out_of_order = e->out_of_order,
        .retransmits = e->retransmits,
        .jitter = (int64_t)e->jitter,
        .elapsed = (int64_t)e->elapsed,
    };
}

static struct net_side own_side(const struct net_run *run, const struct stream *s)
{
    const struct pdm_net_entry e = stream_entry(s, test_ended(&run->test, s));

    return side_of(&e);
}

static struct net_side peer_side(const struct net_run *run, const struct stream *s)
{
    const struct pdm_net_entry *e = test_peer(&run->test, s->id);

    return e ? side_of(e) : (struct net_side){0};
}

struct net_side net_sender_of(const struct net_run *run, const struct stream *s)
{
    return s->sends ? own_side(run, s) : peer_side(run, s);
}

struct net_side net_receiver_of(const struct net_run *run, const struct stream *s)
{
    return s->sends ? peer_side(run, s) : own_side(run, s);
}

static void add_side(struct net_side *sum, const struct net_side *side)
{
    sum->told = sum->told && side->told;
    sum->bytes += side->bytes;
    sum->packets += side->packets;
    sum->lost += side->lost;
    sum->out_of_order += side->out_of_order;
    sum->retransmits += side->retransmits;
    sum->jitter += side->jitter;
    if (side->elapsed > sum->elapsed)
        sum->elapsed = side->elapsed;
}

struct net_sums net_sums_of(const struct net_run *run, bool sends)
{
    struct net_sums sums = {.sent.told = true, .received.told = true};

    for (unsigned i = 0; i < run->test.count; i++) {
        const struct stream *s = &run->test.streams[i];

        if (s->probe || s->sends != sends)
            continue;
        struct net_side sent = net_sender_of(run, s), received = net_receiver_of(run, s);

        sums.streams++;
        add_side(&sums.sent, &sent);
        add_side(&sums.received, &received);
    }
    /* As iperf3: the mean of the streams'. */
    if (sums.streams > 0)
        sums.received.jitter /= sums.streams;
    return sums;
}

double net_rate(uint64_t bytes, int64_t ns)
{
    return ns > 0 ? (double)bytes * BITS * (double)PDM_NSEC_PER_SEC / (double)ns : 0;
}

struct stream_count net_since(const struct stream *s)
{
    const struct stream_count *now = &s->count, *before = &s->base;

    return (struct stream_count){
        .bytes = now->bytes - before->bytes,
        .packets = now->packets - before->packets,
        .transactions = now->transactions - before->transactions,
        .retransmits = now->retransmits - before->retransmits,
        /* What came late after all makes these fewer. */
        .lost = now->lost > before->lost ? now->lost - before->lost : 0,
        .out_of_order = now->out_of_order - before->out_of_order,
    };
}

struct net_ends net_ends_of(int fd)
{
    struct net_ends ends = {0};
    struct sockaddr_storage local = {0}, remote = {0};
    socklen_t len = sizeof(local);

    if (getsockname(fd, (struct sockaddr *)&local, &len) == 0)
        ends.local_port = address_text(&local, ends.local);
    len = sizeof(remote);
    if (getpeername(fd, (struct sockaddr *)&remote, &len) == 0)
        ends.remote_port = address_text(&remote, ends.remote);
    return ends;
}

const struct missing *net_missing(const struct stream *s, const struct pdmv2_delay *delay)
{
    if (s->test->kind == NET_BULK && delay == &s->stats.server_delay)
        return &is_bulk;
    return delay->samples > 0 ? NULL : figures_missing(&s->stats, 1, REPLIER_SERVICE);
}

struct latency_verdict net_verdict(const struct net_run *run)
{
    const struct test *t = &run->test;

    return t->what.kind == NET_TRANSACTIONS ? latency_share(t->loaded)
                                            : latency_growth(t->idle, t->loaded);
}

void net_verdict_text(const struct net_run *run, char text[NET_VERDICT_TEXT])
{
    static const char *const shares[] = {
        [PARTY_NETWORK] = "NETWORK takes %u%% of a transaction (%.3f ms)",
        [PARTY_SERVER] = "SERVER takes %u%% of a transaction (%.3f ms)",
        [PARTY_CLIENT] = "THIS HOST takes %u%% of a transaction (%.3f ms)",
    };
    static const char *const causes[] = {
        [PARTY_NETWORK] =
            "load adds %2$.3f ms to a request: NETWORK causes %1$u%% of it, a queue on the link",
        [PARTY_SERVER] = "load adds %2$.3f ms to a request: SERVER causes %1$u%% of it",
        [PARTY_CLIENT] = "load adds %2$.3f ms to a request: THIS HOST causes %1$u%% of it",
    };
    struct latency_verdict v = net_verdict(run);
    double ms = (double)v.time / (double)PDM_NSEC_PER_MSEC;

    if (v.missing)
        (void)snprintf(text, NET_VERDICT_TEXT, "n/a (%s)", v.missing->text);
    else if (v.party == PARTY_NONE)
        (void)snprintf(text, NET_VERDICT_TEXT, "load does not raise the latency");
    else if (run->test.what.kind == NET_TRANSACTIONS)
        (void)snprintf(text, NET_VERDICT_TEXT, shares[v.party], v.percent, ms);
    else
        (void)snprintf(text, NET_VERDICT_TEXT, causes[v.party], v.percent, ms);
}
