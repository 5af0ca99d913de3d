/* SPDX-License-Identifier: BSD-2-Clause */
/* The report for people. */
#include <inttypes.h>
#include <stdio.h>

#include "cli/bar.h"
#include "cli/pdmperf/report.h"
#include "core/limits.h"

enum { BAR_CELLS = 22 };

static double ms(int64_t ns)
{
    return (double)ns / (double)PDM_NSEC_PER_MSEC;
}

static const char *plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

static void start(const struct web_options *options)
{
    for (size_t i = 0; i < options->urls.count; i++)
        printf("PDMPERF %s\n", options->urls.at[i]);
    printf("%" PRIu64 " request%s%s, %u connection%s", options->requests, plural(options->requests),
           options->urls.count > 1 ? " each" : "", options->connections,
           plural(options->connections));
    if (options->interval != 0)
        printf(", %g a second", (double)PDM_NSEC_PER_SEC / (double)options->interval);
    putchar('\n');
}

static void put_time(const char *name, int64_t ns)
{
    printf(" %s=%.3f", name, ms(ns));
}

/* The unit stands once, behind the last number. */
static void put_figures(const struct figures *figures)
{
    const struct figure *net = &figures->network, *srv = &figures->server;

    if (net->missing)
        printf(" net=n/a (%s)", net->missing->text);
    else
        printf(" net=%.3f%s", ms(net->ns), srv->missing ? " ms" : "");
    if (srv->missing)
        printf(" srv=n/a (%s)\n", srv->missing->text);
    else
        printf(" srv=%.3f%s ms\n", ms(srv->ns), srv->overlapped ? "*" : "");
}

static void put_connection(const struct result *r)
{
    const struct result_times *times = &r->times;

    if (r->connects != 1 || r->redirects > 0)
        return;
    put_time("resolve", times->namelookup);
    put_time("connect", times->connect - times->namelookup);
    if (times->appconnect > times->connect)
        put_time("tls", times->appconnect - times->connect);
}

static void put_number(FILE *out, const struct web_options *options, const struct result *r)
{
    if (options->urls.count > 1)
        fprintf(out, "[%" PRId64 "] ", r->target + 1);
    fprintf(out, "seq=%" PRIu64, r->seq);
}

static void response(const struct web_options *options, const struct result *r)
{
    if (r->code != 0) {
        fputs("pdmperf: ", stderr);
        put_number(stderr, options, r);
        fprintf(stderr, ": (%" PRId64 ") %s\n", r->code, r->error);
        return;
    }
    if (options->quiet)
        return;
    put_number(stdout, options, r);
    printf(" HTTP/%s %03" PRId64 " %" PRId64 " bytes", r->http_version, r->http_code, r->download);
    if (options->interval != 0)
        put_time("queue", r->queued);
    put_connection(r);
    put_time("first", r->first_byte);
    put_time("total", r->times.total);
    fputs(" ms", stdout);
    put_figures(&r->figures);
}

static void put_counts(const struct web_summary *s, const struct tally *t)
{
    uint64_t answered = t->succeeded;

    printf("%" PRIu64 " request%s answered", answered, plural(answered));
    if (t->failed > 0)
        printf(", %" PRIu64 " failed", t->failed);
    if (t->refused > 0)
        printf(", %" PRIu64 " with status 400 or above", t->refused);
    if (t->unfinished > 0)
        printf(", %" PRIu64 " unfinished", t->unfinished);
    printf(", %" PRIu64 " connection%s, %" PRIu64 " bytes, time %" PRId64 " ms", t->connects,
           plural(t->connects), t->octets, (int64_t)(s->elapsed / PDM_NSEC_PER_MSEC));
    if (s->elapsed > 0)
        printf(", %.1f requests/s",
               (double)answered * (double)PDM_NSEC_PER_SEC / (double)s->elapsed);
    putchar('\n');
}

/* A row of the table; its last columns only where percentiles say something. */
static void put_row(const char *name, const struct histogram *h, bool percentiles)
{
    static const unsigned percents[] = {50, 90, 99};

    if (h->samples == 0)
        return;
    printf("%-10s %7" PRIu64 " %9.3f %9.3f %9.3f", name, h->samples, ms(h->min),
           ms(histogram_mean(h)), ms(h->max));
    for (size_t i = 0; percentiles && i < sizeof(percents) / sizeof(percents[0]); i++) {
        if (h->samples < HISTOGRAM_PERCENTILES_FROM)
            printf(" %9s", "-");
        else
            printf(" %9.3f", ms(histogram_percentile(h, percents[i])));
    }
    putchar('\n');
}

