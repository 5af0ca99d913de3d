/* SPDX-License-Identifier: BSD-2-Clause */
/* The report for people: iperf3's lines, with ours behind them. */
#include <inttypes.h>
#include <stdio.h>

#include "cli/pdmperf/net/report.h"

enum { PERCENT = 100 };
#define LINE "- - - - - - - - - - - - - - - - - - - - - - - - -\n"

static double ms(int64_t ns)
{
    return (double)ns / (double)PDM_NSEC_PER_MSEC;
}

static double seconds(int64_t ns)
{
    return (double)ns / (double)PDM_NSEC_PER_SEC;
}

/* Three digits and a unit: 1.33 GBytes, 11.4 Gbits/sec. */
static void put_scaled(double value, double base, const char *unit)
{
    static const char *const prefixes[] = {"", "K", "M", "G", "T"};
    size_t i = 0;

    for (; value >= base && i + 1 < sizeof(prefixes) / sizeof(prefixes[0]); i++)
        value /= base;
    printf("  %*.*f %s%s", 4, value < 9.995 ? 2 : value < 99.95 ? 1 : 0, value, prefixes[i], unit);
}

static bool is_rr(const struct net_run *run)
{
    return run->test.what.kind == NET_TRANSACTIONS;
}

static void put_time(int64_t from, int64_t to)
{
    printf(" %6.2f-%-6.2f sec", seconds(from), seconds(to));
}

/* S: NULL for the sum of those that send, or else of those that receive. */
static void put_label(const struct stream *s, bool sends, const struct net_run *run)
{
    if (s)
        printf("[%3u]", s->id + 1);
    else
        fputs("[SUM]", stdout);
    if (run->test.what.direction == NET_BOTH)
        fputs(sends ? "[TX]" : "[RX]", stdout);
}

static void put_volume(uint64_t bytes, int64_t ns)
{
    put_scaled((double)bytes, 1024, "Bytes");
    put_scaled(net_rate(bytes, ns), 1000, "bits/sec");
}

static void put_lost(uint64_t lost, uint64_t packets)
{
    printf("  %" PRIu64 "/%" PRIu64 " (%.2g%%)", lost, packets,
           packets > 0 ? (double)lost * PERCENT / (double)packets : 0);
}

static void put_since(const char *name, const struct net_run *run, enum latency_part part)
{
    const struct test *t = &run->test;
    int64_t mean = 0;

    if (latency_since(t->loaded, &t->mark, part, &mean))
        printf(" %s=%.3f", name, ms(mean));
    else
        printf(" %s=n/a", name);
}

/* The latency within the interval: a server has none. */
static void put_latency(const struct net_run *run)
{
    if (!run->test.client)
        return;
    fputs(" ", stdout);
    put_since("time", run, LATENCY_TOTAL);
    put_since("net", run, LATENCY_NETWORK);
    put_since("srv", run, LATENCY_SERVER);
    fputs(" ms", stdout);
}

/* iperf3's names of an interval's columns; a transaction's figures stand with theirs. */
static void put_header(const struct net_run *run)
{
    const struct pdm_net_test *what = &run->test.what;
    bool sends = what->direction != NET_REVERSE;

    if (!run->test.client || is_rr(run) || run->options->interval == 0)
        return;
    printf("[ ID]%s Interval           Transfer     Bitrate",
           what->direction == NET_BOTH ? "[Role]" : "");
    if (!what->udp)
        puts(sends ? "         Retr  Cwnd" : "");
    else if (what->direction == NET_FORWARD)
        puts("         Total Datagrams");
    else
        puts("         Jitter    Lost/Total Datagrams");
}

static void start(const struct net_run *run)
{
    const struct test *t = &run->test;

    for (unsigned i = 0; i < t->count; i++) {
        const struct stream *s = &t->streams[i];
        struct net_ends ends = net_ends_of(s->fd);

        if (s->fd >= 0)
            printf("[%3u] local %s port %u connected to %s port %u%s\n", s->id + 1, ends.local,
                   ends.local_port, ends.remote, ends.remote_port, s->probe ? " (probe)" : "");
    }
    put_header(run);
}

static void put_stream(const struct net_run *run, const struct stream *s, int64_t span)
{
    struct stream_count c = net_since(s);

    if (is_rr(run)) {
        printf("  %" PRIu64 " transactions  %.1f/sec", c.transactions,
               span > 0 ? (double)c.transactions / seconds(span) : 0);
        return;
    }
    put_volume(c.bytes, span);
    if (s->sends && !s->udp) {
        printf("  %4" PRIu64, c.retransmits);
        put_scaled(s->tcp.cwnd, 1024, "Bytes");
    } else if (s->sends) {
        printf("  %" PRIu64, c.packets);
    } else if (s->udp) {
        printf("  %.3f ms", ms(arrival_jitter(&s->arrival)));
        put_lost(c.lost, c.packets + c.lost);
    }
}

/* From when the times of intervals count. */
static int64_t zero_of(const struct test *t)
{
    return t->omitting ? t->began : t->began + (int64_t)t->what.omit;
}

/* The line of all streams of a direction, where there are several; none if there is no stream. */
static void put_sum(const struct net_run *run, bool sends, int64_t from, int64_t to)
{
    const struct test *t = &run->test;
    uint64_t bytes = 0, transactions = 0;
    unsigned streams = 0;

    for (unsigned i = 0; i < t->count; i++) {
        const struct stream *s = &t->streams[i];
        struct stream_count c = net_since(s);

        if (s->probe || s->sends != sends)
            continue;
        bytes += c.bytes;
        transactions += c.transactions;
        streams++;
    }
    if (streams == 0)
        return;
    put_label(NULL, sends, run);
    put_time(from - zero_of(t), to - zero_of(t));
    if (is_rr(run))
        printf("  %" PRIu64 " transactions  %.1f/sec", transactions,
               to > from ? (double)transactions / seconds(to - from) : 0);
    else
        put_volume(bytes, to - from);
    put_latency(run);
    puts(t->omitting ? "  (omitted)" : "");
}

