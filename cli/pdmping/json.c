/* SPDX-License-Identifier: BSD-2-Clause */
/* One JSON object for each event: conf/schema/pdmping-2.json. All times are integers in
 * nanoseconds. */
#include "cli/figures_json.h"
#include "cli/json.h"

#include <math.h>
#include <stdio.h>

#include "cli/clock.h"
#include "cli/pdmping/report.h"
#include "cli/pdmping/target.h"

enum { MEDIAN = 50, HIGH = 99 };

static struct json event(const char *type, const struct target *t)
{
    struct json j = json_open();

    json_string(&j, "schema", PING_SCHEMA);
    json_string(&j, "type", type);
    json_signed(&j, "time", clock_realtime());
    if (t)
        json_string(&j, "host", t->host);
    else
        json_null(&j, "host");
    return j;
}

static void start(const struct target *t)
{
    struct json j = event("start", t);

    json_string(&j, "address", t->endpoint.text);
    json_string(&j, "method", t->method->name);
    if (t->method->port)
        json_unsigned(&j, "port", t->options->port);
    else
        json_null(&j, "port");
    json_unsigned(&j, "size", t->options->size.from);
    json_unsigned(&j, "size_max", ping_size_max(t->options));
    json_signed(&j, "interval", t->options->interval);
    json_signed(&j, "wait", t->options->wait);
    json_close(&j);
}

static void reply(const struct target *t, const struct reply *r)
{
    struct json j = event("reply", t);

    json_unsigned(&j, "seq", r->seq);
    json_string(&j, "from", t->endpoint.text);
    json_unsigned(&j, "bytes", r->bytes);
    if (r->hops == REPLY_NO_HOPS)
        json_null(&j, "ttl");
    else
        json_signed(&j, "ttl", r->hops);
    json_signed(&j, "rtt", r->rtt);
    json_bool(&j, "duplicate", r->duplicate);
    json_bool(&j, "late", r->late);
    json_bool(&j, "reordered", r->reordered);
    figure_json(&j, "network", &r->figures.network);
    figure_json(&j, "server", &r->figures.server);
    json_close(&j);
}

static void timeout(const struct target *t, const struct timeout *timeout)
{
    struct json j = event("timeout", t);

    json_unsigned(&j, "seq", timeout->seq);
    json_signed(&j, "sent", clock_realtime() - timeout->age);
    json_close(&j);
}

