/* SPDX-License-Identifier: BSD-2-Clause */
/* ping's own lines, which scripts parse, with the two delays added at their ends. */
#include <inttypes.h>
#include <stdio.h>

#include "cli/clock.h"
#include "cli/pdmping/report.h"
#include "core/limits.h"

enum {
    BAR_CELLS = 30,
    PERCENT = 100,
    MEDIAN = 50,
    HIGH = 99,
};

static double ms(int64_t ns)
{
    return (double)ns / (double)PDM_NSEC_PER_MSEC;
}

static void put_time(const struct ping_options *options)
{
    int64_t now = 0;

    if (!options->timestamps)
        return;
    now = clock_realtime();
    printf("[%" PRId64 ".%06" PRId64 "] ", (int64_t)(now / PDM_NSEC_PER_SEC),
           (int64_t)(now % PDM_NSEC_PER_SEC / PDM_NSEC_PER_USEC));
}

static void start(const struct ping_options *options, const char *address)
{
    printf("PDMPING %s(%s)", options->host, address);
    if (options->source)
        printf(" from %s:", options->source);
    printf(" %zu data bytes\n", options->size);
}

static void put_figure(const char *name, const struct figure *figure)
{
    if (figure->missing)
        printf(" %s=n/a (%s)", name, figure->missing->text);
    else
        printf(" %s=%.3f%s", name, ms(figure->ns), figure->overlapped ? "*" : "");
}

/* The unit stands once, behind the last number. */
static void put_figures(const struct figures *figures)
{
    put_figure("net", &figures->network);
    if (!figures->network.missing && figures->server.missing)
        fputs(" ms", stdout);
    put_figure("srv", &figures->server);
    if (!figures->server.missing)
        fputs(" ms", stdout);
}

static void reply(const struct ping_options *options, const char *address, const struct reply *r)
{
    put_time(options);
    printf("%zu bytes from %s: icmp_seq=%" PRIu64, r->bytes + REPORT_UDP_HEADER, address, r->seq);
    if (r->hops != REPORT_NO_HOPS)
        printf(" ttl=%d", r->hops);
    printf(" time=%.3f ms", ms(r->rtt));
    put_figures(&r->figures);
    puts(r->duplicate ? " (DUP!)" : "");
}

/* ping says nothing of a reply that does not come; the summary's loss does. */
static void timeout(const struct ping_options *options, const struct timeout *t)
{
    (void)options;
    (void)t;
}

static void failure(const struct ping_options *options, const struct failure *f)
{
    if (!f->from) {
        fprintf(stderr, "pdmping: %s\n", f->text);
        return;
    }
    put_time(options);
    printf("From %s", f->from);
    if (f->seq)
        printf(" icmp_seq=%" PRIu64, f->seq);
    printf(" %s\n", f->text);
}

static uint64_t unanswered(const struct tally *tally)
{
    return tally->transmitted > tally->received ? tally->transmitted - tally->received : 0;
}

static double loss(const struct tally *tally)
{
    return (double)unanswered(tally) * PERCENT / (double)tally->transmitted;
}

/* One line on standard error, as ping's on SIGQUIT. */
static void interim(const struct ping_options *options, const struct summary *s)
{
    const struct tally *t = s->tally;

    (void)options;
    fprintf(stderr, "\r%" PRIu64 "/%" PRIu64 " packets, %.0f%% loss", t->received, t->transmitted,
            t->transmitted ? loss(t) : 0.0);
    if (t->rtt.samples)
        fprintf(stderr, ", min/avg/ewma/max = %.3f/%.3f/%.3f/%.3f ms", ms(t->rtt.min),
                ms(rtt_mean(&t->rtt)), t->rtt.smoothed / (double)PDM_NSEC_PER_MSEC, ms(t->rtt.max));
    if (t->network.samples)
        fprintf(stderr, ", net avg = %.3f ms", ms(histogram_mean(&t->network)));
    if (t->server.samples)
        fprintf(stderr, ", srv avg = %.3f ms", ms(histogram_mean(&t->server)));
    fputc('\n', stderr);
}

static void put_counts(const struct tally *t)
{
    printf("%" PRIu64 " packets transmitted, %" PRIu64 " received", t->transmitted, t->received);
    if (t->duplicates)
        printf(", +%" PRIu64 " duplicates", t->duplicates);
    if (t->errors)
        printf(", +%" PRIu64 " errors", t->errors);
    if (t->transmitted)
        printf(", %g%% packet loss, time %" PRId64 "ms", (double)(float)loss(t),
               (int64_t)((t->latest - t->started) / PDM_NSEC_PER_MSEC));
    putchar('\n');
}

static void put_delays(const char *name, const struct histogram *h, const struct missing *missing)
{
    if (h->samples == 0)
        printf("%s avg = n/a (%s)", name, missing->text);
    else if (h->samples < HISTOGRAM_PERCENTILES_FROM)
        printf("%s avg = %.3f ms", name, ms(histogram_mean(h)));
    else
        printf("%s avg/p50/p99 = %.3f/%.3f/%.3f ms", name, ms(histogram_mean(h)),
               ms(histogram_percentile(h, MEDIAN)), ms(histogram_percentile(h, HIGH)));
}

/* Means alone add up, so the shares are theirs. */
static void put_bar(const struct tally *t)
{
    if (t->network.samples == 0 || t->server.samples == 0)
        return;
    int64_t network = histogram_mean(&t->network);
    int64_t server = histogram_mean(&t->server);

    if (network < 0 || network + server <= 0)
        return;
    double share = (double)network / (double)(network + server);
    int percent = (int)(share * PERCENT + 0.5);
    int cells = (int)(share * BAR_CELLS + 0.5);

    fputs("mean  [", stdout);
    for (int i = 0; i < BAR_CELLS; i++)
        putchar(i < cells ? 'N' : 'S');
    printf("]  network %d%%  server %d%%\n", percent, PERCENT - percent);
}

static void put_notes(const struct ping_options *options, const struct tally *t)
{
    if (t->server.samples + t->overlapped > 0)
        puts("note: server delay's resolution is 2^-15 of its value");
    if (t->overlapped)
        printf("note: %" PRIu64
               " server delays (marked *) had several probes under way: not in the "
               "mean\n",
               t->overlapped);
    if (t->strangers)
        printf("note: %" PRIu64 " datagrams answered no probe: is port %u an echo service?\n",
               t->strangers, options->port);
}

static void summary(const struct ping_options *options, const struct summary *s)
{
    const struct tally *t = s->tally;
    const struct missing *missing = figures_missing(s->flow, t->received);

    printf("\n--- %s ping statistics ---\n", options->host);
    put_counts(t);
    if (t->rtt.samples) {
        printf("rtt min/avg/max/mdev = %.3f/%.3f/%.3f/%.3f ms\n", ms(t->rtt.min),
               ms(rtt_mean(&t->rtt)), ms(t->rtt.max), ms(rtt_deviation(&t->rtt)));
        put_delays("net", &t->network, missing);
        fputs("   ", stdout);
        put_delays("srv", &t->server, missing);
        putchar('\n');
    }
    put_bar(t);
    put_notes(options, t);
}

const struct report report_text = {
    .start = start,
    .reply = reply,
    .timeout = timeout,
    .failure = failure,
    .interim = interim,
    .summary = summary,
};
