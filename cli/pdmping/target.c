/* SPDX-License-Identifier: BSD-2-Clause */
/* One host that is asked. */
#include "cli/pdmping/target.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "cli/clock.h"
#include "cli/stats.h"
#include "core/limits.h"

enum { RECEIVE_BURST = 64 /* datagrams between two looks at the signals */ };

#define FLOOD_PATIENCE (10 * PDM_NSEC_PER_MSEC) /* ping's: a hundred times a second at least */
#define ADAPTIVE_GAP (2 * PDM_NSEC_PER_MSEC)
#define CONTROL_GAP PDM_NSEC_PER_SEC

bool target_open(struct target *t, char why[static ERROR_TEXT])
{
    struct endpoint *e = &t->endpoint;

    t->method = method_of(t->options->method);
    t->tally.sizes = t->options->size.sizes;
    window_init(&t->window);
    e->options = t->options;
    probe_fill(e->out + ENDPOINT_HEADER, ping_size_max(t->options), t->options->pattern,
               t->options->pattern_len);
    randombytes_buf(&e->run, sizeof(e->run));
    if (!ping_resolve(t->options, t->host, &e->address, e->text, why) || !t->method->open(e, why))
        return false;
    t->stats = stats_of(e->fd);
    return true;
}

void target_close(struct target *t)
{
    t->method->close(&t->endpoint);
}

void target_start(struct target *t, int64_t first)
{
    const struct ping_options *o = t->options;

    if (o->interval == 0)
        t->schedule = schedule_eager(FLOOD_PATIENCE, 0, first);
    else if (o->adaptive)
        t->schedule = schedule_eager(o->interval, ADAPTIVE_GAP, first);
    else
        t->schedule = schedule_fixed(o->interval, first);
    t->tally.started = first;
    t->tally.latest = first;
    REPORT(t->report, start, t);
}

static void take_failure(struct target *t, const struct ping_error *error)
{
    const struct failure failure = {
        .seq = error->seq, .from = error->remote ? error->from : NULL, .text = error->text};
    bool waited = window_fail(&t->window, error->seq);

    /* The kernel queues its own refusals too, which the send itself has told. */
    if (!error->remote && !waited)
        return;
    t->trouble = *error;
    t->has_trouble = true;
    if (error->remote)
        t->tally.errors++;
    if (waited)
        tally_failed(&t->tally, error->seq);
    if (!t->options->quiet)
        REPORT(t->report, failure, t, &failure);
}

/*
 * A server that reads the next probe before it answers this one names that one in its answer. The
 * library sees that only while the next is the first to be named so; the probes tell it always.
 */
static void mark_overlapped(struct figures *figures, const struct answer *answer)
{
    if (figures->server.missing == NULL && !answer->alone)
        figures->server.overlapped = true;
}

static void take_reply(struct target *t, const struct arrival *arrival, int64_t now)
{
    const struct pdmv2_stats before = t->stats;
    const struct answer answer = window_answer(&t->window, arrival->probe.seq, arrival->probe.sent);

    t->stats = stats_of(t->endpoint.fd);
    if (!answer.known) {
        t->tally.strangers++;
        return;
    }
    struct reply reply = {
        .seq = arrival->probe.seq,
        .bytes = arrival->bytes,
        .hops = arrival->hops,
        .rtt = now - arrival->probe.sent,
        .duplicate = answer.duplicate,
        .late = answer.late,
        .reordered = answer.reordered,
        .figures = figures_between(&before, &t->stats, t->method->replier),
    };

    mark_overlapped(&reply.figures, &answer);
    t->tally.latest = now;
    tally_reply(&t->tally, &reply, t->stats.options_received > before.options_received);
    if (reply.seq + 1 == t->window.next)
        schedule_answered(&t->schedule, now);
    if (!t->options->quiet)
        REPORT(t->report, reply, t, &reply);
}

void target_receive(struct target *t)
{
    for (unsigned i = 0; i < RECEIVE_BURST; i++) {
        const struct arrival arrival = t->method->receive(&t->endpoint);

        switch (arrival.kind) {
        case ARRIVAL_NONE:
            return;
        case ARRIVAL_REPLY:
            take_reply(t, &arrival, clock_monotonic());
            break;
        case ARRIVAL_STRANGER:
            t->stats = stats_of(t->endpoint.fd);
            t->tally.strangers++;
            break;
        case ARRIVAL_FAILURE:
            take_failure(t, &arrival.failure);
            break;
        }
        /* Whoever answers fast is asked again at once; what else there is can wait for poll(). */
        if (t->schedule.eager && t->window.waiting == 0)
            return;
    }
}

