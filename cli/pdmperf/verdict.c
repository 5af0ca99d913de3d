/* SPDX-License-Identifier: BSD-2-Clause */
/* One plain answer: is it the network or the server? */
#include "cli/pdmperf/verdict.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>

enum {
    PERCENT = 100,
    FASTEST_PERCENT = 10, /* a delay that grows for half of a run leaves these alone */
    CLEARLY_SLOWER = 4,   /* the slowest: by a quarter of the fastest tenth's time */
    COMPARED_FROM = 10,   /* with fewer requests to each, chance cannot be told */
};

/* Two means this many standard errors apart differ by more than chance, but for once in 370. */
#define CHANCE_ERRORS 3.0

static const struct missing nothing_answered = {"no-answer", "no request was answered"};
static const struct missing too_few = {"few-measured", "few of the slowest have both delays"};
static const struct missing too_few_compared = {"few-requests", "fewer than 10 answers each"};
static const struct missing no_difference = {"no-difference", "no more than chance"};

const char *party_name(enum party party)
{
    static const char *const names[] = {"none", "network", "server", "transfer", "client"};

    return names[party];
}

uint64_t verdict_slowest_of(uint64_t requests)
{
    return (requests + PERCENT - 1) / PERCENT;
}

static struct verdict unknown(const struct missing *why)
{
    return (struct verdict){.party = PARTY_NONE, .missing = why};
}

struct share share_largest(const struct parts *of)
{
    const int64_t parts[] = {0, of->network, of->server, of->transfer,
                             of->time - of->network - of->server - of->transfer};
    struct share share = {.party = PARTY_NETWORK};
    int64_t sum = 0;

    for (enum party p = PARTY_NETWORK; p <= PARTY_CLIENT; p++) {
        sum += parts[p] > 0 ? parts[p] : 0;
        if (parts[p] > parts[share.party])
            share.party = p;
    }
    if (sum == 0)
        return (struct share){.party = PARTY_NONE};
    share.percent = (unsigned)lround((double)parts[share.party] * PERCENT / (double)sum);
    return share;
}

static struct verdict largest(enum basis basis, const struct parts *parts)
{
    struct share share = share_largest(parts);

    if (share.party == PARTY_NONE)
        return unknown(&no_difference);
    return (struct verdict){.party = share.party, .basis = basis, .percent = share.percent};
}

/* Of those of which both delays are known, one at least. */
static struct parts measured_mean(const struct tally *t)
{
    const int64_t n = (int64_t)t->measured;

    return (struct parts){
        .time = t->measured_time / n,
        .network = t->measured_network / n,
        .server = t->measured_server / n,
        .transfer = t->measured_transfer / n,
        .measured = true,
    };
}

static struct verdict mean_verdict(const struct tally *t)
{
    struct parts mean = measured_mean(t);

    return largest(BASIS_MEAN, &mean);
}

static int64_t fastest(const struct histogram *h)
{
    return histogram_percentile(h, FASTEST_PERCENT);
}

/* The time of the fastest tenth, from the request to the last octet. */
static int64_t fastest_time(const struct tally *t)
{
    return fastest(&t->phases[PHASE_FIRST_BYTE]) + fastest(&t->phases[PHASE_TRANSFER]);
}

/* The means of the slowest, and of their delays those that are known. */
static struct parts slowest_mean(const struct slowest *s, size_t *measured)
{
    struct parts sum = {0};
    int64_t n = 0;

    for (size_t i = 0; i < s->count; i++) {
        if (!s->heap[i].measured)
            continue;
        sum.time += s->heap[i].time;
        sum.network += s->heap[i].network;
        sum.server += s->heap[i].server;
        sum.transfer += s->heap[i].transfer;
        n++;
    }
    *measured = (size_t)n;
    if (n > 0)
        sum = (struct parts){sum.time / n, sum.network / n, sum.server / n, sum.transfer / n, true};
    return sum;
}

struct verdict verdict_of(struct tally *t)
{
    size_t measured = 0;

    if (t->succeeded == 0)
        return unknown(&nothing_answered);
    if (t->measured == 0)
        return unknown(t->missing ? t->missing : &too_few);
    slowest_cut(&t->slowest, (size_t)verdict_slowest_of(t->succeeded));
    int64_t base = fastest_time(t);

    if (t->succeeded < HISTOGRAM_PERCENTILES_FROM ||
        t->slowest.heap[0].time < base + base / CLEARLY_SLOWER)
        return mean_verdict(t);
    struct parts slow = slowest_mean(&t->slowest, &measured);

    if (2 * measured < t->slowest.count)
        return unknown(&too_few);
    slow.time -= base;
    slow.network -= fastest(&t->phases[PHASE_NETWORK]);
    slow.server -= fastest(&t->phases[PHASE_SERVER]);
    slow.transfer -= fastest(&t->phases[PHASE_TRANSFER]);
    return largest(BASIS_SLOWEST, &slow);
}

static double mean_time(const struct tally *t)
{
    return t->time_sum / (double)t->succeeded;
}

/* The square of the standard error of the mean. */
static double error_square(const struct tally *t)
{
    double n = (double)t->succeeded, mean = mean_time(t);
    double variance = t->time_square_sum / n - mean * mean;

    return (variance > 0 ? variance : 0) / n;
}

/* The parts of the difference; of a first that is slower they are below 0, as that is. */
static void compare_parts(struct comparison *c, const struct tally *first,
                          const struct tally *second)
{
    if (first->measured == 0 || second->measured == 0) {
        const struct missing *why = first->measured == 0 ? first->missing : second->missing;

        c->verdict = unknown(why ? why : &nothing_answered);
        return;
    }
    const struct parts a = measured_mean(first), b = measured_mean(second);
    int64_t sign = c->slower == SLOWER_FIRST ? -1 : 1;

    c->network = b.network - a.network;
    c->server = b.server - a.server;
    c->transfer = b.transfer - a.transfer;
    c->client = b.time - a.time - c->network - c->server - c->transfer;
    const struct parts difference = {.time = sign * (b.time - a.time),
                                     .network = sign * c->network,
                                     .server = sign * c->server,
                                     .transfer = sign * c->transfer};

    c->verdict = largest(BASIS_MEAN, &difference);
}

struct comparison verdict_compare(const struct tally *first, const struct tally *second)
{
    struct comparison c = {.verdict = unknown(&nothing_answered)};

    if (first->succeeded == 0 || second->succeeded == 0)
        return c;
    double difference = mean_time(second) - mean_time(first);

    c.difference = llround(difference);
    if (first->succeeded < COMPARED_FROM || second->succeeded < COMPARED_FROM) {
        c.verdict = unknown(&too_few_compared);
        return c;
    }
    if (fabs(difference) > CHANCE_ERRORS * sqrt(error_square(first) + error_square(second)))
        c.slower = difference > 0 ? SLOWER_SECOND : SLOWER_FIRST;
    compare_parts(&c, first, second);
    if (c.slower == SLOWER_NEITHER && c.verdict.missing == NULL)
        c.verdict = unknown(&no_difference);
    return c;
}
