/* SPDX-License-Identifier: BSD-2-Clause */
/* A run of requests to URLs. */
#include "cli/pdmperf/run.h"

#include <curl/curl.h>
#include <err.h>
#include <stdlib.h>

#include "cli/clock.h"
#include "cli/output.h"
#include "cli/pdmperf/loop.h"
#include "cli/pdmperf/report.h"
#include "cli/pdmperf/schedule.h"
#include "cli/pdmperf/transfer.h"
#include "cli/signals.h"

struct run {
    const struct web_options *options;
    const struct web_report *report;
    struct transfer_settings settings;
    struct transfer *transfers; /* one for each connection */
    struct tally *tallies;      /* one for each URL */
    unsigned *idle;             /* which of the transfers are */
    unsigned idle_count;
    CURLM *multi;
    struct loop loop;
    struct schedule schedule;
    int code; /* of the last request that failed */
};

static bool make_transfers(struct run *run)
{
    const unsigned n = run->options->connections;

    run->transfers = calloc(n, sizeof(*run->transfers));
    run->idle = calloc(n, sizeof(*run->idle));
    if (run->transfers == NULL || run->idle == NULL) {
        warn("%u connections", n);
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        if (!transfer_make(&run->transfers[i], &run->settings))
            return false;
        run->idle[run->idle_count++] = n - 1 - i; /* the first is used first */
    }
    return true;
}

static bool make_tallies(struct run *run)
{
    const struct web_options *o = run->options;

    run->tallies = calloc(o->urls.count, sizeof(*run->tallies));
    for (size_t i = 0; i < o->urls.count; i++) {
        if (run->tallies == NULL || !tally_make(&run->tallies[i], o->requests)) {
            warn("%zu URLs", o->urls.count);
            return false;
        }
    }
    return true;
}

/* Several requests on one connection would spoil each other's figures: one at a time. */
static bool make_multi(struct run *run)
{
    run->multi = curl_multi_init();
    if (run->multi && loop_open(&run->loop, run->multi) &&
        curl_multi_setopt(run->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING) == CURLM_OK)
        return true;
    warn("cannot begin transfers");
    return false;
}

/* Requests take turns among the URLs. */
static bool begin_next(struct run *run, int64_t now)
{
    uint64_t number = run->schedule.begun;
    struct transfer *t = &run->transfers[run->idle[--run->idle_count]];
    int64_t late = schedule_begin(&run->schedule, now);

    return transfer_begin(t, run->multi, (size_t)(number % run->options->urls.count), number + 1,
                          late);
}

static bool begin_due(struct run *run)
{
    int64_t now = clock_monotonic();

    while (run->idle_count > 0 && schedule_next(&run->schedule, now) <= now) {
        if (!begin_next(run, now))
            return false;
        now = clock_monotonic();
    }
    return true;
}

static void end_transfer(struct run *run, struct transfer *t, CURLcode code)
{
    struct result result;

    transfer_end(t, run->multi, code, &result);
    run->idle[run->idle_count++] = (unsigned)(t - run->transfers);
    if (result.code != 0)
        run->code = (int)result.code;
    tally_add(&run->tallies[result.target], &result);
    run->report->response(run->options, &result);
}

static void end_finished(struct run *run)
{
    int left = 0;
    CURLMsg *message = NULL;

    while ((message = curl_multi_info_read(run->multi, &left)) != NULL) {
        char *t = NULL;

        if (message->msg == CURLMSG_DONE &&
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &t) == CURLE_OK)
            end_transfer(run, (struct transfer *)(void *)t, message->data.result);
    }
}

static bool is_over(const struct run *run)
{
    return signals_stop() || (run->schedule.begun == run->schedule.count &&
                              run->idle_count == run->options->connections);
}

/* With no connection free nothing can begin, however late it is. */
static int64_t next_begin(const struct run *run)
{
    if (run->idle_count == 0)
        return SCHEDULE_NEVER;
    return schedule_next(&run->schedule, clock_monotonic());
}

/* Of the requests before NUMBER, those that are to URL I of N. */
static uint64_t turns(uint64_t number, size_t i, size_t n)
{
    return (number + n - 1 - i) / n;
}

/* Those under way, and those that are due: their users have waited in vain as well. */
static void count_unfinished(struct run *run)
{
    const uint64_t begun = run->schedule.begun;
    const uint64_t due = schedule_due(&run->schedule, clock_monotonic());
    const size_t urls = run->options->urls.count;

    for (size_t i = 0; i < urls && due > begun; i++)
        run->tallies[i].unfinished += turns(due, i, urls) - turns(begun, i, urls);
    for (unsigned i = 0; i < run->options->connections; i++) {
        if (run->transfers[i].seq != 0)
            run->tallies[run->transfers[i].target].unfinished++;
    }
}

static int run_until_over(struct run *run)
{
    run->schedule = (struct schedule){
        .count = run->options->requests * run->options->urls.count,
        .interval = run->options->interval,
        .start = clock_monotonic(),
    };
    run->report->start(run->options);
    while (!is_over(run)) {
        if (!begin_due(run))
            return WEB_EXIT_USAGE;
        if (!output_flush())
            return WEB_EXIT_OUTPUT;
        loop_turn(&run->loop, next_begin(run));
        end_finished(run);
    }
    count_unfinished(run);
    run->report->summary(&(struct web_summary){
        .options = run->options,
        .tallies = run->tallies,
        .elapsed = clock_monotonic() - run->schedule.start,
        .interrupted = signals_stop(),
    });
    return output_flush() ? run->code : WEB_EXIT_OUTPUT;
}

/* Connections are closed by curl_multi_cleanup(), by way of the settings' sockets. */
static void free_run(struct run *run)
{
    const struct web_options *o = run->options;

    for (unsigned i = 0; run->transfers && i < o->connections; i++)
        transfer_free(&run->transfers[i], run->multi);
    (void)curl_multi_cleanup(run->multi);
    loop_close(&run->loop);
    transfer_settings_free(&run->settings);
    for (size_t i = 0; run->tallies && i < o->urls.count; i++)
        tally_free(&run->tallies[i]);
    free(run->tallies);
    free(run->transfers);
    free(run->idle);
}

static const struct web_report *report_of(const struct web_options *options)
{
    if (options->format)
        return &web_report_format;
    return options->json ? &web_report_json : &web_report_text;
}

int web_run(const struct web_options *options)
{
    struct run run = {.options = options, .report = report_of(options), .loop = {.epoll = -1}};
    int code = WEB_EXIT_USAGE;

    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        warnx("libcurl does not start");
        return code;
    }
    if (transfer_settings_make(&run.settings, options) && make_multi(&run) &&
        make_transfers(&run) && make_tallies(&run))
        code = run_until_over(&run);
    free_run(&run);
    curl_global_cleanup();
    return code;
}
