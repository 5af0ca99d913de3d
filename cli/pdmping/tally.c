/* SPDX-License-Identifier: BSD-2-Clause */
/* The sums of a run. */
#include "cli/pdmping/tally.h"

#include <math.h>

static const double smoothing = 8.0;

static struct size_tally *size_of(struct tally *t, uint64_t seq)
{
    return &t->size[t->sizes > 1 ? (seq - 1) % t->sizes : 0];
}

static void sum_add(struct sum *sum, int64_t value)
{
    sum->samples++;
    sum->total += value;
}

static void rtt_add(struct rtt *rtt, int64_t ns)
{
    double value = (double)ns;

    if (rtt->samples == 0 || ns < rtt->min)
        rtt->min = ns;
    if (rtt->samples == 0 || ns > rtt->max)
        rtt->max = ns;
    rtt->smoothed = rtt->samples == 0 ? value : rtt->smoothed + (value - rtt->smoothed) / smoothing;
    rtt->samples++;
    rtt->sum += ns;
    rtt->square_sum += value * value;
}

void tally_sent(struct tally *t, uint64_t seq, int64_t now)
{
    t->transmitted++;
    t->latest = now;
    size_of(t, seq)->transmitted++;
}

static void span_met(struct span *span, uint64_t seq)
{
    if (span->first != 0 && seq >= span->first)
        span->met++;
}

static void span_reply(struct span *span, uint64_t seq, bool with_option)
{
    if (with_option && span->first == 0)
        span->first = seq;
    if (with_option && seq > span->last)
        span->last = seq;
    span_met(span, seq);
}

/* What any datagram measured, a duplicate too. */
static void add_figures(struct tally *t, uint64_t seq, const struct figures *f)
{
    struct size_tally *size = size_of(t, seq);

    if (!f->network.missing) {
        histogram_add(&t->network, f->network.ns);
        jitter_add(&t->network_jitter, f->network.ns);
        sum_add(&size->network, f->network.ns);
    }
    if (f->server.overlapped) {
        t->overlapped++;
        return;
    }
    if (f->server.missing)
        return;
    histogram_add(&t->server, f->server.ns);
    sum_add(&size->server, f->server.ns);
}

/*
 * A server that stalls has several probes under way, so those whose server delay may be another's
 * must count here: theirs is what the network's delay leaves of the time.
 */
static void add_blame(struct tally *t, const struct reply *reply)
{
    const struct figure *network = &reply->figures.network;
    const struct figure *server = &reply->figures.server;

    if (network->missing || (server->missing && !server->overlapped))
        return;
    blame_add(&t->blame, network->ns, server->overlapped ? reply->rtt - network->ns : server->ns);
}

void tally_reply(struct tally *t, const struct reply *reply, bool with_option)
{
    add_figures(t, reply->seq, &reply->figures);
    if (reply->duplicate) {
        t->duplicates++;
        return;
    }
    add_blame(t, reply);
    t->received++;
    t->late += reply->late;
    t->reordered += reply->reordered;
    rtt_add(&t->rtt, reply->rtt);
    histogram_add(&t->rtt_histogram, reply->rtt);
    jitter_add(&t->rtt_jitter, reply->rtt);
    sum_add(&size_of(t, reply->seq)->rtt, reply->rtt);
    span_reply(&t->span, reply->seq, with_option);
}

void tally_failed(struct tally *t, uint64_t seq)
{
    span_met(&t->span, seq);
}

static void rtt_merge(struct rtt *rtt, const struct rtt *other)
{
    if (other->samples == 0)
        return;
    if (rtt->samples == 0 || other->min < rtt->min)
        rtt->min = other->min;
    if (rtt->samples == 0 || other->max > rtt->max)
        rtt->max = other->max;
    rtt->samples += other->samples;
    rtt->sum += other->sum;
    rtt->square_sum += other->square_sum;
}

void tally_merge(struct tally *t, const struct tally *other)
{
    if (t->started == 0 || other->started < t->started)
        t->started = other->started;
    if (other->latest > t->latest)
        t->latest = other->latest;
    t->transmitted += other->transmitted;
    t->received += other->received;
    t->late += other->late;
    t->reordered += other->reordered;
    t->duplicates += other->duplicates;
    t->errors += other->errors;
    t->refused += other->refused;
    t->strangers += other->strangers;
    t->overlapped += other->overlapped;
    rtt_merge(&t->rtt, &other->rtt);
    histogram_merge(&t->rtt_histogram, &other->rtt_histogram);
    histogram_merge(&t->network, &other->network);
    histogram_merge(&t->server, &other->server);
    blame_merge(&t->blame, &other->blame);
}

const struct missing *tally_no_server(const struct tally *tally, const struct missing *why)
{
    static const struct missing overlapped = {"overlapped", "several probes were under way"};

    return tally->overlapped > 0 ? &overlapped : why;
}

uint64_t tally_unanswered(const struct tally *t)
{
    return t->transmitted > t->received ? t->transmitted - t->received : 0;
}

int64_t rtt_mean(const struct rtt *rtt)
{
    return rtt->sum / (int64_t)rtt->samples;
}

int64_t rtt_deviation(const struct rtt *rtt)
{
    double mean = (double)rtt->sum / (double)rtt->samples;
    double variance = rtt->square_sum / (double)rtt->samples - mean * mean;

    return variance > 0 ? llround(sqrt(variance)) : 0; /* rounding may leave a little below 0 */
}
