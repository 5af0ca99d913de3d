/* SPDX-License-Identifier: BSD-2-Clause */
/* The end of a run, as people read it: ping's lines first. */
#include <inttypes.h>
#include <stdio.h>

#include "cli/bar.h"
#include "cli/pdmping/target.h"
#include "cli/pdmping/text.h"
#include "core/limits.h"

enum {
    PERCENT = 100,
    MEDIAN = 50,
    HIGH = 99,
    BAR_CELLS = 30,
};

#define LOSS_SCALE 1e6

double text_ms(int64_t ns)
{
    return (double)ns / (double)PDM_NSEC_PER_MSEC;
}

static double loss(const struct tally *tally)
{
    return (double)tally_unanswered(tally) * PERCENT / (double)tally->transmitted;
}

void text_interim(const struct summary *s)
{
    const struct tally *t = s->tally;

    fputc('\r', stderr);
    if (s->options->host_count > 1)
        fprintf(stderr, "%s: ", s->target->host);
    fprintf(stderr, "%" PRIu64 "/%" PRIu64 " packets, %.0f%% loss", t->received, t->transmitted,
            t->transmitted ? loss(t) : 0.0);
    if (t->rtt.samples)
        fprintf(stderr, ", min/avg/ewma/max = %.3f/%.3f/%.3f/%.3f ms", text_ms(t->rtt.min),
                text_ms(rtt_mean(&t->rtt)), t->rtt.smoothed / (double)PDM_NSEC_PER_MSEC,
                text_ms(t->rtt.max));
    if (t->network.samples)
        fprintf(stderr, ", net avg = %.3f ms", text_ms(histogram_mean(&t->network)));
    if (t->server.samples)
        fprintf(stderr, ", srv avg = %.3f ms", text_ms(histogram_mean(&t->server)));
    fputc('\n', stderr);
}

static void put_counts(FILE *out, const struct tally *t)
{
    fprintf(out, "%" PRIu64 " packets transmitted, %" PRIu64 " received", t->transmitted,
            t->received);
    if (t->duplicates)
        fprintf(out, ", +%" PRIu64 " duplicates", t->duplicates);
    if (t->errors)
        fprintf(out, ", +%" PRIu64 " errors", t->errors);
    if (t->transmitted)
        fprintf(out, ", %g%% packet loss, time %" PRId64 "ms", (double)(float)loss(t),
                (int64_t)((t->latest - t->started) / PDM_NSEC_PER_MSEC));
    fputc('\n', out);
}

static void put_delays(FILE *out, const char *name, const struct histogram *h,
                       const struct missing *missing)
{
    if (h->samples == 0)
        fprintf(out, "%s avg = n/a (%s)", name, missing->text);
    else if (h->samples < HISTOGRAM_PERCENTILES_FROM)
        fprintf(out, "%s avg = %.3f ms", name, text_ms(histogram_mean(h)));
    else
        fprintf(out, "%s avg/p50/p99 = %.3f/%.3f/%.3f ms", name, text_ms(histogram_mean(h)),
                text_ms(histogram_percentile(h, MEDIAN)), text_ms(histogram_percentile(h, HIGH)));
}

static void put_all_delays(FILE *out, const struct summary *s)
{
    const struct rtt *rtt = &s->tally->rtt;

    if (rtt->samples == 0)
        return;
    fprintf(out, "rtt min/avg/max/mdev = %.3f/%.3f/%.3f/%.3f ms\n", text_ms(rtt->min),
            text_ms(rtt_mean(rtt)), text_ms(rtt->max), text_ms(rtt_deviation(rtt)));
    put_delays(out, "net", &s->tally->network, s->missing);
    fputs("   ", out);
    put_delays(out, "srv", &s->tally->server, s->no_server);
    fputc('\n', out);
}

/* Means alone add up, so the shares are theirs. */
static void put_bar(FILE *out, const struct tally *t)
{
    if (t->network.samples == 0 || t->server.samples == 0)
        return;
    const struct bar_part parts[] = {{"network", 'N', histogram_mean(&t->network)},
                                     {"server", 'S', histogram_mean(&t->server)}};

    bar_put(out, parts, sizeof(parts) / sizeof(parts[0]), BAR_CELLS);
}

static void put_jitter(FILE *out, const struct tally *t)
{
    if (t->rtt_jitter.samples < 2)
        return;
    fprintf(out, "jitter (RFC 3550) rtt = %.3f ms",
            t->rtt_jitter.value / (double)PDM_NSEC_PER_MSEC);
    if (t->network_jitter.samples >= 2)
        fprintf(out, "   net = %.3f ms", t->network_jitter.value / (double)PDM_NSEC_PER_MSEC);
    fputc('\n', out);
}

