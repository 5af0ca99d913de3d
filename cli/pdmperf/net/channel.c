/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames over a TCP connection, without ever waiting. */
#include "cli/pdmperf/net/channel.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

short channel_events(const struct channel *c)
{
    if (c->broken)
        return 0;
    return (short)(POLLIN | (c->out_len > 0 ? POLLOUT : 0));
}

static void break_off(struct channel *c, int error)
{
    c->broken = true;
    c->error = error;
}

static void drop_used(struct channel *c)
{
    memmove(c->in, c->in + c->in_used, c->in_len - c->in_used);
    c->in_len -= c->in_used;
    c->in_used = 0;
}

static void receive(struct channel *c)
{
    drop_used(c);
    if (c->in_len == sizeof(c->in))
        return;
    ssize_t n = recv(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len, MSG_DONTWAIT);

    if (n > 0)
        c->in_len += (size_t)n;
    else if (n == 0)
        break_off(c, 0);
    else if (errno != EAGAIN && errno != EINTR)
        break_off(c, errno);
}

static void flush(struct channel *c)
{
    if (c->out_len == 0)
        return;
    ssize_t n = send(c->fd, c->out, c->out_len, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (n > 0) {
        memmove(c->out, c->out + n, c->out_len - (size_t)n);
        c->out_len -= (size_t)n;
    } else if (n < 0 && errno != EAGAIN && errno != EINTR) {
        break_off(c, errno);
    }
}

void channel_work(struct channel *c)
{
    if (c->broken)
        return;
    receive(c);
    flush(c);
}

bool channel_next(struct channel *c, enum net_type *type, struct pdm_reader *body)
{
    size_t used = 0;

    drop_used(c);
    switch (net_frame_take(c->in, c->in_len, type, body, &used)) {
    case NET_FRAME_WHOLE:
        c->in_used = used;
        return true;
    case NET_FRAME_BAD:
        break_off(c, EPROTO);
        c->in_len = 0;
        return false;
    default:
        return false;
    }
}

void channel_send(struct channel *c, enum net_type type, const uint8_t *body, size_t len)
{
    struct pdm_writer w = pdm_writer(c->out + c->out_len, sizeof(c->out) - c->out_len);

    net_frame_put(&w, type, len);
    pdm_write_bytes(&w, body, len);
    if (w.bad) {
        break_off(c, ENOBUFS);
        return;
    }
    c->out_len = sizeof(c->out) - w.left;
    flush(c);
}

void channel_send_test(struct channel *c, const struct pdm_net_test *test)
{
    uint8_t body[NET_BODY_MAX];
    struct pdm_writer w = pdm_writer(body, sizeof(body));

    pdm_put_net_test(&w, test);
    channel_send(c, NET_TEST, body, sizeof(body) - w.left);
}

void channel_send_entries(struct channel *c, enum net_type type, const struct net_entries *e)
{
    uint8_t body[NET_BODY_MAX];
    struct pdm_writer w = pdm_writer(body, sizeof(body));

    net_entries_put(&w, e);
    channel_send(c, type, body, sizeof(body) - w.left);
}

void channel_send_refusal(struct channel *c, enum net_refusal why)
{
    const uint8_t body = (uint8_t)why;

    channel_send(c, NET_REFUSE, &body, sizeof(body));
}

void channel_close(struct channel *c)
{
    if (c->fd >= 0)
        (void)close(c->fd);
    c->fd = -1;
    c->broken = true;
}
