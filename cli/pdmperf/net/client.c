/* SPDX-License-Identifier: BSD-2-Clause */
/* pdmperf -C: a test to a server. */
#include "cli/pdmperf/net/client.h"

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/clock.h"
#include "cli/output.h"
#include "cli/pdmperf/net/dial.h"
#include "cli/pdmperf/net/report.h"
#include "cli/signals.h"

#define ANSWER_NS (10 * PDM_NSEC_PER_SEC)     /* for the server to say something */
#define RESULT_NS (2 * ANSWER_NS)             /* after END: the rest is still on its way */
#define IDLE_NS (1 * PDM_NSEC_PER_SEC)        /* of probing before the load */
#define GREETING_NS (200 * PDM_NSEC_PER_MSEC) /* before a datagram's is sent again */
#define INTERRUPTED_NS (3 * PDM_NSEC_PER_SEC) /* for the server's figures after ^C */

enum client_phase { AWAITING_WELCOME, AWAITING_READY, IDLE, UNDER_WAY, OVER };

struct client {
    const struct net_options *options;
    const struct net_report *report;
    struct net_run run;
    struct channel channel;
    struct dial_address address;
    struct poller poller;
    struct latency idle, loaded;
    enum client_phase phase;
    int64_t deadline; /* of the phase */
    int64_t greeting_at;
};

static void fail(struct client *c, const char *why)
{
    if (c->phase != OVER)
        c->run.error = why;
    c->phase = OVER;
}

static void enter(struct client *c, enum client_phase phase, int64_t deadline)
{
    c->phase = phase;
    c->deadline = deadline;
}

/* --- data streams --- */

static void greet(struct client *c, const struct stream *s)
{
    uint8_t frame[NET_GREETING_LEN];
    struct pdm_writer w = pdm_writer(frame, sizeof(frame));
    struct pdm_net_greeting greeting = {.stream = (uint16_t)s->id};

    memcpy(greeting.cookie, c->run.cookie, sizeof(greeting.cookie));
    net_frame_put(&w, NET_STREAM, NET_GREETING_LEN - NET_HEADER_LEN);
    pdm_put_net_greeting(&w, &greeting);
    /* The first octets of a connection find room; a datagram is sent again. */
    (void)send(s->fd, frame, sizeof(frame), MSG_DONTWAIT | MSG_NOSIGNAL);
}

/*
 * The server answers a connection's greeting: else that would stay a request without its answer,
 * and the library could not tell the server's delay of those behind it.
 */
static bool await_answer(int fd)
{
    uint8_t answer[NET_HEADER_LEN];
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

    if (wait_ready(&poll_fd, 1, clock_monotonic() + ANSWER_NS) < 1)
        return false;
    return recv(fd, answer, sizeof(answer), MSG_DONTWAIT) == sizeof(answer) &&
           answer[1] == NET_STREAM;
}

static bool open_streams(struct client *c)
{
    for (unsigned i = 0; i < c->run.test.count; i++) {
        struct stream *s = &c->run.test.streams[i];

        s->fd = dial_again(&c->address, s->udp ? SOCK_DGRAM : SOCK_STREAM);
        if (s->fd < 0) {
            fail(c, strerror(errno));
            return false;
        }
        greet(c, s);
    }
    for (unsigned i = 0; i < c->run.test.count; i++) {
        const struct stream *s = &c->run.test.streams[i];

        if (!s->udp && !await_answer(s->fd)) {
            fail(c, signals_stop() ? strerror(EINTR) : "the server does not take a stream");
            return false;
        }
    }
    return true;
}

/* Datagrams get lost: until the server has seen all streams, they greet again. */
static void greet_again(struct client *c, int64_t now)
{
    if (now < c->greeting_at)
        return;
    c->greeting_at = now + GREETING_NS;
    for (unsigned i = 0; i < c->run.test.count; i++) {
        if (c->run.test.streams[i].udp)
            greet(c, &c->run.test.streams[i]);
    }
}

/* --- phases --- */

static void tell_interval(void *context, int64_t from, int64_t to)
{
    const struct client *c = context;

    c->report->interval(&c->run, from, to);
}

static void begin_test(struct client *c, int64_t now)
{
    channel_send(&c->channel, NET_BEGIN, NULL, 0);
    test_begin(&c->run.test, now);
    enter(c, UNDER_WAY, POLLER_NEVER);
}

/* The probe begins alone: it shows the latency without load. */
static void take_ready(struct client *c, int64_t now)
{
    struct stream *last = &c->run.test.streams[c->run.test.count - 1];

    c->run.realtime = clock_realtime();
    c->run.started = true;
    c->report->start(&c->run);
    if (!last->probe) {
        begin_test(c, now);
        return;
    }
    last->ask.latency = &c->idle;
    stream_begin(last, now);
    enter(c, IDLE, now + IDLE_NS);
}

