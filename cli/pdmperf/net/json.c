/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * iperf3's JSON: start, intervals, end, with its keys and units, and the object pdm beside them and
 * in each interval, where times are integers in nanoseconds. As a stream of events, an object a
 * line, those parts come one by one. The schema is conf/schema/pdmperf-net-1.json. A server has no
 * intervals: the client that asked tells them.
 */
#include "cli/pdmperf/net/json_parts.h"

static struct json document; /* that is being written */

typedef void put_part(struct json *j, const struct net_run *run);

static void put_event(const char *name, put_part *part, const struct net_run *run)
{
    struct json j = json_open();

    json_string(&j, "event", name);
    json_object(&j, "data");
    part(&j, run);
    json_end(&j);
    if (!run->test.client)
        json_unsigned(&j, "client", run->number);
    json_close(&j);
}

static void put_member(const char *name, put_part *part, const struct net_run *run)
{
    json_object(&document, name);
    part(&document, run);
    json_end(&document);
}

static void open_document(const struct net_run *run)
{
    document = json_open();
    put_member("start", net_json_start, run);
    json_array(&document, "intervals");
}

/* A server's documents must not mix: it writes each at its end. */
static void start(const struct net_run *run)
{
    if (run->options->json_stream)
        put_event("start", net_json_start, run);
    else if (run->test.client)
        open_document(run);
}

static void interval(const struct net_run *run, int64_t from, int64_t to)
{
    const struct test *t = &run->test;
    int64_t zero = t->omitting ? t->began : t->began + (int64_t)t->what.omit;
    const struct span span = {from - zero, to - zero, t->omitting};

    if (run->options->json_stream) {
        struct json j = json_open();

        json_string(&j, "event", "interval");
        json_object(&j, "data");
        net_json_interval(&j, run, &span);
        json_end(&j);
        json_close(&j);
        return;
    }
    json_item(&document);
    net_json_interval(&document, run, &span);
    json_end(&document);
}

static void end_stream(const struct net_run *run)
{
    put_event("end", net_json_end, run);
    put_event("pdm", net_json_pdm, run);
    if (run->error) {
        struct json j = json_open();

        json_string(&j, "event", "error");
        json_string(&j, "data", run->error);
        json_close(&j);
    }
}

static void end(const struct net_run *run)
{
    if (run->options->json_stream) {
        end_stream(run);
        return;
    }
    if (!run->started || !run->test.client)
        open_document(run);
    json_array_end(&document);
    put_member("end", net_json_end, run);
    put_member("pdm", net_json_pdm, run);
    if (run->error)
        json_string(&document, "error", run->error);
    json_close(&document);
}

const struct net_report net_report_json = {.start = start, .interval = interval, .end = end};
