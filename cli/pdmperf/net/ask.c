/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests and answers: the end that asks. One request is under way at a time, so the server's
 * delay is always that of this one; the next follows its answer at once, or, of a probe, at its
 * beat.
 */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "cli/clock.h"
#include "cli/pdmperf/net/stream.h"
#include "cli/stats.h"

enum { BURST = 16, SETTLE_AFTER = 4 };
/* A datagram's answer that did not come after this is lost; TCP sees to that itself. */
#define LOST_AFTER_NS PDM_NSEC_PER_SEC

static int64_t lost_after(const struct stream *s)
{
    return LOST_AFTER_NS + (int64_t)s->test->think;
}

/* Sends what of the request has not gone yet. */
static void send_rest(struct stream *s)
{
    size_t size = s->test->request;
    ssize_t n = send(s->fd, stream_block() + size - s->ask.out_left, s->ask.out_left,
                     MSG_DONTWAIT | MSG_NOSIGNAL);

    if (n >= 0)
        s->ask.out_left -= (size_t)n;
    else if (!s->udp && errno != EAGAIN && errno != EINTR)
        stream_break(s, errno);
}

static void ask(struct stream *s, int64_t now)
{
    const struct net_datagram head = {.type = NET_REQUEST, .number = ++s->number};

    if (s->udp)
        net_datagram_put(stream_block(), &head);
    s->ask.waiting = true;
    s->ask.in = 0;
    s->ask.out_left = s->test->request;
    s->ask.before = stats_of(s->fd);
    s->ask.sent = clock_monotonic();
    send_rest(s);
    /* One whose answer came late leaves its beat out: probes keep their distance. */
    while (s->pace.interval != 0 && schedule_next(&s->pace, now) <= now)
        (void)schedule_begin(&s->pace, now);
}

/*
 * The library takes each datagram that comes for the answer to one that went, until nothing comes
 * for a round trip. A greeting or a lost request had none, and all that follow would count as
 * overlapped. They are not: so then it gets its quiet moment.
 */
static void settle(struct stream *s, int64_t now)
{
    if (!s->udp || s->number < s->ask.settled + SETTLE_AFTER)
        return;
    s->ask.settled = s->number;
    s->ask.not_before = now + (now - s->ask.sent) * 5 / 4; /* a quarter to spare */
}

static void take_answer(struct stream *s)
{
    int64_t now = clock_monotonic();
    struct pdmv2_stats after = stats_of(s->fd);
    struct figures figures = figures_between(&s->ask.before, &after, REPLIER_SERVICE);

    s->ask.waiting = false;
    s->count.transactions++;
    if (!s->omitting)
        latency_add(s->ask.latency, now - s->ask.sent, &figures);
    if (figures.server.overlapped)
        settle(s, now);
    stream_moved(s, (size_t)s->test->request + s->test->answer, now);
    if (!s->omitting && s->test->amount != 0 && s->count.transactions >= s->test->amount)
        stream_stop(s);
}

/* False if nothing is there. */
static bool receive_datagram(struct stream *s)
{
    static uint8_t buffer[NET_PAYLOAD_MAX];
    struct net_datagram head;
    ssize_t n = recv(s->fd, buffer, sizeof(buffer), MSG_DONTWAIT);

    if (n < 0)
        return errno == ECONNREFUSED; /* told by the control connection */
    if (net_datagram_take(buffer, (size_t)n, &head) && head.type == NET_ANSWER &&
        head.number == s->number && s->ask.waiting)
        take_answer(s);
    return true;
}

static bool receive_octets(struct stream *s)
{
    static uint8_t buffer[NET_PAYLOAD_MAX];
    ssize_t n = recv(s->fd, buffer, s->test->answer - s->ask.in, MSG_DONTWAIT);

    if (n == 0)
        stream_break(s, ECONNRESET);
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        stream_break(s, errno);
    if (n <= 0)
        return false;
    s->ask.in += (size_t)n;
    if (s->ask.in == s->test->answer)
        take_answer(s);
    return true;
}

static void give_up(struct stream *s, int64_t now)
{
    if (!s->udp || !s->ask.waiting || now - s->ask.sent < lost_after(s))
        return;
    s->ask.waiting = false;
    if (!s->omitting) {
        s->ask.latency->lost++;
        s->count.lost++;
    }
}

static int64_t next_request(const struct stream *s, int64_t now)
{
    int64_t next = schedule_next(&s->pace, now);

    return next > s->ask.not_before ? next : s->ask.not_before;
}

static void work_asker(struct stream *s, int64_t now)
{
    for (unsigned i = 0; i < BURST && !s->finished; i++) {
        if (s->ask.waiting && s->ask.out_left > 0)
            send_rest(s);
        if (!(s->udp ? receive_datagram(s) : s->ask.waiting && receive_octets(s)))
            break;
    }
    give_up(s, now);
    if (s->running && !s->ask.waiting && next_request(s, now) <= now)
        ask(s, now);
}

static short asker_events(const struct stream *s)
{
    return (short)(POLLIN | (s->ask.waiting && s->ask.out_left > 0 ? POLLOUT : 0));
}

static int64_t asker_due(const struct stream *s)
{
    if (s->ask.waiting)
        return s->udp ? s->ask.sent + lost_after(s) : SCHEDULE_NEVER;
    return s->running ? next_request(s, 0) : SCHEDULE_NEVER;
}

const struct stream_kind stream_asker = {
    .events = asker_events,
    .due = asker_due,
    .work = work_asker,
};