static void failure(const struct target *t, const struct failure *f)
{
    struct json j = event("error", t);

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

static void put_rtt(struct json *j, const struct tally *t)
{
    const struct rtt *rtt = &t->rtt;

    json_object(j, "rtt");
    json_unsigned(j, "samples", rtt->samples);
    if (rtt->samples > 0) {
        json_signed(j, "min", rtt->min);
        json_signed(j, "mean", rtt_mean(rtt));
        json_signed(j, "max", rtt->max);
        json_signed(j, "mdev", rtt_deviation(rtt));
    }
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

static void put_one_jitter(struct json *j, const char *key, const struct jitter *jitter)
{
    if (jitter->samples < 2)
        json_null(j, key);
    else
        json_signed(j, key, llround(jitter->value));
}

static void put_jitter(struct json *j, const struct tally *t)
{
    json_object(j, "jitter_rfc3550");
    put_one_jitter(j, "rtt", &t->rtt_jitter);
    put_one_jitter(j, "network", &t->network_jitter);
    json_end(j);
}

static void put_losses(struct json *j, const struct losses *l)
{
    json_object(j, "lost");
    json_unsigned(j, "probes", l->lost);
    if (l->missing) {
        json_null(j, "to_server");
        json_null(j, "back");
        json_null(j, "untold");
        json_string(j, "reason", l->missing->token);
    } else {
        json_unsigned(j, "to_server", l->to_server);
        json_unsigned(j, "back", l->back);
        json_unsigned(j, "untold", l->untold);
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
    json_unsigned(j, "withdrawn", flow->withdrawn);
    json_end(j);
}

static void put_mean(struct json *j, const char *key, const struct sum *sum)
{
    if (sum->samples == 0)
        json_null(j, key);
    else
        json_signed(j, key, sum->total / (int64_t)sum->samples);
}

/* Means by size, each under its octets. */
static void put_sizes(struct json *j, const struct summary *s)
{
    const struct sweep *sweep = &s->options->size;
    char key[sizeof("65535")];

    if (sweep->sizes == 1)
        return;
    json_object(j, "sizes");
    for (unsigned i = 0; i < sweep->sizes; i++) {
        const struct size_tally *size = &s->tally->size[i];

        (void)snprintf(key, sizeof(key), "%u", (unsigned)(sweep->from + sweep->step * i) & 0xffffU);
        json_object(j, key);
        json_unsigned(j, "transmitted", size->transmitted);
        json_unsigned(j, "received", size->rtt.samples);
        put_mean(j, "rtt", &size->rtt);
        put_mean(j, "network", &size->network);
        put_mean(j, "server", &size->server);
        json_end(j);
    }
    json_end(j);
}

static void put_control(struct json *j, const struct control_tally *control)
{
    static const char *const names[CONTROL_KINDS] = {
        [CONTROL_ECHO] = "echo", [CONTROL_OPTION] = "echo_option", [CONTROL_SERVICE] = "service"};

    json_object(j, "control");
    for (unsigned i = 0; i < CONTROL_KINDS; i++) {
        json_object(j, names[i]);
        json_unsigned(j, "sent", control->kind[i].sent);
        json_unsigned(j, "answered", control->kind[i].answered);
        json_end(j);
    }
    json_end(j);
}

static void put_verdict(struct json *j, const struct verdict *v)
{
    json_object(j, "verdict");
    json_string(j, "verdict", v->token);
    json_string(j, "text", v->text);
    if (v->has_share) {
        json_unsigned(j, "network_percent", v->network);
        json_unsigned(j, "server_percent", v->server);
    }
    json_end(j);
}

/* Each objective under its text; the value of a loss is in millionths of a percent. */
static void put_slo(struct json *j, const struct summary *s)
{
    json_object(j, "slo");
    for (size_t i = 0; i < s->options->slo.count; i++) {
        json_object(j, s->options->slo.objective[i].text);
        json_bool(j, "met", s->slo[i].met);
        json_unsigned(j, "samples", s->slo[i].samples);
        json_signed(j, "limit", s->options->slo.objective[i].limit);
        if (s->slo[i].samples > 0)
            json_signed(j, "value", s->slo[i].value);
        else
            json_null(j, "value");
        json_end(j);
    }
    json_end(j);
}

static void put_counts(struct json *j, const struct summary *s)
{
    const struct tally *t = s->tally;

    json_signed(j, "elapsed", t->latest - t->started);
    json_unsigned(j, "transmitted", t->transmitted);
    json_unsigned(j, "received", t->received);
    json_unsigned(j, "late", t->late);
    json_unsigned(j, "reordered", t->reordered);
    json_unsigned(j, "duplicates", t->duplicates);
    json_unsigned(j, "errors", t->errors);
    json_unsigned(j, "refused", t->refused);
    json_unsigned(j, "strangers", t->strangers);
    json_unsigned(j, "overlapped", t->overlapped);
    put_rtt(j, t);
    put_delays(j, "network", &t->network, s->missing);
    put_delays(j, "server", &t->server, s->no_server);
}

static void put_target(const char *type, const struct summary *s)
{
    struct json j = event(type, s->target);

    json_string(&j, "address", s->target->endpoint.text);
    put_counts(&j, s);
    put_jitter(&j, s->tally);
    put_losses(&j, &s->losses);
    put_sizes(&j, s);
    put_flow(&j, s->flow);
    put_control(&j, &s->target->control);
    put_slo(&j, s);
    put_verdict(&j, &s->verdict);
    json_close(&j);
}

static void interim(const struct summary *s)
{
    put_target("interim", s);
}

static void summary(const struct summary *s)
{
    put_target("summary", s);
}

static void total(const struct summary *s)
{
    struct json j = event("total", NULL);

    json_unsigned(&j, "hosts", s->options->host_count);
    put_counts(&j, s);
    json_close(&j);
}

const struct report report_json = {
    .start = start,
    .reply = reply,
    .timeout = timeout,
    .failure = failure,
    .interim = interim,
    .summary = summary,
    .total = total,
};
