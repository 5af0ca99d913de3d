/* SPDX-License-Identifier: BSD-2-Clause */
/* ping's own lines, which scripts parse, with the two delays added at their ends. */
#include "cli/pdmping/text.h"

#include <inttypes.h>
#include <stdio.h>

#include "cli/clock.h"
#include "cli/pdmping/report.h"
#include "cli/pdmping/target.h"
#include "core/limits.h"

static void put_time(const struct target *t)
{
    if (!t->options->timestamps)
        return;
    int64_t now = clock_realtime();

    printf("[%" PRId64 ".%06" PRId64 "] ", (int64_t)(now / PDM_NSEC_PER_SEC),
           (int64_t)(now % PDM_NSEC_PER_SEC / PDM_NSEC_PER_USEC));
}

static void start(const struct target *t)
{
    const struct sweep *size = &t->options->size;

    printf("PDMPING %s(%s)", t->host, t->endpoint.text);
    if (t->options->source)
        printf(" from %s:", t->options->source);
    if (size->sizes > 1)
        printf(" %zu to %zu data bytes\n", size->from, size->from + size->step * (size->sizes - 1));
    else
        printf(" %zu data bytes\n", size->from);
}

/* A flood shows a dot for each probe and takes it away with the reply: what stays is missing. */
static void sent(const struct target *t, uint64_t seq)
{
    (void)seq;
    if (t->options->flood)
        putchar('.');
}

static void outstanding(const struct target *t, uint64_t seq)
{
    put_time(t);
    printf("no answer yet for icmp_seq=%" PRIu64 "\n", seq);
}

static void put_figure(const char *name, const struct figure *figure)
{
    if (figure->missing)
        printf(" %s=n/a (%s)", name, figure->missing->text);
    else
        printf(" %s=%.3f%s", name, text_ms(figure->ns), figure->overlapped ? "*" : "");
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

static void reply(const struct target *t, const struct reply *r)
{
    if (t->options->flood) {
        fputs("\b \b", stdout);
        return;
    }
    put_time(t);
    printf("%zu bytes from %s: icmp_seq=%" PRIu64, r->bytes, t->endpoint.text, r->seq);
    if (r->hops != REPLY_NO_HOPS)
        printf(" ttl=%d", r->hops);
    printf(" time=%.3f ms", text_ms(r->rtt));
    put_figures(&r->figures);
    if (r->duplicate)
        fputs(" (DUP!)", stdout);
    if (r->late)
        fputs(" (late)", stdout);
    putchar('\n');
}

static void failure(const struct target *t, const struct failure *f)
{
    if (!f->from) {
        if (f->seq)
            fprintf(stderr, "pdmping: %s: icmp_seq=%" PRIu64 ": %s\n", t->host, f->seq, f->text);
        else
            fprintf(stderr, "pdmping: %s\n", f->text);
        return;
    }
    put_time(t);
    printf("From %s", f->from);
    if (f->seq)
        printf(" icmp_seq=%" PRIu64, f->seq);
    printf(" %s\n", f->text);
}

static void summary(const struct summary *s)
{
    text_summary(stdout, s);
}

static void total(const struct summary *s)
{
    text_total(stdout, s);
}

/* ping says nothing of a reply that does not come; the summary's loss does. */
const struct report report_text = {
    .start = start,
    .sent = sent,
    .outstanding = outstanding,
    .reply = reply,
    .failure = failure,
    .interim = text_interim,
    .summary = summary,
    .total = total,
};