static void put_table(const struct web_options *options, const struct tally *t)
{
    static const char *const names[PHASES] = {
        [PHASE_RESOLVE] = "resolve",   [PHASE_CONNECT] = "connect",
        [PHASE_TLS] = "tls",           [PHASE_FIRST_BYTE] = "first byte",
        [PHASE_NETWORK] = "  network", [PHASE_SERVER] = "  server",
        [PHASE_TRANSFER] = "transfer", [PHASE_TOTAL] = "total",
        [PHASE_QUEUE] = "queue",       [PHASE_RESPONSE] = "response",
    };
    bool percentiles = t->succeeded >= HISTOGRAM_PERCENTILES_FROM;

    printf("%-10s %7s %9s %9s %9s", "ms", "samples", "min", "mean", "max");
    puts(percentiles ? "       p50       p90       p99" : "");
    for (enum phase p = 0; p < PHASES; p++) {
        if (options->interval != 0 || (p != PHASE_QUEUE && p != PHASE_RESPONSE))
            put_row(names[p], &t->phases[p], percentiles);
    }
}

/* The shares are those that the verdict is about. */
static void put_bar(const struct tally *t)
{
    int64_t known = t->measured_network + t->measured_server + t->measured_transfer;
    const struct bar_part parts[] = {{"network", 'N', t->measured_network},
                                     {"server", 'S', t->measured_server},
                                     {"transfer", 'T', t->measured_transfer},
                                     {"host", 'H', t->measured_time - known}};

    bar_put(stdout, parts, sizeof(parts) / sizeof(parts[0]), BAR_CELLS);
}

static const char *party_text(enum party party)
{
    static const char *const texts[] = {"", "NETWORK", "SERVER", "TRANSFER", "THIS HOST"};

    return texts[party];
}

static void put_verdict(struct tally *t)
{
    struct verdict v = verdict_of(t);

    if (v.party == PARTY_NONE)
        printf("verdict: n/a (%s)\n", v.missing->text);
    else if (v.basis == BASIS_SLOWEST)
        printf("verdict: %s causes %u%% of the delay of the slowest 1%%\n", party_text(v.party),
               v.percent);
    else
        printf("verdict: %s causes %u%% of the mean time from request to last byte\n",
               party_text(v.party), v.percent);
}

static void put_notes(const struct tally *t)
{
    if (t->overlapped > 0)
        printf("note: %" PRIu64 " server delay%s (marked *) may be of something else than the "
               "request: left out\n",
               t->overlapped, plural(t->overlapped));
}

static void put_comparison(const struct web_summary *s)
{
    struct comparison c = verdict_compare(&s->tallies[0], &s->tallies[1]);
    int64_t sign = c.slower == SLOWER_FIRST ? -1 : 1;

    puts("\n--- comparison ---");
    if (c.slower == SLOWER_NEITHER) {
        printf("verdict: neither is slower (%s)\n", c.verdict.missing->text);
        return;
    }
    printf("verdict: [%d] is slower by %.3f ms: ", c.slower == SLOWER_FIRST ? 1 : 2,
           ms(sign * c.difference));
    if (c.verdict.party == PARTY_NONE)
        printf("n/a (%s)\n", c.verdict.missing->text);
    else
        printf("%s%s causes %u%% of that\n"
               "(network %+.3f, server %+.3f, transfer %+.3f, this host %+.3f ms)\n",
               c.verdict.party == PARTY_CLIENT ? "" : "its ", party_text(c.verdict.party),
               c.verdict.percent, ms(sign * c.network), ms(sign * c.server), ms(sign * c.transfer),
               ms(sign * c.client));
}

static void put_tally(const struct web_summary *s, size_t i)
{
    struct tally *t = &s->tallies[i];

    if (s->options->urls.count > 1)
        printf("\n--- [%zu] %s ---\n", i + 1, s->options->urls.at[i]);
    else
        printf("\n--- %s ---\n", s->options->urls.at[i]);
    put_counts(s, t);
    if (t->succeeded > 0) {
        put_table(s->options, t);
        if (t->measured > 0) /* means alone add up, so the shares are theirs */
            put_bar(t);
        put_notes(t);
        put_verdict(t);
    }
}

static void summary(const struct web_summary *s)
{
    for (size_t i = 0; i < s->options->urls.count; i++)
        put_tally(s, i);
    if (s->options->compare)
        put_comparison(s);
}

const struct web_report web_report_text = {
    .start = start,
    .response = response,
    .summary = summary,
};
