/* SPDX-License-Identifier: BSD-2-Clause */
/* A run of probes to one host or several. */
#include "cli/pdmping/run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/clock.h"
#include "cli/output.h"
#include "cli/pdmping/report.h"
#include "cli/pdmping/target.h"
#include "cli/screen.h"
#include "cli/signals.h"
#include "cli/wait.h"

enum {
    TURNS_WITHOUT_SIGNALS = 32, /* of a flood, whose turns do without poll() */
};

struct run {
    const struct ping_options *options;
    const struct report *report;
    struct target *target[TARGETS_MAX];
    size_t count;
    struct control control;
    bool has_control;
    int64_t deadline; /* CLOCK_MONOTONIC */
    int64_t turn;     /* when the report wants its next; WAIT_FOREVER: it has none */
    unsigned turns;   /* since signals were looked for */
};

static const struct report *report_of(enum ping_output output)
{
    static const struct report *const reports[] = {[PING_TEXT] = &report_text,
                                                   [PING_JSON] = &report_json,
                                                   [PING_CSV] = &report_csv,
                                                   [PING_LIVE] = &report_live};

    /* Where no view can be drawn there are lines. */
    if (output == PING_LIVE && !screen_possible())
        output = PING_TEXT;
    return reports[output];
}

static void complain(const struct run *run, const struct target *t, const char *why)
{
    REPORT(run->report, failure, t, &(struct failure){.text = why});
}

static bool open_targets(struct run *run)
{
    char why[ERROR_TEXT];

    while (run->count < run->options->host_count) {
        struct target *t = calloc(1, sizeof(*t));

        if (!t) {
            complain(run, NULL, strerror(errno));
            return false;
        }
        t->host = run->options->hosts[run->count];
        t->options = run->options;
        t->report = run->report;
        if (!target_open(t, why)) {
            complain(run, t, why);
            free(t);
            return false;
        }
        run->target[run->count++] = t;
    }
    return true;
}

/* Several hosts take turns within the interval. */
static void start_targets(struct run *run)
{
    int64_t now = clock_monotonic();
    int64_t apart = run->count > 0 ? run->options->interval / (int64_t)run->count : 0;

    run->deadline = run->options->deadline ? now + run->options->deadline : WAIT_FOREVER;
    for (size_t i = 0; i < run->count; i++)
        target_start(run->target[i], now + apart * (int64_t)i);
}

static void take_control_answers(struct run *run)
{
    enum control_kind kind;
    uint32_t target;

    while (run->has_control && control_receive(&run->control, &kind, &target)) {
        if (target < run->count)
            run->target[target]->control.kind[kind].answered++;
    }
}

static void send_controls(struct run *run, int64_t now)
{
    for (size_t i = 0; i < run->count; i++) {
        struct target *t = run->target[i];

        if (!target_wants_control(t, now))
            continue;
        if (!run->has_control)
            control_open(&run->control, run->options);
        run->has_control = true;
        target_send_control(t, &run->control, (uint32_t)i, now);
    }
}

static void tell_interim(struct run *run)
{
    for (size_t i = 0; i < run->count; i++) {
        const struct summary summary = target_summary(run->target[i]);

        REPORT(run->report, interim, &summary);
    }
}

static bool is_over(const struct run *run, int64_t now)
{
    if (signals_stop() || now >= run->deadline)
        return true;
    for (size_t i = 0; i < run->count; i++) {
        if (!target_is_over(run->target[i]))
            return false;
    }
    return true;
}

static int64_t next_event(const struct run *run)
{
    int64_t until = run->deadline < run->turn ? run->deadline : run->turn;

    for (size_t i = 0; i < run->count; i++) {
        int64_t next = target_is_over(run->target[i]) ? WAIT_FOREVER : target_next(run->target[i]);

        if (next < until)
            until = next;
    }
    return until;
}

/* Until something comes, a signal among it, or there is something to do. */
static void wait_for_event(struct run *run, int64_t until)
{
    struct pollfd fds[TARGETS_MAX + CONTROL_KINDS + 1];
    nfds_t count = 0;

    for (size_t i = 0; i < run->count; i++) {
        const struct endpoint *e = &run->target[i]->endpoint;

        fds[count++] = (struct pollfd){.fd = e->fd, .events = e->events};
    }
    for (size_t i = 0; i < CONTROL_KINDS && run->has_control; i++)
        fds[count++] = (struct pollfd){.fd = run->control.fd[i], .events = POLLIN};
    if (run->report->turn)
        fds[count++] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
    run->turns = 0;
    if (wait_ready(fds, count, until) <= 0)
        return;
    for (size_t i = 0; i < run->count; i++) {
        if (fds[i].revents & POLLERR)
            run->target[i]->endpoint.has_errors = true;
    }
}

