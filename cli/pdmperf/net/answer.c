/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests and answers: the end that answers, after the time that the client wants it to think. It
 * does not look at the next request before, as a server that is busy with one would not.
 */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "cli/clock.h"
#include "cli/pdmperf/net/stream.h"

enum { BURST = 16 };

/* What it is doing: thinking from ask.sent on, while ask.waiting is set; then answering. */
static int64_t thought_at(const struct stream *s)
{
    return s->ask.sent + (int64_t)s->test->think;
}

static void think(struct stream *s)
{
    s->ask.waiting = true;
    s->ask.sent = clock_monotonic();
    s->ask.in = 0;
    s->ask.out_left = s->test->answer;
}

static bool receive_datagram(struct stream *s)
{
    static uint8_t buffer[NET_PAYLOAD_MAX];
    struct net_datagram head;
    ssize_t n = recv(s->fd, buffer, sizeof(buffer), MSG_DONTWAIT);

    if (n < 0)
        return errno == ECONNREFUSED;
    if (net_datagram_take(buffer, (size_t)n, &head) && head.type == NET_REQUEST) {
        s->number = head.number;
        think(s);
    }
    return true;
}

static bool receive_octets(struct stream *s)
{
    static uint8_t buffer[NET_PAYLOAD_MAX];
    ssize_t n = recv(s->fd, buffer, s->test->request - s->ask.in, MSG_DONTWAIT);

    if (n == 0)
        s->finished = true; /* the client has heard enough */
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        stream_break(s, errno);
    if (n <= 0)
        return false;
    s->ask.in += (size_t)n;
    if (s->ask.in == s->test->request)
        think(s);
    return true;
}

static void send_answer(struct stream *s)
{
    const struct net_datagram head = {.type = NET_ANSWER, .number = s->number};
    size_t size = s->test->answer;

    if (s->udp)
        net_datagram_put(stream_block(), &head);
    ssize_t n = send(s->fd, stream_block() + size - s->ask.out_left, s->ask.out_left,
                     MSG_DONTWAIT | MSG_NOSIGNAL);

    s->blocked = n < 0 && errno == EAGAIN;
    if (n < 0 && !s->udp && errno != EAGAIN && errno != EINTR)
        stream_break(s, errno);
    if (n > 0)
        s->ask.out_left -= (size_t)n;
    if (s->ask.out_left > 0 && !(n < 0 && s->udp && !s->blocked))
        return;
    s->ask.waiting = false;
    s->count.transactions++;
    stream_moved(s, (size_t)s->test->request + size, clock_monotonic());
}

static void work_answerer(struct stream *s, int64_t now)
{
    for (unsigned i = 0; i < BURST && !s->finished; i++) {
        if (s->ask.waiting && thought_at(s) <= now)
            send_answer(s);
        if (s->ask.waiting && (s->test->think != 0 || s->blocked))
            return;
        if (!s->ask.waiting && !(s->udp ? receive_datagram(s) : receive_octets(s)))
            return;
        now = clock_monotonic();
    }
}

static short answerer_events(const struct stream *s)
{
    if (!s->ask.waiting)
        return POLLIN;
    return s->blocked ? POLLOUT : 0;
}

static int64_t answerer_due(const struct stream *s)
{
    return s->ask.waiting && !s->blocked ? thought_at(s) : SCHEDULE_NEVER;
}

const struct stream_kind stream_answerer = {
    .events = answerer_events,
    .due = answerer_due,
    .work = work_answerer,
};
