/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbered datagrams at a pace: the two ends of a stream. */
#include <errno.h>
#include <sys/socket.h>

#include "cli/clock.h"
#include "cli/pdmperf/net/stream.h"

enum { BURST = 64 }; /* datagrams before others get their turn */

/* What an earlier datagram met, or a queue of this host's that is full: the next may go. */
static bool passes(int error)
{
    return error == ECONNREFUSED || error == ENOBUFS || error == EINTR || error == EHOSTUNREACH ||
           error == ENETUNREACH;
}

static bool send_one(struct stream *s, int64_t now)
{
    const struct net_datagram head = {
        .type = s->omitting ? NET_DATA_OMITTED : NET_DATA,
        .number = s->number + 1,
        .sent = clock_monotonic(),
    };
    uint8_t *block = stream_block();

    net_datagram_put(block, &head);
    if (send(s->fd, block, s->test->block, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        s->blocked = errno == EAGAIN;
        if (errno != EAGAIN && !passes(errno))
            stream_break(s, errno);
        return false;
    }
    (void)schedule_begin(&s->pace, now);
    s->number++;
    s->count.packets++;
    stream_moved(s, s->test->block, now);
    return true;
}

static void work_sender(struct stream *s, int64_t now)
{
    stream_send(s, send_one, BURST, now);
}

/* The first datagram that counts says that the time that counts has begun. */
static void take(struct stream *s, const struct net_datagram *head, size_t len)
{
    int64_t now = clock_monotonic();

    if (head->type == NET_DATA_OMITTED && s->omitting) {
        s->count.packets++;
        stream_moved(s, len, now);
    }
    if (head->type != NET_DATA)
        return;
    stream_count_from(s, now);
    if (!arrival_add(&s->arrival, head->number, head->sent, now))
        return;
    s->count.packets++;
    stream_moved(s, len, now);
}

static void work_receiver(struct stream *s, int64_t now)
{
    static uint8_t buffer[NET_PAYLOAD_MAX];
    struct net_datagram head;

    (void)now;
    for (unsigned i = 0; i < BURST; i++) {
        ssize_t n = recv(s->fd, buffer, sizeof(buffer), MSG_DONTWAIT);

        if (n < 0) {
            if (errno != EAGAIN && !passes(errno))
                stream_break(s, errno);
            return;
        }
        if (net_datagram_take(buffer, (size_t)n, &head))
            take(s, &head, (size_t)n);
    }
}

const struct stream_kind stream_udp_sender = {
    .events = stream_sender_events,
    .due = stream_sender_due,
    .work = work_sender,
};
const struct stream_kind stream_udp_receiver = {
    .events = stream_receiver_events,
    .due = stream_receiver_due,
    .work = work_receiver,
};
