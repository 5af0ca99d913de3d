/* SPDX-License-Identifier: BSD-2-Clause */
/* The part of a session in which data flows. */
#include "cli/pdmperf/net/test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/pdmperf/net/interval.h"

/* Datagrams on their way come within the first, or not at all; what TCP has sent, within both. */
#define QUIET_NS (500 * PDM_NSEC_PER_MSEC)
#define DRAIN_MAX_NS (10 * PDM_NSEC_PER_SEC)

bool test_make(struct test *t, const struct pdm_net_test *what, bool client)
{
    t->what = *what;
    t->client = client;
    t->count = net_stream_count(what);
    (void)stream_block(); /* now, and not within the first request's time */
    t->streams = calloc(t->count, sizeof(*t->streams));
    for (unsigned i = 0; t->streams && i < t->count; i++)
        stream_make(&t->streams[i], &t->what, i, client);
    return t->streams != NULL;
}

void test_free(struct test *t)
{
    for (unsigned i = 0; t->streams && i < t->count; i++)
        stream_close(&t->streams[i]);
    free(t->streams);
    t->streams = NULL;
    t->count = 0;
}

void test_begin(struct test *t, int64_t now)
{
    t->phase = TEST_RUNNING;
    t->began = now;
    t->ends_at = t->what.amount != 0 ? POLLER_NEVER
                                     : now + (int64_t)t->what.omit + (int64_t)t->what.duration;
    t->omitting = t->what.omit != 0;
    interval_begin(t, now);
    for (unsigned i = 0; i < t->count; i++) {
        struct stream *s = &t->streams[i];

        if (!s->probe)
            stream_begin(s, now);
        s->ask.latency = t->loaded;
    }
}

static void work_stream(void *context, int64_t now)
{
    stream_work(context, now);
}

static int64_t test_due(const struct test *t)
{
    int64_t due = t->next;

    if (t->phase == TEST_ENDING)
        return t->drained_by;
    if (t->phase != TEST_RUNNING)
        return POLLER_NEVER;
    if (t->omitting && t->began + (int64_t)t->what.omit < due)
        due = t->began + (int64_t)t->what.omit;
    return !t->time_over && t->ends_at < due ? t->ends_at : due;
}

/* When datagrams that did not come are given up. */
static int64_t quiet_at(const struct test *t, const struct stream *s)
{
    return (s->last > t->end_time ? s->last : t->end_time) + QUIET_NS;
}

void test_poll(struct test *t, struct poller *p)
{
    poller_wake(p, test_due(t));
    for (unsigned i = 0; i < t->count; i++) {
        struct stream *s = &t->streams[i];
        int64_t due = stream_due(s);

        if (s->fd < 0 || s->finished)
            continue;
        if (t->phase == TEST_ENDING && s->kind == &stream_udp_receiver)
            due = quiet_at(t, s);
        poller_add(p, s->fd, stream_events(s), due, work_stream, s);
    }
}

/* Until the time that counts has begun, figures are told as omitted. */
static void end_omission(struct test *t, int64_t now)
{
    if (!t->omitting || now < t->began + (int64_t)t->what.omit)
        return;
    interval_end(t, now);
    for (unsigned i = 0; i < t->count; i++) {
        /* A receiver of datagrams sees by them which count. */
        if (t->streams[i].kind != &stream_udp_receiver)
            stream_count_from(&t->streams[i], now);
    }
    t->omitting = false;
    if (t->loaded)
        *t->loaded = (struct latency){0};
    interval_begin(t, now);
}

static void collect(const struct test *t, struct net_entries *entries)
{
    entries->stop = t->interrupted;
    entries->count = t->count;
    for (unsigned i = 0; i < t->count; i++)
        entries->at[i] = stream_entry(&t->streams[i], test_ended(t, &t->streams[i]));
}

static void send_end(struct test *t, int64_t now)
{
    struct net_entries entries;

    interval_end(t, now);
    if (t->ends_at == POLLER_NEVER || t->interrupted)
        t->ends_at = now;
    collect(t, &entries);
    channel_send_entries(t->channel, NET_END, &entries);
    t->end_sent = true;
}

/* Those of its own that are to send have done so. A side without any waits for the other. */
static bool has_sent_all(const struct test *t)
{
    bool any = false;

    for (unsigned i = 0; i < t->count; i++) {
        const struct stream *s = &t->streams[i];

        if (s->probe || !s->sends)
            continue;
        if (!s->finished)
            return false;
        any = true;
    }
    return any || t->end_taken || t->interrupted;
}

/* The probe goes on until the other end has stopped too. */
static void stop_senders(struct test *t)
{
    for (unsigned i = 0; i < t->count; i++) {
        if (!t->streams[i].probe)
            stream_stop(&t->streams[i]);
    }
}

static void stop_probe(struct test *t)
{
    struct stream *last = &t->streams[t->count - 1];

    if (last->probe)
        stream_stop(last);
}

