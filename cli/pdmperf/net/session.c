/* SPDX-License-Identifier: BSD-2-Clause */
/* A client, as the server has it. */
#include "cli/pdmperf/net/session.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "cli/clock.h"

#define READY_NS (15 * PDM_NSEC_PER_SEC) /* for all its streams, and for its BEGIN */
#define LOOK_NS (1 * PDM_NSEC_PER_SEC)   /* between two looks at who stalls */
#define PROBE_NS (1 * PDM_NSEC_PER_SEC)  /* for the probe's: without it, it goes on */

struct session *session_make(struct channel *channel, const struct pdm_net_test *what,
                             const struct net_options *options, unsigned number)
{
    struct session *s = calloc(1, sizeof(*s));

    if (s == NULL || getentropy(s->run.cookie, sizeof(s->run.cookie)) != 0 ||
        !test_make(&s->run.test, what, false)) {
        free(s);
        return NULL;
    }
    s->channel = channel;
    s->run.options = options;
    s->run.number = number;
    s->run.test.channel = channel;
    s->made = clock_monotonic();
    s->deadline = s->made + READY_NS;
    channel_send(channel, NET_WELCOME, s->run.cookie, sizeof(s->run.cookie));
    return s;
}

bool session_knows(const struct session *s, const uint8_t cookie[NET_COOKIE_LEN])
{
    return !s->over && sodium_memcmp(s->run.cookie, cookie, NET_COOKIE_LEN) == 0;
}

struct stream *session_awaits(const struct session *s, unsigned id, bool udp)
{
    struct stream *stream = id < s->run.test.count ? &s->run.test.streams[id] : NULL;

    return stream && stream->fd < 0 && stream->udp == udp && !s->run.started ? stream : NULL;
}

static void fail(struct session *s, const char *why)
{
    if (!s->over)
        s->run.error = why;
    s->over = true;
}

void session_refuse(struct session *s, enum net_refusal why)
{
    channel_send_refusal(s->channel, why);
    fail(s, net_refusal_text(why));
}

static void take(struct session *s, enum net_type type, struct pdm_reader *body, int64_t now)
{
    struct test *t = &s->run.test;

    if (type == NET_BEGIN && s->ready && t->phase == TEST_READY) {
        test_begin(t, now);
        s->deadline = POLLER_NEVER;
    } else if ((type != NET_END && type != NET_RESULT) || !test_take(t, type, body, now)) {
        session_refuse(s, NET_OUT_OF_TURN);
    }
}

static void work_channel(void *context, int64_t now)
{
    struct session *s = context;
    enum net_type type;
    struct pdm_reader body;

    channel_work(s->channel);
    while (!s->over && channel_next(s->channel, &type, &body))
        take(s, type, &body, now);
    if (s->run.test.phase == TEST_READY && !s->run.started && s->channel->broken)
        fail(s, "the client went before the test");
    else if (s->channel->broken && !s->run.test.result_taken)
        fail(s, s->channel->error ? strerror(s->channel->error) : "the client went in the middle");
}

void session_poll(struct session *s, struct poller *p)
{
    if (s->over)
        return;
    poller_add(p, s->channel->fd, channel_events(s->channel), clock_monotonic() + LOOK_NS,
               work_channel, s);
    if (s->ready)
        test_poll(&s->run.test, p);
}

/* All are there; without the probe it goes on, since some networks let no UDP through. */
static bool has_streams(const struct session *s, int64_t now)
{
    const struct test *t = &s->run.test;

    for (unsigned i = 0; i < t->count; i++) {
        if (t->streams[i].fd < 0 && (!t->streams[i].probe || now - s->made < PROBE_NS))
            return false;
    }
    return true;
}

static void become_ready(struct session *s)
{
    s->ready = true;
    s->run.started = true;
    s->run.realtime = clock_realtime();
    channel_send(s->channel, NET_READY, NULL, 0);
}

void session_tick(struct session *s, int64_t now)
{
    struct test *t = &s->run.test;

    if (!s->ready && has_streams(s, now))
        become_ready(s);
    test_tick(t, now);
    if (t->error)
        fail(s, t->error);
    if (t->phase == TEST_DONE)
        s->over = true;
    if (!s->over && (now >= s->deadline || (t->phase != TEST_READY && test_has_stalled(t, now))))
        session_refuse(s, NET_STALLED);
}

void session_end(struct session *s, const struct net_report *report)
{
    test_settle(&s->run.test);
    report->end(&s->run);
    test_free(&s->run.test);
    channel_close(s->channel);
    free(s->channel);
    free(s);
}
