/* SPDX-License-Identifier: BSD-2-Clause */
/* Throughput over TCP: the two ends of a stream. */
#include <errno.h>
#include <sys/socket.h>

#include "cli/pdmperf/net/stream.h"

enum { BURST = 8 }; /* blocks before others get their turn */

/* False if no more goes now. */
static bool send_some(struct stream *s, int64_t now)
{
    size_t len = s->test->block - s->part;
    ssize_t n = send(s->fd, stream_block() + s->part, len, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (n < 0) {
        s->blocked = errno == EAGAIN;
        if (errno != EAGAIN && errno != EINTR)
            stream_break(s, errno);
        return false;
    }
    if (s->part == 0)
        (void)schedule_begin(&s->pace, now);
    s->part = (s->part + (size_t)n) % s->test->block;
    stream_moved(s, (size_t)n, now);
    return true;
}

static void work_sender(struct stream *s, int64_t now)
{
    stream_send(s, send_some, BURST, now);
}

static void work_receiver(struct stream *s, int64_t now)
{
    static uint8_t buffer[NET_BLOCK_MAX];

    for (unsigned i = 0; i < BURST; i++) {
        ssize_t n = recv(s->fd, buffer, s->test->block, MSG_DONTWAIT);

        if (n == 0)
            s->finished = true;
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            stream_break(s, errno);
        if (n <= 0)
            return;
        stream_moved(s, (size_t)n, now);
    }
}

const struct stream_kind stream_tcp_sender = {
    .events = stream_sender_events,
    .due = stream_sender_due,
    .work = work_sender,
};
const struct stream_kind stream_tcp_receiver = {
    .events = stream_receiver_events,
    .due = stream_receiver_due,
    .work = work_receiver,
};