static bool is_drained(const struct test *t, int64_t now)
{
    for (unsigned i = 0; i < t->count; i++) {
        const struct stream *s = &t->streams[i];
        const struct pdm_net_entry *peer = test_peer(t, s->id);

        if (s->finished || s->fd < 0)
            continue;
        if (s->kind == &stream_tcp_receiver)
            return false;
        if (s->kind == &stream_udp_receiver && now < quiet_at(t, s) &&
            (peer == NULL || s->arrival.packets < peer->packets))
            return false;
    }
    return true;
}

/* The peer says how many datagrams went. */
static void count_lost(struct test *t)
{
    for (unsigned i = 0; i < t->count; i++) {
        struct stream *s = &t->streams[i];
        const struct pdm_net_entry *peer = test_peer(t, s->id);

        stream_sample(s);
        if (s->kind == &stream_udp_receiver)
            s->count.lost = arrival_lost(&s->arrival, peer ? peer->packets : 0);
    }
}

static void send_result(struct test *t)
{
    struct net_entries entries;

    count_lost(t);
    collect(t, &entries);
    channel_send_entries(t->channel, NET_RESULT, &entries);
    t->result_sent = true;
}

/* Who has gone may be seen here before the control connection tells. */
static const char *broken_text(const struct test *t, int error)
{
    if (error != EPIPE && error != ECONNRESET)
        return strerror(error);
    return t->client ? "the server closed the connection" : "the client went in the middle";
}

static void look_for_broken(struct test *t)
{
    for (unsigned i = 0; i < t->count && t->error == NULL; i++) {
        if (t->streams[i].error != 0 && !t->streams[i].probe)
            t->error = broken_text(t, t->streams[i].error);
    }
}

static void end_time(struct test *t, int64_t now)
{
    t->time_over = true;
    stop_senders(t);
    interval_end(t, now);
}

static void run(struct test *t, int64_t now)
{
    end_omission(t, now);
    if (now < t->ends_at)
        interval_next(t, now);
    else if (!t->time_over)
        end_time(t, now);
    if (!t->end_sent && has_sent_all(t))
        send_end(t, now);
    if (!t->end_sent || !t->end_taken)
        return;
    stop_senders(t);
    stop_probe(t);
    t->phase = TEST_ENDING;
    t->drained_by = now + DRAIN_MAX_NS;
}

static void end(struct test *t, int64_t now)
{
    if (!t->result_sent && (is_drained(t, now) || now >= t->drained_by))
        send_result(t);
    if (t->result_sent && t->result_taken)
        t->phase = TEST_DONE;
}

void test_tick(struct test *t, int64_t now)
{
    if (t->phase == TEST_RUNNING || t->phase == TEST_ENDING)
        look_for_broken(t);
    if (t->error != NULL)
        return;
    if (t->phase == TEST_RUNNING)
        run(t, now);
    if (t->phase == TEST_ENDING)
        end(t, now);
}

bool test_take(struct test *t, enum net_type type, struct pdm_reader *body, int64_t now)
{
    bool is_end = type == NET_END;
    bool *taken = is_end ? &t->end_taken : &t->result_taken;
    struct net_entries *entries = is_end ? &t->ended : &t->result;

    if (t->phase == TEST_READY || *taken || (!is_end && !t->end_taken) ||
        !net_entries_take(body, entries))
        return false;
    *taken = true;
    if (!is_end)
        return true;
    t->end_time = now;
    if (entries->stop) {
        t->interrupted = true;
        stop_senders(t);
    }
    return true;
}

void test_interrupt(struct test *t)
{
    if (t->phase != TEST_RUNNING || t->interrupted)
        return;
    t->interrupted = true;
    stop_senders(t);
}

void test_settle(struct test *t)
{
    /* An error came before the end: the time that counts is that in which data flowed. */
    if (!t->end_sent)
        t->ends_at = POLLER_NEVER;
    count_lost(t);
    for (unsigned i = 0; i < t->count; i++)
        stream_ask_figures(&t->streams[i]);
}

/* When something came or went last. */
static int64_t moved_at(const struct test *t)
{
    int64_t moved = t->end_time > t->began ? t->end_time : t->began;

    for (unsigned i = 0; i < t->count; i++) {
        if (t->streams[i].last > moved)
            moved = t->streams[i].last;
    }
    return moved;
}

bool test_has_stalled(const struct test *t, int64_t now)
{
    /* A slow pace has its own distance between two blocks, as a server that thinks has. */
    return now - moved_at(t) > TEST_STALLED_NS + net_test_pace(&t->what) + (int64_t)t->what.think;
}

const struct pdm_net_entry *test_peer(const struct test *t, unsigned id)
{
    const struct net_entries *entries = t->result_taken ? &t->result : &t->ended;

    for (unsigned i = 0; i < entries->count; i++) {
        if (entries->at[i].stream == id)
            return &entries->at[i];
    }
    return NULL;
}

int64_t test_ended(const struct test *t, const struct stream *s)
{
    return s->last > t->ends_at || t->ends_at == POLLER_NEVER ? s->last : t->ends_at;
}