static void interval(const struct net_run *run, int64_t from, int64_t to)
{
    const struct test *t = &run->test;

    for (unsigned i = 0; i < t->count; i++) {
        const struct stream *s = &t->streams[i];

        if (s->probe)
            continue;
        put_label(s, s->sends, run);
        put_time(from - zero_of(t), to - zero_of(t));
        put_stream(run, s, to - from);
        if (s->test->streams == 1)
            put_latency(run);
        puts(t->omitting ? "  (omitted)" : "");
    }
    if (t->what.streams == 1)
        return;
    put_sum(run, true, from, to);
    put_sum(run, false, from, to);
}

static void put_side(const struct net_run *run, const struct stream *s, bool sends,
                     const struct net_side *side, bool sender)
{
    bool udp = run->test.what.udp != 0;

    put_label(s, sends, run);
    if (!side->told) {
        printf("  n/a (the %s did not tell)  %s\n", run->test.client ? "server" : "client",
               sender ? "sender" : "receiver");
        return;
    }
    put_time(0, side->elapsed);
    put_volume(side->bytes, side->elapsed);
    if (sender && !udp)
        printf("  %4" PRIu64 " retransmits", side->retransmits);
    if (udp && sender)
        printf("  %" PRIu64 " packets", side->packets);
    if (udp && !sender) {
        printf("  jitter %.3f ms  lost", ms(side->jitter));
        put_lost(side->lost, side->packets + side->lost);
        if (side->out_of_order > 0)
            printf("  out of order %" PRIu64, side->out_of_order);
    }
    puts(sender ? "  sender" : "  receiver");
}

static void put_totals(const struct net_run *run)
{
    const struct test *t = &run->test;

    for (unsigned i = 0; i < t->count; i++) {
        const struct stream *s = &t->streams[i];
        struct net_side sent = net_sender_of(run, s), received = net_receiver_of(run, s);

        if (s->probe)
            continue;
        put_side(run, s, s->sends, &sent, true);
        put_side(run, s, s->sends, &received, false);
    }
    for (int sends = 1; sends >= 0; sends--) {
        struct net_sums sums = net_sums_of(run, sends != 0);

        if (sums.streams < 2)
            continue;
        put_side(run, NULL, sends != 0, &sums.sent, true);
        put_side(run, NULL, sends != 0, &sums.received, false);
    }
}

static void put_transactions(const struct net_run *run)
{
    struct net_sums sums = net_sums_of(run, run->test.client);
    const struct net_side *side = run->test.client ? &sums.sent : &sums.received;

    printf("%" PRIu64 " transactions in %.2f sec, %.1f/sec", side->packets, seconds(side->elapsed),
           side->elapsed > 0 ? (double)side->packets / seconds(side->elapsed) : 0);
    if (side->lost > 0)
        printf(", %" PRIu64 " lost", side->lost);
    putchar('\n');
}

static void put_cell(const struct histogram *h, unsigned percent)
{
    if (h->samples < HISTOGRAM_PERCENTILES_FROM)
        printf(" %8s", "-");
    else
        printf(" %8.3f", ms(histogram_percentile(h, percent)));
}

static void put_row(const char *name, const struct latency *l, enum latency_part part)
{
    static const char *const parts[] = {"network", "server", "total"};
    const struct histogram *h = &l->parts[part];

    printf("%-7s %-8s", name, parts[part]);
    if (h->samples == 0) {
        printf(" n/a (%s)\n", l->missing ? l->missing->text : "no answer");
        return;
    }
    printf(" %7" PRIu64 " %8.3f %8.3f %8.3f", h->samples, ms(h->min), ms(histogram_mean(h)),
           ms(h->max));
    put_cell(h, 50);
    put_cell(h, 90);
    put_cell(h, 99);
    putchar('\n');
}

static void put_rows(const char *name, const struct latency *l)
{
    for (enum latency_part p = 0; p < LATENCY_PARTS; p++)
        put_row(name, l, p);
    if (l->lost > 0)
        printf("%-7s %" PRIu64 " lost\n", name, l->lost);
}

static void put_latencies(const struct net_run *run)
{
    char text[NET_VERDICT_TEXT];

    printf("\n%-16s %7s %8s %8s %8s %8s %8s %8s\n", "latency, ms", "samples", "min", "mean", "max",
           "p50", "p90", "p99");
    if (!is_rr(run))
        put_rows("idle", run->test.idle);
    put_rows(is_rr(run) ? "" : "loaded", run->test.loaded);
    net_verdict_text(run, text);
    printf("verdict: %s\n", text);
}

static void end(const struct net_run *run)
{
    if (run->started) {
        fputs(LINE, stdout);
        if (!run->test.client)
            printf("client %u:\n", run->number);
        if (is_rr(run))
            put_transactions(run);
        else
            put_totals(run);
        if (run->test.client)
            put_latencies(run);
        if (run->test.interrupted)
            puts("interrupted: these are the figures so far");
    }
    if (run->error) {
        (void)fflush(stdout);
        if (run->started)
            fprintf(stderr, "pdmperf: the test ended early: %s\n", run->error);
        else if (run->test.client)
            fprintf(stderr, "pdmperf: %s port %u: %s\n", run->options->host, run->options->port,
                    run->error);
        else
            fprintf(stderr, "pdmperf: %s\n", run->error);
    }
}

const struct net_report net_report_text = {.start = start, .interval = interval, .end = end};
