/* SPDX-License-Identifier: BSD-2-Clause */
/* Who has connected and not asked yet. */
#include "keyagent/connections.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/limits.h"
#include "keyagent/log.h"

struct connection {
    struct connections *all;
    int fd; /* -1: unused */
    struct client_id who;
    struct event *event;
    uint64_t turn; /* when it was accepted, in connections */
};

struct connections {
    struct event_base *base;
    struct event *listen;
    struct event *listen_again;
    bool anybody;
    connections_serve *serve;
    void *arg;
    uint64_t turn;
    size_t most;
    struct connection connection[];
};

static const struct timeval silence = {.tv_sec = AGENT_SILENCE_S};
static const struct timeval accept_pause = {.tv_usec = AGENT_ACCEPT_PAUSE_US};

static void drop(struct connection *c)
{
    event_del(c->event);
    close(c->fd);
    c->fd = -1;
}

static void on_connection(evutil_socket_t fd, short what, void *arg)
{
    struct connection *c = arg;

    if ((what & EV_TIMEOUT) != 0 || c->all->serve(c->all->arg, (int)fd, &c->who))
        drop(c);
    else
        event_add(c->event, &silence);
}

/* An unused one; if there is none, the one that has been silent for longest makes room. */
static struct connection *make_room(struct connections *all)
{
    struct connection *oldest = &all->connection[0];

    for (size_t i = 0; i < all->most; i++) {
        struct connection *c = &all->connection[i];

        if (c->fd < 0)
            return c;
        if (c->turn < oldest->turn)
            oldest = c;
    }
    drop(oldest);
    return oldest;
}

static void wait_for_request(struct connections *all, int fd, const struct client_id *who)
{
    struct connection *c = make_room(all);

    c->fd = fd;
    c->who = *who;
    c->turn = ++all->turn;
    if (event_assign(c->event, all->base, fd, EV_READ, on_connection, c) != 0 ||
        event_add(c->event, &silence) != 0) {
        close(fd);
        c->fd = -1;
    }
}

static bool may_ask(const struct connections *all, int fd, struct client_id *who)
{
    struct ucred peer;
    socklen_t len = sizeof peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0 || len != sizeof peer)
        return false;
    *who = (struct client_id){.pid = peer.pid, .uid = peer.uid};
    if (all->anybody || peer.uid == geteuid() || peer.uid == 0)
        return true;
    log_warning("refused process %d of user %u", (int)peer.pid, (unsigned)peer.uid);
    return false;
}

static void accept_again(struct connections *all)
{
    log_error("cannot accept connections: %s", strerror(errno));
    event_del(all->listen);
    evtimer_add(all->listen_again, &accept_pause);
}

static void on_listen_again(evutil_socket_t fd, short what, void *arg)
{
    const struct connections *all = arg;

    (void)fd;
    (void)what;
    event_add(all->listen, NULL);
}

/* As many per turn as may wait, so that signals and timers get their turn too. */
static void on_listen(evutil_socket_t listening, short what, void *arg)
{
    struct connections *all = arg;

    (void)what;
    for (size_t i = 0; i < all->most; i++) {
        struct client_id who;
        int fd = accept4((int)listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
                accept_again(all);
            return;
        }
        if (!may_ask(all, fd, &who) || all->serve(all->arg, fd, &who))
            close(fd);
        else
            wait_for_request(all, fd, &who);
    }
}

static bool make_events(struct connections *all, const struct listener *listener)
{
    all->listen = event_new(all->base, listener->fd, EV_READ | EV_PERSIST, on_listen, all);
    all->listen_again = evtimer_new(all->base, on_listen_again, all);
    for (size_t i = 0; i < all->most; i++) {
        all->connection[i].event = event_new(all->base, -1, 0, on_connection, &all->connection[i]);
        if (all->connection[i].event == NULL)
            return false;
    }
    return all->listen != NULL && all->listen_again != NULL && event_add(all->listen, NULL) == 0;
}

struct connections *connections_open(struct event_base *base, const struct listener *listener,
                                     size_t most, bool anybody, connections_serve *serve, void *arg)
{
    struct connections *all = calloc(1, sizeof *all + most * sizeof all->connection[0]);

    if (all == NULL) {
        log_error("no memory for connections");
        return NULL;
    }
    all->base = base;
    all->anybody = anybody;
    all->serve = serve;
    all->arg = arg;
    all->most = most;
    for (size_t i = 0; i < most; i++)
        all->connection[i] = (struct connection){.all = all, .fd = -1};
    if (make_events(all, listener))
        return all;
    log_error("the event loop cannot be set up");
    connections_close(all);
    return NULL;
}

void connections_close(struct connections *all)
{
    if (all == NULL)
        return;
    for (size_t i = 0; i < all->most; i++) {
        if (all->connection[i].fd >= 0)
            drop(&all->connection[i]);
        if (all->connection[i].event != NULL)
            event_free(all->connection[i].event);
    }
    if (all->listen != NULL)
        event_free(all->listen);
    if (all->listen_again != NULL)
        event_free(all->listen_again);
    free(all);
}
