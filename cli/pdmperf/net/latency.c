/* SPDX-License-Identifier: BSD-2-Clause */
/* What requests took. */
#include "cli/pdmperf/net/latency.h"

#include <stddef.h>

#include "core/limits.h"

enum { GROWN_SHARE = 10, COMPARED_FROM = 5 };

static const struct missing no_answer = {"no-answer", "no request was answered"};
static const struct missing none_measured = {"no-figures", "no answer has both delays"};

static const struct missing too_few = {"few-measured", "fewer than 5 measured requests"};

static void add_figure(struct latency *l, enum latency_part part, const struct figure *figure)
{
    if (figure->missing)
        l->missing = figure->missing;
    else if (!figure->overlapped)
        histogram_add(&l->parts[part], figure->ns);
}

void latency_add(struct latency *l, int64_t total, const struct figures *figures)
{
    const struct figure *network = &figures->network, *server = &figures->server;

    histogram_add(&l->parts[LATENCY_TOTAL], total);
    add_figure(l, LATENCY_NETWORK, network);
    add_figure(l, LATENCY_SERVER, server);
    if (network->missing || server->missing || server->overlapped)
        return;
    l->measured++;
    l->measured_sums[LATENCY_NETWORK] += network->ns;
    l->measured_sums[LATENCY_SERVER] += server->ns;
    l->measured_sums[LATENCY_TOTAL] += total;
}

struct latency_mark latency_mark(const struct latency *l)
{
    struct latency_mark mark;

    for (size_t i = 0; i < LATENCY_PARTS; i++) {
        mark.samples[i] = l->parts[i].samples;
        mark.sum[i] = l->parts[i].sum;
    }
    return mark;
}

bool latency_since(const struct latency *l, const struct latency_mark *mark, enum latency_part part,
                   int64_t *mean)
{
    uint64_t samples = l->parts[part].samples - mark->samples[part];

    if (samples == 0)
        return false;
    *mean = (l->parts[part].sum - mark->sum[part]) / (int64_t)samples;
    return true;
}

static struct latency_verdict unknown(const struct missing *why)
{
    return (struct latency_verdict){.party = PARTY_NONE, .missing = why};
}

/* Why L has no mean of both delays; NULL: it has. */
static const struct missing *no_means(const struct latency *l)
{
    if (l->measured > 0)
        return NULL;
    if (l->parts[LATENCY_TOTAL].samples == 0)
        return &no_answer;
    return l->missing ? l->missing : &none_measured;
}

static struct latency_verdict largest(int64_t time, int64_t network, int64_t server)
{
    const struct parts parts = {.time = time, .network = network, .server = server};
    struct share share = share_largest(&parts);

    return (struct latency_verdict){.party = share.party, .percent = share.percent, .time = time};
}

static int64_t mean_of(const struct latency *l, enum latency_part part)
{
    return l->measured_sums[part] / (int64_t)l->measured;
}

struct latency_verdict latency_share(const struct latency *l)
{
    const struct missing *missing = no_means(l);

    if (missing)
        return unknown(missing);
    return largest(mean_of(l, LATENCY_TOTAL), mean_of(l, LATENCY_NETWORK),
                   mean_of(l, LATENCY_SERVER));
}

struct latency_verdict latency_growth(const struct latency *idle, const struct latency *loaded)
{
    const struct missing *missing = no_means(idle) ? no_means(idle) : no_means(loaded);
    int64_t grown[LATENCY_PARTS];

    if (missing)
        return unknown(missing);
    if (idle->measured < COMPARED_FROM || loaded->measured < COMPARED_FROM)
        return unknown(&too_few);
    for (enum latency_part p = 0; p < LATENCY_PARTS; p++)
        grown[p] = mean_of(loaded, p) - mean_of(idle, p);
    int64_t time = grown[LATENCY_TOTAL];

    if (time < PDM_NSEC_PER_MSEC || time < mean_of(idle, LATENCY_TOTAL) / GROWN_SHARE)
        return (struct latency_verdict){.party = PARTY_NONE, .time = time};
    return largest(time, grown[LATENCY_NETWORK], grown[LATENCY_SERVER]);
}
