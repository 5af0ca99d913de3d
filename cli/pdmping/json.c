/* SPDX-License-Identifier: BSD-2-Clause */
/* One JSON object for each event; all times are integers in nanoseconds. */
#include <stdio.h>

#include "cli/clock.h"
#include "cli/json.h"
#include "cli/pdmping/report.h"

enum { MEDIAN = 50, HIGH = 99 };

static struct json event(const char *type)
{
    struct json j = json_open();

    json_string(&j, "schema", PING_SCHEMA);
    json_string(&j, "type", type);
    json_signed(&j, "time", clock_realtime());
    return j;
}

static void start(const struct ping_options *options, const char *address)
{
    struct json j = event("start");

    json_string(&j, "host", options->host);
    json_string(&j, "address", address);
    json_unsigned(&j, "port", options->port);
    json_unsigned(&j, "size", options->size);
    json_signed(&j, "interval", options->interval);
    json_signed(&j, "wait", options->wait);
    json_close(&j);
}

static void put_figure(struct json *j, const char *key, const struct figure *figure)
{
    json_object(j, key);
    if (figure->missing) {
        json_null(j, "delay");
        json_string(j, "reason", figure->missing->token);
    } else {
        json_signed(j, "delay", figure->ns);
        json_bool(j, "overlapped", figure->overlapped);
    }
    json_end(j);
}

static void reply(const struct ping_options *options, const char *address, const struct reply *r)
{
    struct json j = event("reply");

    (void)options;
    json_unsigned(&j, "seq", r->seq);
    json_string(&j, "from", address);
    json_unsigned(&j, "bytes", r->bytes + REPORT_UDP_HEADER);
    if (r->hops == REPORT_NO_HOPS)
        json_null(&j, "ttl");
    else
        json_signed(&j, "ttl", r->hops);
    json_signed(&j, "rtt", r->rtt);
    json_bool(&j, "duplicate", r->duplicate);
    put_figure(&j, "network", &r->figures.network);
    put_figure(&j, "server", &r->figures.server);
    json_close(&j);
}

static void timeout(const struct ping_options *options, const struct timeout *t)
{
    struct json j = event("timeout");

    (void)options;
    json_unsigned(&j, "seq", t->seq);
    json_signed(&j, "sent", clock_realtime() - t->age);
    json_close(&j);
}

static void failure(const struct ping_options *options, const struct failure *f)
{
    struct json j = event("error");

    (void)options;
    if (f->seq)
        json_unsigned(&j, "seq", f->seq);
    else
        json_null(&j, "seq");
    if (f->from)
        json_string(&j, "from", f->from);
    else
        json_null(&j, "from");
    json_string(&j, "error", f->text);
    json_close(&j);
}

static void put_rtt(struct json *j, const struct rtt *rtt)
{
    if (rtt->samples == 0) {
        json_null(j, "rtt");
        return;
    }
    json_object(j, "rtt");
    json_unsigned(j, "samples", rtt->samples);
    json_signed(j, "min", rtt->min);
    json_signed(j, "mean", rtt_mean(rtt));
    json_signed(j, "max", rtt->max);
    json_signed(j, "mdev", rtt_deviation(rtt));
    json_end(j);
}

static void put_delays(struct json *j, const char *key, const struct histogram *h,
                       const struct missing *missing)
{
    json_object(j, key);
    json_unsigned(j, "samples", h->samples);
    if (h->samples == 0) {
        json_null(j, "mean");
        json_string(j, "reason", missing->token);
        json_end(j);
        return;
    }
    json_signed(j, "min", h->min);
    json_signed(j, "mean", histogram_mean(h));
    json_signed(j, "max", h->max);
    if (h->samples < HISTOGRAM_PERCENTILES_FROM) {
        json_null(j, "p50");
        json_null(j, "p99");
        json_string(j, "reason", "too-few-samples");
    } else {
        json_signed(j, "p50", histogram_percentile(h, MEDIAN));
        json_signed(j, "p99", histogram_percentile(h, HIGH));
    }
    json_end(j);
}

static void put_flow(struct json *j, const struct pdmv2_stats *flow)
{
    json_object(j, "options");
    json_unsigned(j, "sent", flow->options_sent);
    json_unsigned(j, "received", flow->options_received);
    json_unsigned(j, "lost", flow->lost);
    json_unsigned(j, "reordered", flow->reordered);
    json_unsigned(j, "duplicates", flow->duplicates);
    json_unsigned(j, "auth_failures", flow->auth_failures);
    json_unsigned(j, "negative", flow->negative);
    json_unsigned(j, "imprecise", flow->imprecise);
    json_unsigned(j, "unstamped", flow->unstamped);
    json_end(j);
}

static void totals(const char *type, const struct ping_options *options, const struct summary *s)
{
    const struct tally *t = s->tally;
    const struct missing *missing = figures_missing(s->flow, t->received);
    struct json j = event(type);

    json_string(&j, "host", options->host);
    json_signed(&j, "elapsed", t->latest - t->started);
    json_unsigned(&j, "transmitted", t->transmitted);
    json_unsigned(&j, "received", t->received);
    json_unsigned(&j, "duplicates", t->duplicates);
    json_unsigned(&j, "errors", t->errors);
    json_unsigned(&j, "strangers", t->strangers);
    put_rtt(&j, &t->rtt);
    put_delays(&j, "network", &t->network, missing);
    put_delays(&j, "server", &t->server, missing);
    json_unsigned(&j, "overlapped", t->overlapped);
    put_flow(&j, s->flow);
    json_close(&j);
}

static void interim(const struct ping_options *options, const struct summary *s)
{
    totals("interim", options, s);
}

static void summary(const struct ping_options *options, const struct summary *s)
{
    totals("summary", options, s);
}

const struct report report_json = {
    .start = start,
    .reply = reply,
    .timeout = timeout,
    .failure = failure,
    .interim = interim,
    .summary = summary,
};