/* Whether probes left that may be answered already: then there is nothing to wait for. */
static bool send_probes(struct run *run, int64_t now)
{
    bool eager = false;

    for (size_t i = 0; i < run->count; i++) {
        if (target_send_if_due(run->target[i], now))
            eager = eager || run->target[i]->schedule.eager;
    }
    return eager && ++run->turns < TURNS_WITHOUT_SIGNALS;
}

/* False: the user wants to end. */
static bool take_turn(struct run *run, int64_t now)
{
    return !run->report->turn || run->report->turn(now, &run->turn);
}

/* False if what is printed does not arrive. */
static bool ping_until_over(struct run *run)
{
    for (;;) {
        for (size_t i = 0; i < run->count; i++)
            target_receive(run->target[i]);
        take_control_answers(run);
        int64_t now = clock_monotonic();

        for (size_t i = 0; i < run->count; i++)
            target_settle(run->target[i], now);
        if (signals_take_quit())
            tell_interim(run);
        if (is_over(run, now) || !take_turn(run, now))
            return true;
        bool eager = send_probes(run, now);

        send_controls(run, now);
        if (!output_flush())
            return false;
        if (!eager)
            wait_for_event(run, next_event(run));
    }
}

static bool met_slo(const struct summary *s)
{
    for (size_t i = 0; i < s->options->slo.count; i++) {
        if (!s->slo[i].met)
            return false;
    }
    return true;
}

static enum ping_exit exit_of(const struct summary *s)
{
    const struct ping_options *o = s->options;
    const struct tally *t = s->tally;

    if (t->received == 0 || (o->deadline && o->count && t->received < o->count))
        return PING_NO_REPLY;
    if (o->require_pdm && t->network.samples == 0)
        return PING_NO_PDM;
    return met_slo(s) ? PING_OK : PING_SLO_MISSED;
}

/* Of the exit codes of several targets the one that says the most. */
static enum ping_exit graver(enum ping_exit a, enum ping_exit b)
{
    static const int weight[] = {[PING_OK] = 0,
                                 [PING_SLO_MISSED] = 1,
                                 [PING_NO_PDM] = 2,
                                 [PING_NO_REPLY] = 3,
                                 [PING_FAILED] = 4};

    return weight[a] >= weight[b] ? a : b;
}

/* All targets taken together. */
static void tell_total(const struct run *run)
{
    static struct tally all; /* too large for a stack */
    static const struct missing nowhere = {"no-target-measured", "of no target"};

    for (size_t i = 0; i < run->count; i++)
        tally_merge(&all, &run->target[i]->tally);
    const struct summary summary = {.options = run->options,
                                    .tally = &all,
                                    .missing = &nowhere,
                                    .no_server = tally_no_server(&all, &nowhere)};

    REPORT(run->report, total, &summary);
}

static enum ping_exit tell_summaries(const struct run *run)
{
    enum ping_exit result = PING_OK;

    for (size_t i = 0; i < run->count; i++) {
        const struct summary summary = target_summary(run->target[i]);

        REPORT(run->report, summary, &summary);
        result = graver(result, exit_of(&summary));
    }
    if (run->count > 1)
        tell_total(run);
    return output_flush() ? result : PING_FAILED;
}

enum ping_exit ping_run(const struct ping_options *options)
{
    struct run run = {
        .options = options, .report = report_of(options->output), .turn = WAIT_FOREVER};
    enum ping_exit result = PING_FAILED;

    REPORT(run.report, begin, options);
    if (open_targets(&run)) {
        start_targets(&run);
        bool whole = ping_until_over(&run);

        REPORT(run.report, end);
        if (whole)
            result = tell_summaries(&run);
    }
    (void)output_flush();
    for (size_t i = 0; i < run.count; i++) {
        target_close(run.target[i]);
        free(run.target[i]);
    }
    if (run.has_control)
        control_close(&run.control);
    return result;
}
