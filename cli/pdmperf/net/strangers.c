/* SPDX-License-Identifier: BSD-2-Clause */
/* Those who connected to pdmperf -s and have not said yet what they are. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/pdmperf/net/server_inside.h"

#define STRANGER_NS (10 * PDM_NSEC_PER_SEC) /* to say what it is */
#define REST_NS (100 * PDM_NSEC_PER_MSEC)   /* until the next try to accept */

static void forget(struct stranger *s)
{
    if (s->channel) {
        channel_close(s->channel);
        free(s->channel);
    }
    *s = (struct stranger){0};
}

static void refuse(struct stranger *s, enum net_refusal why)
{
    channel_send_refusal(s->channel, why);
    forget(s);
}

static void take_test(struct server *v, struct stranger *s, struct pdm_reader *body)
{
    struct pdm_net_test what;

    if (!net_test_take(body, &what) || !net_test_allowed(&what))
        refuse(s, NET_TOO_MUCH);
    else if (sessions_admit(v, s->channel, &s->peer, &what))
        *s = (struct stranger){0}; /* the channel is the session's now */
    else
        refuse(s, NET_BUSY);
}

static void take_stream(struct server *v, struct stranger *s, struct pdm_reader *body)
{
    struct stream *stream = sessions_find_stream(v, body, &s->peer, false);

    if (stream) {
        channel_send(s->channel, NET_STREAM, NULL, 0);
        stream->fd = s->channel->fd;
        s->channel->fd = -1;
    }
    forget(s);
}

static void work_stranger(struct server *v, struct stranger *s)
{
    enum net_type type;
    struct pdm_reader body;

    channel_work(s->channel);
    bool whole = channel_next(s->channel, &type, &body);

    if (whole && type == NET_TEST)
        take_test(v, s, &body);
    else if (whole && type == NET_STREAM)
        take_stream(v, s, &body);
    else if (whole)
        refuse(s, NET_OUT_OF_TURN);
    else if (s->channel->broken && s->channel->error == EPROTO)
        refuse(s, NET_VERSION_UNKNOWN);
    else if (s->channel->broken)
        forget(s);
}

/* The one that has been there for longest, or a free place. */
static struct stranger *oldest_place(struct server *v)
{
    struct stranger *oldest = &v->strangers[0];

    for (unsigned i = 0; i < STRANGERS_MAX; i++) {
        if (v->strangers[i].deadline < oldest->deadline)
            oldest = &v->strangers[i];
    }
    return oldest;
}

/*
 * After an error of accept(). For want of descriptors or memory whoever waits goes on to do so, and
 * the listener stays ready: it is not asked for a while, or the loop would spin.
 */
static bool may_go_on(struct server *v, int64_t now)
{
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        v->accepts_from = now + REST_NS;
        return false;
    }
    return errno != EAGAIN;
}

/* False if nobody waits, or nobody can be taken now. */
static bool accept_one(struct server *v, int64_t now)
{
    struct sockaddr_in6 peer = {0};
    socklen_t len = sizeof(peer);
    struct stranger *s = oldest_place(v);
    int fd = accept4(v->tcp, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0)
        return may_go_on(v, now);
    forget(s);
    s->channel = calloc(1, sizeof(*s->channel));
    if (s->channel == NULL) {
        (void)close(fd);
        return false;
    }
    s->channel->fd = fd;
    s->peer = peer.sin6_addr;
    s->deadline = now + STRANGER_NS;
    return true;
}

void strangers_accept(void *context, int64_t now)
{
    for (unsigned i = 0; i < SERVER_BURST && accept_one(context, now); i++)
        ;
}

static void work_strangers(void *context, int64_t now)
{
    struct server *v = context;

    for (unsigned i = 0; i < STRANGERS_MAX; i++) {
        struct stranger *s = &v->strangers[i];

        if (s->channel)
            work_stranger(v, s);
        if (s->channel && now >= s->deadline)
            forget(s);
    }
}

void strangers_poll(struct server *v)
{
    for (unsigned i = 0; i < STRANGERS_MAX; i++) {
        const struct stranger *s = &v->strangers[i];

        if (s->channel)
            poller_add(&v->poller, s->channel->fd, POLLIN, s->deadline, work_strangers, v);
    }
}

void strangers_forget(struct server *v)
{
    for (unsigned i = 0; i < STRANGERS_MAX; i++)
        forget(&v->strangers[i]);
}