static void take_welcome(struct client *c, struct pdm_reader *body, int64_t now)
{
    pdm_read_bytes(body, c->run.cookie, sizeof(c->run.cookie));
    if (body->bad || body->left != 0) {
        fail(c, strerror(EPROTO));
    } else if (open_streams(c)) {
        c->greeting_at = now + GREETING_NS;
        enter(c, AWAITING_READY, clock_monotonic() + ANSWER_NS);
    }
}

static void take(struct client *c, enum net_type type, struct pdm_reader *body, int64_t now)
{
    if (type == NET_REFUSE)
        fail(c, net_refusal_text(pdm_read_u8(body)));
    else if (type == NET_WELCOME && c->phase == AWAITING_WELCOME)
        take_welcome(c, body, now);
    else if (type == NET_READY && c->phase == AWAITING_READY)
        take_ready(c, now);
    else if ((type != NET_END && type != NET_RESULT) || !test_take(&c->run.test, type, body, now))
        fail(c, "the server said what was not its turn to say: is it a pdmperf -s?");
}

static void work_channel(void *context, int64_t now)
{
    struct client *c = context;
    enum net_type type;
    struct pdm_reader body;

    channel_work(&c->channel);
    while (c->phase != OVER && channel_next(&c->channel, &type, &body))
        take(c, type, &body, now);
    if (!c->channel.broken || c->run.test.phase == TEST_DONE)
        return;
    if (c->channel.error == EPROTO)
        fail(c, "no answer of a pdmperf -s of this version");
    else
        fail(c, c->channel.error ? strerror(c->channel.error) : "the server closed the connection");
}

static void be_interrupted(struct client *c, int64_t now)
{
    struct test *t = &c->run.test;

    if (c->phase != UNDER_WAY) {
        t->interrupted = true;
        enter(c, OVER, 0);
        return;
    }
    if (!t->interrupted) {
        test_interrupt(t);
        c->deadline = now + INTERRUPTED_NS;
    }
}

static const char *late(const struct client *c, int64_t now)
{
    if (c->phase == OVER)
        return NULL;
    if (now >= c->deadline)
        return "the server does not answer";
    if (c->phase == UNDER_WAY && test_has_stalled(&c->run.test, now))
        return "no data came through for too long";
    return NULL;
}

static void tick_test(struct client *c, int64_t now)
{
    struct test *t = &c->run.test;

    test_tick(t, now);
    if (t->error)
        fail(c, t->error);
    if (t->end_sent && c->deadline == POLLER_NEVER)
        c->deadline = now + RESULT_NS;
    if (t->phase == TEST_DONE)
        c->phase = OVER;
}

/* What is to do because of the time. */
static void tick(struct client *c, int64_t now)
{
    if (signals_stop())
        be_interrupted(c, now);
    if (c->phase == IDLE && now >= c->deadline)
        begin_test(c, now);
    if (c->phase == AWAITING_READY)
        greet_again(c, now);
    if (c->phase == UNDER_WAY)
        tick_test(c, now);
    const char *why = late(c, now);

    if (why)
        fail(c, why);
}

static void turn(struct client *c)
{
    poller_begin(&c->poller);
    poller_add(&c->poller, c->channel.fd, channel_events(&c->channel),
               c->phase == AWAITING_READY ? c->greeting_at : c->deadline, work_channel, c);
    poller_wake(&c->poller, clock_monotonic() + TEST_STALLED_NS);
    if (c->phase == IDLE || c->phase == UNDER_WAY)
        test_poll(&c->run.test, &c->poller);
    poller_turn(&c->poller);
}

static bool run_until_over(struct client *c)
{
    int64_t now = clock_monotonic();

    channel_send_test(&c->channel, &c->options->test);
    enter(c, AWAITING_WELCOME, now + ANSWER_NS);
    while (c->phase != OVER) {
        turn(c);
        tick(c, clock_monotonic());
        if (!output_flush())
            return false;
    }
    return true;
}

static bool connect_control(struct client *c)
{
    const struct net_options *o = c->options;
    const char *why = NULL;

    c->channel.fd = dial_host(o->host, o->port, o->family, &c->address, &why);
    if (c->channel.fd >= 0)
        return true;
    fail(c, why);
    return false;
}

enum net_exit net_client(const struct net_options *options)
{
    static struct client client; /* too large for a stack */
    struct client *c = &client;
    bool told = true;

    c->options = options;
    c->report = options->json ? &net_report_json : &net_report_text;
    c->run.options = options;
    if (!test_make(&c->run.test, &options->test, true)) {
        warn("%u streams", options->test.streams);
        return NET_EXIT_USAGE;
    }
    c->run.test.channel = &c->channel;
    c->run.test.interval = options->interval;
    c->run.test.report = tell_interval;
    c->run.test.context = c;
    c->run.test.idle = &c->idle;
    c->run.test.loaded = &c->loaded;
    if (connect_control(c))
        told = run_until_over(c);
    if (told) {
        test_settle(&c->run.test);
        c->report->end(&c->run);
        told = output_flush();
    }
    test_free(&c->run.test);
    channel_close(&c->channel);
    if (!told)
        return NET_EXIT_OUTPUT;
    return c->run.error ? NET_EXIT_FAILED : NET_EXIT_OK;
}