static void put_losses(FILE *out, const struct losses *l)
{
    if (l->lost == 0)
        return;
    if (l->missing) {
        fprintf(out, "lost by direction = n/a (%s)\n", l->missing->text);
        return;
    }
    fprintf(out, "lost to the server/back = %" PRIu64 "/%" PRIu64, l->to_server, l->back);
    if (l->untold)
        fprintf(out, ", and %" PRIu64 " that no option tells of", l->untold);
    fputc('\n', out);
}

static void put_order(FILE *out, const struct tally *t, int64_t wait)
{
    if (t->late)
        fprintf(out, "late: %" PRIu64 " of the received came after more than %g s\n", t->late,
                (double)wait / (double)PDM_NSEC_PER_SEC);
    if (t->reordered)
        fprintf(out, "reordered: %" PRIu64 " replies came after one to a later probe\n",
                t->reordered);
}

static void put_sum(FILE *out, const char *name, const struct sum *sum)
{
    if (sum->samples == 0)
        fprintf(out, "   %s n/a", name);
    else
        fprintf(out, "   %s %.3f", name, text_ms(sum->total / (int64_t)sum->samples));
}

/* A line for each size of a sweep. */
static void put_sizes(FILE *out, const struct summary *s)
{
    const struct sweep *sweep = &s->options->size;

    for (unsigned i = 0; i < sweep->sizes && sweep->sizes > 1; i++) {
        const struct size_tally *size = &s->tally->size[i];

        fprintf(out, "size %zu: %" PRIu64 "/%" PRIu64 " received, avg ms:",
                sweep->from + sweep->step * i, size->rtt.samples, size->transmitted);
        put_sum(out, "rtt", &size->rtt);
        put_sum(out, "net", &size->network);
        put_sum(out, "srv", &size->server);
        fputc('\n', out);
    }
}

static void put_objective(FILE *out, const struct slo_objective *o, const struct slo_result *r)
{
    bool of_loss = o->metric == SLO_LOSS;

    fprintf(out, "slo %s: %s", o->text, r->met ? "met" : "MISSED");
    if (r->samples == 0)
        fputs(", nothing was measured\n", out);
    else if (of_loss)
        fprintf(out, ", %g%% of %" PRIu64 " probes\n", (double)r->value / LOSS_SCALE, r->samples);
    else
        fprintf(out, ", %.3f ms of %" PRIu64 " samples%s\n", text_ms(r->value), r->samples,
                o->statistic == SLO_PERCENTILE && r->samples < HISTOGRAM_PERCENTILES_FROM
                    ? ", which are few for a percentile"
                    : "");
}

static void put_slo(FILE *out, const struct summary *s)
{
    for (size_t i = 0; i < s->options->slo.count; i++)
        put_objective(out, &s->options->slo.objective[i], &s->slo[i]);
}

static void put_notes(FILE *out, const struct summary *s)
{
    const struct tally *t = s->tally;
    const struct missing *obstacle = figures_obstacle(s->flow);

    if (t->server.samples + t->overlapped > 0)
        fputs("note: server delay's resolution is 2^-15 of its value\n", out);
    if (t->overlapped)
        fprintf(out,
                "note: %" PRIu64
                " server delays (marked *) had several probes under way: not in the "
                "mean\n",
                t->overlapped);
    if (t->strangers && s->target->method->port)
        fprintf(out, "note: %" PRIu64 " answers are to no probe: is %s %u an echo service?\n",
                t->strangers, s->target->method->port, s->options->port);
    else if (t->strangers)
        fprintf(out, "note: %" PRIu64 " answers are to no probe\n", t->strangers);
    /* Of an echo the figures say only that the kernel answers. */
    if (obstacle && s->target->method->replier == REPLIER_KERNEL && t->network.samples == 0)
        fprintf(out, "note: probes had no option: %s\n", obstacle->text);
}

void text_summary(FILE *out, const struct summary *s)
{
    fprintf(out, "\n--- %s ping statistics ---\n", s->target->host);
    put_counts(out, s->tally);
    put_all_delays(out, s);
    put_bar(out, s->tally);
    put_jitter(out, s->tally);
    put_losses(out, &s->losses);
    put_order(out, s->tally, s->options->wait);
    put_sizes(out, s);
    put_notes(out, s);
    put_slo(out, s);
    fprintf(out, "verdict: %s\n", s->verdict.text);
}

void text_total(FILE *out, const struct summary *s)
{
    fprintf(out, "\n--- %zu hosts ping statistics ---\n", s->options->host_count);
    put_counts(out, s->tally);
    put_all_delays(out, s);
    put_bar(out, s->tally);
}
