/* SPDX-License-Identifier: BSD-2-Clause */
/* pdm: what iperf3 does not tell. Times are integers in nanoseconds. */
#include "cli/pdmperf/net/json_parts.h"

static void put_histogram(struct json *j, const char *key, const struct histogram *h,
                          const struct missing *missing)
{
    json_object(j, key);
    json_unsigned(j, "samples", h->samples);
    if (h->samples == 0) {
        json_string(j, "reason", missing ? missing->token : "no-answer");
    } else {
        json_signed(j, "min", h->min);
        json_signed(j, "mean", histogram_mean(h));
        json_signed(j, "max", h->max);
    }
    if (h->samples >= HISTOGRAM_PERCENTILES_FROM) {
        json_signed(j, "p50", histogram_percentile(h, 50));
        json_signed(j, "p90", histogram_percentile(h, 90));
        json_signed(j, "p99", histogram_percentile(h, 99));
    }
    json_end(j);
}

static void put_latency(struct json *j, const char *key, const struct latency *l)
{
    json_object(j, key);
    put_histogram(j, "network", &l->parts[LATENCY_NETWORK], l->missing);
    put_histogram(j, "server", &l->parts[LATENCY_SERVER], l->missing);
    put_histogram(j, "total", &l->parts[LATENCY_TOTAL], l->missing);
    json_unsigned(j, "lost", l->lost);
    json_end(j);
}

static void put_delay(struct json *j, const char *key, const struct stream *s,
                      const struct pdmv2_delay *delay)
{
    const struct missing *missing = net_missing(s, delay);

    json_object(j, key);
    json_unsigned(j, "samples", missing ? 0 : delay->samples);
    if (missing) {
        json_string(j, "reason", missing->token);
    } else {
        json_signed(j, "min", delay->min);
        json_signed(j, "mean", delay->mean);
        json_signed(j, "max", delay->max);
    }
    json_end(j);
}

static void put_flows(struct json *j, const struct net_run *run)
{
    json_array(j, "streams");
    for (unsigned i = 0; i < run->test.count; i++) {
        const struct stream *s = &run->test.streams[i];

        json_item(j);
        json_signed(j, "socket", s->fd);
        json_bool(j, "probe", s->probe);
        put_delay(j, "network", s, &s->stats.network_delay);
        put_delay(j, "server", s, &s->stats.server_delay);
        put_delay(j, "total", s, &s->stats.total_delay);
        json_end(j);
    }
    json_array_end(j);
}

static void put_transactions(struct json *j, const struct net_run *run)
{
    struct net_sums sums = net_sums_of(run, run->test.client);
    const struct net_side *side = run->test.client ? &sums.sent : &sums.received;

    json_unsigned(j, "transactions", side->packets);
    json_decimal(j, "transactions_per_second",
                 side->elapsed > 0 ? (double)side->packets / net_json_seconds(side->elapsed) : 0);
}

static void put_verdict(struct json *j, const struct net_run *run)
{
    struct latency_verdict v = net_verdict(run);

    json_object(j, "verdict");
    json_string(j, "party", party_name(v.party));
    if (v.missing)
        json_string(j, "reason", v.missing->token);
    else
        json_signed(j, "time", v.time);
    if (v.party != PARTY_NONE)
        json_unsigned(j, "percent", v.percent);
    json_end(j);
}

void net_json_pdm(struct json *j, const struct net_run *run)
{
    const struct test *t = &run->test;
    bool transactions = t->what.kind == NET_TRANSACTIONS;

    json_string(j, "schema", NET_SCHEMA);
    json_bool(j, "interrupted", t->interrupted);
    if (!run->started)
        return;
    if (transactions)
        put_transactions(j, run);
    if (t->client && !transactions)
        put_latency(j, "idle", t->idle);
    if (t->client)
        put_latency(j, transactions ? "transaction" : "loaded", t->loaded);
    put_flows(j, run);
    if (t->client)
        put_verdict(j, run);
}