void target_settle(struct target *t, int64_t now)
{
    struct timeout timeout;

    while (window_expire(&t->window, now, t->options->wait, &timeout.seq, &timeout.age)) {
        if (!t->options->quiet)
            REPORT(t->report, timeout, t, &timeout);
    }
}

static void take_refusal(struct target *t, uint64_t seq, int error)
{
    struct ping_error refusal = {.seq = seq, .closed = error == ECONNREFUSED};

    refusal.remote = refusal.closed;
    (void)snprintf(refusal.from, sizeof(refusal.from), "%s", t->endpoint.text);
    (void)snprintf(refusal.text, sizeof(refusal.text), "%s", strerror(error));
    if (!refusal.remote)
        t->tally.refused++;
    take_failure(t, &refusal);
}

static void send_probe(struct target *t)
{
    struct probe probe = {.sent = clock_monotonic(), .run = t->endpoint.run};

    probe.seq = window_send(&t->window, probe.sent);
    schedule_sent(&t->schedule, probe.sent);
    /* As ping does, what this host itself refuses to send counts as sent, and so as lost. */
    tally_sent(&t->tally, probe.seq, probe.sent);
    if (!t->method->send(&t->endpoint, &probe, ping_size(t->options, probe.seq)))
        take_refusal(t, probe.seq, errno);
    else if (!t->options->quiet)
        REPORT(t->report, sent, t, probe.seq);
}

/* With a deadline, probes go on until enough are answered: ping's rule. */
static bool has_more(const struct target *t)
{
    const struct ping_options *o = t->options;

    return !target_is_over(t) && (o->count == 0 || o->deadline != 0 || t->window.next <= o->count);
}

bool target_send_if_due(struct target *t, int64_t now)
{
    uint64_t before = t->window.next - 1;

    if (now < t->schedule.next || !has_more(t))
        return false;
    if (t->options->outstanding && !t->options->quiet && window_waits(&t->window, before))
        REPORT(t->report, outstanding, t, before);
    send_probe(t);
    return true;
}

bool target_is_over(const struct target *t)
{
    const struct ping_options *o = t->options;
    const struct tally *tally = &t->tally;

    if (o->deadline && tally->errors > 0)
        return true;
    if (o->count == 0)
        return false;
    if (tally->received + tally->errors >= o->count)
        return true;
    return !o->deadline && t->window.next > o->count && t->window.waiting == 0;
}

/* Half of the wait passed without an answer, of which there was none before. */
static int64_t control_time(const struct target *t)
{
    int64_t oldest = window_oldest(&t->window);

    if (t->tally.received > 0 || t->has_trouble || oldest == INT64_MAX)
        return INT64_MAX;
    int64_t due = oldest + t->options->wait / 2;
    int64_t next = t->control.latest ? t->control.latest + CONTROL_GAP : due;

    return due > next ? due : next;
}

bool target_wants_control(const struct target *t, int64_t now)
{
    return now >= control_time(t);
}

void target_send_control(struct target *t, struct control *control, uint32_t index, int64_t now)
{
    t->stats = stats_of(t->endpoint.fd);
    control_send(control, t->method, &t->endpoint, index, t->stats.options_sent > 0, &t->control,
                 now);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t target_next(const struct target *t)
{
    int64_t oldest = window_oldest(&t->window);
    int64_t until = control_time(t);

    if (has_more(t))
        until = earlier(until, t->schedule.next);
    return oldest == INT64_MAX ? until : earlier(until, oldest + t->options->wait);
}

struct summary target_summary(struct target *t)
{
    t->stats = stats_of(t->endpoint.fd);
    const struct missing *missing =
        figures_missing(&t->stats, t->tally.received, t->method->replier);
    const struct silence silence = {
        .method = t->method,
        .port = t->options->port,
        .attached = t->stats.options_sent > 0,
        .trouble = t->has_trouble ? &t->trouble : NULL,
        .control = &t->control,
    };
    struct summary summary = {
        .options = t->options,
        .target = t,
        .tally = &t->tally,
        .flow = &t->stats,
        .missing = missing,
        .no_server = tally_no_server(&t->tally, missing),
        .losses = losses_of(&t->tally, &t->stats, missing, t->method->mended),
        .verdict = t->tally.received ? verdict_of_delays(&t->tally, missing)
                                     : verdict_of_silence(&silence),
    };

    for (size_t i = 0; i < t->options->slo.count; i++)
        summary.slo[i] = slo_judge(&t->options->slo.objective[i], &t->tally);
    return summary;
}
