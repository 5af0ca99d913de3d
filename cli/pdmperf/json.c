/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One JSON object for each event; all times are integers in nanoseconds. The schema is
 * conf/schema/pdmperf-1.json.
 */
#include "cli/figures_json.h"
#include "cli/json.h"

#include "cli/clock.h"
#include "cli/pdmperf/report.h"

static struct json event(const char *type)
{
    struct json j = json_open();

    json_string(&j, "schema", WEB_SCHEMA);
    json_string(&j, "type", type);
    json_signed(&j, "time", clock_realtime());
    return j;
}

static void start(const struct web_options *options)
{
    struct json j = event("start");

    json_unsigned(&j, "urls", options->urls.count);
    json_unsigned(&j, "requests", options->requests);
    json_unsigned(&j, "connections", options->connections);
    if (options->interval != 0)
        json_signed(&j, "interval", options->interval);
    else
        json_null(&j, "interval");
    json_close(&j);
}

static void put_times(struct json *j, const struct result_times *times)
{
    json_object(j, "times");
    json_signed(j, "namelookup", times->namelookup);
    json_signed(j, "connect", times->connect);
    json_signed(j, "appconnect", times->appconnect);
    json_signed(j, "pretransfer", times->pretransfer);
    json_signed(j, "redirect", times->redirect);
    json_signed(j, "starttransfer", times->starttransfer);
    json_signed(j, "total", times->total);
    json_end(j);
}

static void put_answer(struct json *j, const struct result *r)
{
    json_signed(j, "http_code", r->http_code);
    json_string(j, "http_version", r->http_version);
    json_string(j, "effective_url", r->effective_url);
    json_string(j, "remote_ip", r->remote_ip);
    json_signed(j, "remote_port", r->remote_port);
    json_string(j, "local_ip", r->local_ip);
    json_signed(j, "local_port", r->local_port);
    json_signed(j, "num_connects", r->connects);
    json_signed(j, "num_redirects", r->redirects);
    json_signed(j, "size_download", r->download);
    json_signed(j, "size_upload", r->upload);
}

static void response(const struct web_options *options, const struct result *r)
{
    struct json j = event(r->code == 0 ? "response" : "error");

    (void)options;
    json_unsigned(&j, "seq", r->seq);
    json_string(&j, "url", r->url);
    if (r->code != 0) {
        json_signed(&j, "exitcode", r->code);
        json_string(&j, "error", r->error);
    }
    put_answer(&j, r);
    json_signed(&j, "queue", r->queued);
    json_signed(&j, "first", r->first_byte);
    put_times(&j, &r->times);
    figure_json(&j, "network", &r->figures.network);
    figure_json(&j, "server", &r->figures.server);
    json_close(&j);
}

static void put_percentiles(struct json *j, const struct histogram *h)
{
    static const struct {
        const char *key;
        unsigned percent;
    } rows[] = {{"p50", 50}, {"p90", 90}, {"p99", 99}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (h->samples < HISTOGRAM_PERCENTILES_FROM)
            json_null(j, rows[i].key);
        else
            json_signed(j, rows[i].key, histogram_percentile(h, rows[i].percent));
    }
}

static void put_phases(struct json *j, const struct tally *t)
{
    static const char *const keys[PHASES] = {
        [PHASE_RESOLVE] = "resolve",   [PHASE_CONNECT] = "connect", [PHASE_TLS] = "tls",
        [PHASE_FIRST_BYTE] = "first",  [PHASE_NETWORK] = "network", [PHASE_SERVER] = "server",
        [PHASE_TRANSFER] = "transfer", [PHASE_TOTAL] = "total",     [PHASE_QUEUE] = "queue",
        [PHASE_RESPONSE] = "response",
    };

    for (enum phase p = 0; p < PHASES; p++) {
        const struct histogram *h = &t->phases[p];

        json_object(j, keys[p]);
        json_unsigned(j, "samples", h->samples);
        if (h->samples > 0) {
            json_signed(j, "min", h->min);
            json_signed(j, "mean", histogram_mean(h));
            json_signed(j, "max", h->max);
            put_percentiles(j, h);
        }
        json_end(j);
    }
}

static void put_verdict(struct json *j, const struct verdict *v)
{
    json_object(j, "verdict");
    json_string(j, "party", party_name(v->party));
    if (v->party == PARTY_NONE) {
        json_string(j, "reason", v->missing->token);
    } else {
        json_string(j, "basis", v->basis == BASIS_SLOWEST ? "slowest" : "mean");
        json_unsigned(j, "percent", v->percent);
    }
    json_end(j);
}

static void put_tally(const struct web_summary *s, size_t i)
{
    struct tally *t = &s->tallies[i];
    struct verdict verdict = verdict_of(t);
    struct json j = event("summary");

    json_string(&j, "url", s->options->urls.at[i]);
    json_signed(&j, "elapsed", s->elapsed);
    json_bool(&j, "interrupted", s->interrupted);
    json_unsigned(&j, "answered", t->succeeded);
    json_unsigned(&j, "failed", t->failed);
    json_unsigned(&j, "unfinished", t->unfinished);
    json_unsigned(&j, "refused", t->refused);
    json_unsigned(&j, "connects", t->connects);
    json_unsigned(&j, "bytes", t->octets);
    json_unsigned(&j, "measured", t->measured);
    json_unsigned(&j, "overlapped", t->overlapped);
    put_phases(&j, t);
    put_verdict(&j, &verdict);
    json_close(&j);
}

static void put_comparison(const struct web_summary *s)
{
    static const char *const slower[] = {"neither", "first", "second"};
    struct comparison c = verdict_compare(&s->tallies[0], &s->tallies[1]);
    struct json j = event("comparison");

    json_string(&j, "slower", slower[c.slower]);
    json_signed(&j, "difference", c.difference);
    json_signed(&j, "network", c.network);
    json_signed(&j, "server", c.server);
    json_signed(&j, "transfer", c.transfer);
    json_signed(&j, "client", c.client);
    put_verdict(&j, &c.verdict);
    json_close(&j);
}

static void summary(const struct web_summary *s)
{
    for (size_t i = 0; i < s->options->urls.count; i++)
        put_tally(s, i);
    if (s->options->compare)
        put_comparison(s);
}

const struct web_report web_report_json = {
    .start = start,
    .response = response,
    .summary = summary,
};
