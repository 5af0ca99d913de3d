/* SPDX-License-Identifier: BSD-2-Clause */
/* The live view: for each target its figures so far and a chart, and the latest message. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/clock.h"
#include "cli/pdmping/chart.h"
#include "cli/pdmping/report.h"
#include "cli/pdmping/target.h"
#include "cli/pdmping/text.h"
#include "cli/screen.h"
#include "core/limits.h"

#define SLOT_LEAST_NS (100 * PDM_NSEC_PER_MSEC) /* faster than that nobody can look */
#define DRAW_EVERY_NS (100 * PDM_NSEC_PER_MSEC)

enum {
    LINE_OCTETS = 256,
    FIGURE_LINES = 2, /* above a chart */
    HELP_LINES = 1,   /* at the bottom, with the latest message */
    PERCENT = 100,
    MEDIAN = 50,
    HIGH = 99,
};

/* One view a process, as there is one terminal. */
static struct view {
    bool open;
    size_t count;
    const struct target *target[TARGETS_MAX];
    struct slots slots[TARGETS_MAX];
    char message[LINE_OCTETS]; /* the latest; it is seen again when the view is gone */
    int64_t drawn;             /* CLOCK_MONOTONIC */
} view;

static struct slots *slots_of(const struct target *t)
{
    for (size_t i = 0; i < view.count; i++) {
        if (view.target[i] == t)
            return &view.slots[i];
    }
    return NULL;
}

/* What happens. */

static void start(const struct target *t)
{
    int64_t interval = t->options->interval;

    view.target[view.count] = t;
    slots_begin(&view.slots[view.count++], clock_monotonic(),
                interval > SLOT_LEAST_NS ? interval : SLOT_LEAST_NS);
    if (!view.open)
        view.open = screen_open();
}

static void sent(const struct target *t, uint64_t seq)
{
    (void)seq;
    slots_sent(slots_of(t), clock_monotonic());
}

static void reply(const struct target *t, const struct reply *r)
{
    slots_answered(slots_of(t), clock_monotonic() - r->rtt, r);
}

static void timeout(const struct target *t, const struct timeout *lost)
{
    slots_lost(slots_of(t), clock_monotonic() - lost->age);
}

static void failure(const struct target *t, const struct failure *f)
{
    if (!view.open)
        report_text.failure(t, f);
    else if (f->from)
        (void)snprintf(view.message, sizeof(view.message), "From %s icmp_seq=%" PRIu64 " %s",
                       f->from, f->seq, f->text);
    else
        (void)snprintf(view.message, sizeof(view.message), "%s", f->text);
}

/* What is seen of it. */

/* NAME mean/p50/p99, as many of them as there are. */
static void add_delays(char *line, size_t size, const char *name, const struct histogram *h,
                       const char *missing)
{
    size_t used = strlen(line);

    if (h->samples == 0)
        (void)snprintf(line + used, size - used, "%s n/a (%s)  ", name, missing);
    else if (h->samples < HISTOGRAM_PERCENTILES_FROM)
        (void)snprintf(line + used, size - used, "%s avg %.3f ms  ", name,
                       text_ms(histogram_mean(h)));
    else
        (void)snprintf(line + used, size - used, "%s avg/p50/p99 %.3f/%.3f/%.3f ms  ", name,
                       text_ms(histogram_mean(h)), text_ms(histogram_percentile(h, MEDIAN)),
                       text_ms(histogram_percentile(h, HIGH)));
}

static void draw_figures(const struct target *t, int row)
{
    const struct tally *tally = &t->tally;
    uint64_t gone = tally_unanswered(tally);
    const struct missing *missing = figures_missing(&t->stats, tally->received, t->method->replier);
    char line[LINE_OCTETS];

    (void)snprintf(line, sizeof(line),
                   "%s  %" PRIu64 " sent, %" PRIu64 " received, %.1f%% loss, %" PRIu64 " late",
                   t->host, tally->transmitted, tally->received,
                   tally->transmitted ? (double)gone * PERCENT / (double)tally->transmitted : 0.0,
                   tally->late);
    screen_put(row, 0, SCREEN_BOLD, line);
    line[0] = '\0';
    add_delays(line, sizeof(line), "net", &tally->network, missing->text);
    add_delays(line, sizeof(line), "srv", &tally->server, tally_no_server(tally, missing)->text);
    screen_put(row + 1, 0, SCREEN_PLAIN, line);
}

static void draw(int64_t now)
{
    int each = (screen_rows() - HELP_LINES) / (int)view.count;
    int least = FIGURE_LINES + CHART_ROWS_MIN;

    screen_clear();
    for (size_t i = 0; i < view.count; i++) {
        int top = (int)i * (each < least ? FIGURE_LINES : each);

        draw_figures(view.target[i], top);
        if (each >= least)
            chart_draw(&(struct chart_place){top + FIGURE_LINES, each - FIGURE_LINES},
                       &view.slots[i], now);
    }
    screen_put(screen_rows() - 1, 0, SCREEN_PLAIN,
               view.message[0] != '\0'
                   ? view.message
                   : "N network  S server  T total, not divided  X lost   q: quit");
    screen_show();
}

/* All keys that were pressed; false: to quit. */
static bool take_keys(bool *resized)
{
    for (int key = screen_key(); key != SCREEN_KEY_NONE; key = screen_key()) {
        if (key == 'q')
            return false;
        *resized |= key == SCREEN_KEY_RESIZED;
    }
    return true;
}

static bool turn(int64_t now, int64_t *next)
{
    bool resized = false;

    if (!view.open || !take_keys(&resized))
        return false;
    if (resized || now - view.drawn >= DRAW_EVERY_NS) {
        draw(now);
        view.drawn = now;
    }
    *next = view.drawn + DRAW_EVERY_NS;
    return true;
}

static void end(void)
{
    if (!view.open)
        return;
    screen_close();
    view.open = false;
    if (view.message[0] != '\0')
        printf("%s\n", view.message);
}

static void summary(const struct summary *s)
{
    report_text.start(s->target);
    report_text.summary(s);
}

static void total(const struct summary *s)
{
    report_text.total(s);
}

const struct report report_live = {
    .start = start,
    .sent = sent,
    .reply = reply,
    .timeout = timeout,
    .failure = failure,
    .turn = turn,
    .end = end,
    .summary = summary,
    .total = total,
};
