/* SPDX-License-Identifier: BSD-2-Clause */
/* One connection of registration. */
#include "keyagent/tls/link.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "keyagent/tls/link_inside.h"
#include "keyagent/tls/link_peer.h"
#include "keyagent/transcript_log.h"

static void on_timer(int fd, short what, void *arg);

static SSL *session(const struct link *link)
{
    return bufferevent_openssl_get_ssl(link->stream);
}

void link_destroy(struct link *link)
{
    dialer_free(link->dialer);
    if (link->stream != NULL) {
        incoming_discard(bufferevent_get_input(link->stream));
        SSL_set_app_data(session(link), NULL);
        bufferevent_free(link->stream);
    }
    if (link->timer != NULL)
        event_free(link->timer);
    incoming_drop(&link->message);
    free(link->admission);
    credentials_unref(link->credentials);
    free(link);
}

/* After a handler: false if it freed the link. */
static bool still_there(struct link *link)
{
    link->busy = false;
    if (!link->freed)
        return true;
    link_destroy(link);
    return false;
}

void link_finish(struct link *link, const char *why)
{
    link->stage = OVER;
    link->busy = true;
    link->handlers->down(link, why, link->arg);
    link_destroy(link);
}

static void finish_with(struct link *link, const char *what)
{
    char why[LINK_WHY_MAX];

    snprintf(why, sizeof why, "%s: %s", link->peer.from, what);
    link_finish(link, why);
}

static void set_timer(struct link *link, int seconds)
{
    const struct timeval after = {.tv_sec = seconds};

    event_del(link->timer);
    event_assign(link->timer, link->base, -1, 0, on_timer, link);
    event_add(link->timer, &after);
}

/* Reading. */

static bool deliver(struct link *link)
{
    struct incoming *m = &link->message;
    struct pdm_reader reader = pdm_reader(m->body, m->body_len);

    transcript_log("received", m->head, sizeof m->head);
    transcript_log("body", m->body, m->body_len);
    link->busy = true;
    link->handlers->message(link, &m->header, &reader, link->arg);
    incoming_drop(m);
    return still_there(link);
}

static void on_readable(struct bufferevent *stream, void *arg)
{
    struct link *link = arg;
    struct evbuffer *input = bufferevent_get_input(stream);

    while (link->stage == UP && evbuffer_get_length(input) > 0) {
        switch (incoming_take(&link->message, input)) {
        case INCOMING_PART:
            return;
        case INCOMING_WHOLE:
            if (!deliver(link))
                return;
            break;
        case INCOMING_BAD:
            finish_with(link, "sent what is no message of this version, or longer than one may be");
            return;
        case INCOMING_NO_MEMORY:
            finish_with(link, "no memory for its message");
            return;
        }
    }
    if (link->stage != UP)
        incoming_discard(input);
}

/* Closing: in TLS first, then in TCP, and then the other end's turn: a socket that is closed while
 * something is unread would take back what has not arrived yet. */

static void on_closable(int fd, short what, void *arg)
{
    struct link *link = arg;

    if ((what & EV_WRITE) == 0) {
        finish_with(link, "did not take the rest when it was closed");
        return;
    }
    ERR_clear_error();
    int sent = SSL_shutdown(session(link));
    bool again = sent < 0 && SSL_get_error(session(link), sent) == SSL_ERROR_WANT_WRITE;
    ERR_clear_error();
    if (again) {
        event_add(link->timer, NULL);
        return;
    }
    shutdown(fd, SHUT_WR);
    link->stage = LINGERING;
    set_timer(link, LINK_CLOSE_S);
}

static void close_when_writable(struct link *link)
{
    static const struct timeval patience = {.tv_sec = LINK_CLOSE_S};

    event_del(link->timer);
    event_assign(link->timer, link->base, bufferevent_getfd(link->stream), EV_WRITE, on_closable,
                 link);
    event_add(link->timer, &patience);
}

static void on_written(struct bufferevent *stream, void *arg)
{
    struct link *link = arg;

    if (link->stage == FLUSHING && evbuffer_get_length(bufferevent_get_output(stream)) == 0)
        close_when_writable(link);
}

void link_close(struct link *link)
{
    switch (link->stage) {
    case DIALING:
    case HANDSHAKE:
        dialer_free(link->dialer);
        link->dialer = NULL;
        link->stage = OVER;
        event_active(link->timer, EV_TIMEOUT, 0);
        break;
    case UP:
        link->stage = FLUSHING;
        if (link_backlog(link) > 0)
            set_timer(link, LINK_CLOSE_S);
        else
            close_when_writable(link);
        break;
    case FLUSHING:
    case LINGERING:
    case OVER:
        break;
    }
}

void link_free(struct link *link)
{
    if (link->busy)
        link->freed = true;
    else
        link_destroy(link);
}

/* What happens to it. */

static void on_timer(int fd, short what, void *arg)
{
    struct link *link = arg;

    (void)fd;
    (void)what;
    if (link->stage == HANDSHAKE)
        finish_with(link, "the handshake took too long");
    else if (link->stage == FLUSHING)
        finish_with(link, "did not take the rest when it was closed");
    else
        link_finish(link, NULL);
}

static void finish_broken(struct link *link, int system_error)
{
    unsigned long error = bufferevent_get_openssl_error(link->stream);
    char why[LINK_WHY_MAX];

    if (link->admission != NULL && link->admission->check.refusal[0] != '\0')
        snprintf(why, sizeof why, "certificate of %s: %s", link->peer.from,
                 link->admission->check.refusal);
    else if (error != 0)
        link_peer_error(link->peer.from, error, why);
    else
        snprintf(why, sizeof why, "%s: %s", link->peer.from,
                 system_error != 0 ? strerror(system_error) : "broken off");
    link_finish(link, why);
}

static void rise(struct link *link)
{
    event_del(link->timer);
    if (!link_peer_known(session(link), &link->admission->check, &link->peer)) {
        finish_with(link, "no certificate");
        return;
    }
    SSL_set_app_data(session(link), NULL);
    free(link->admission);
    link->admission = NULL;
    link->stage = UP;
    link->busy = true;
    link->handlers->up(link, link->arg);
    still_there(link);
}

/* The other end has closed it; it is told likewise. */
static void fall(struct link *link)
{
    if (link->stage == UP && link->message.head_len > 0) {
        finish_with(link, "broken off within a message");
        return;
    }
    ERR_clear_error();
    SSL_shutdown(session(link));
    ERR_clear_error();
    link_finish(link, NULL);
}

static void on_event(struct bufferevent *stream, short what, void *arg)
{
    int system_error = EVUTIL_SOCKET_ERROR();
    struct link *link = arg;

    (void)stream;
    if (link->stage == OVER)
        return;
    if ((what & BEV_EVENT_CONNECTED) != 0)
        rise(link);
    else if ((what & BEV_EVENT_EOF) != 0)
        fall(link);
    else if (link->stage == LINGERING)
        link_finish(link, NULL);
    else
        finish_broken(link, system_error);
}

/* For those who make it. */

struct link *link_new(struct event_base *base, struct credentials *credentials,
                      const struct link_handlers *handlers, void *arg)
{
    struct link *link = calloc(1, sizeof *link);

    if (link == NULL)
        return NULL;
    link->base = base;
    link->message.longest = UINT32_MAX;
    link->credentials = credentials_ref(credentials);
    link->handlers = handlers;
    link->arg = arg;
    link->admission = calloc(1, sizeof *link->admission);
    link->timer = event_new(base, -1, 0, on_timer, link);
    if (link->admission != NULL && link->timer != NULL) {
        link->admission->check.credentials = credentials;
        return link;
    }
    link_destroy(link);
    return NULL;
}

void link_shake_hands(struct link *link, struct bufferevent *stream)
{
    link->stream = stream;
    bufferevent_setcb(stream, on_readable, on_written, on_event, link);
    bufferevent_set_max_single_read(stream, LINK_READ_MAX);
    bufferevent_setwatermark(stream, EV_READ, 0, LINK_INPUT_MAX);
    bufferevent_enable(stream, EV_READ | EV_WRITE);
    link->stage = HANDSHAKE;
    set_timer(link, LINK_HANDSHAKE_S);
}

/* What the caller asks of it. */

const struct link_peer *link_peer(const struct link *link)
{
    return &link->peer;
}

void link_set_data(struct link *link, void *data)
{
    link->data = data;
}

void *link_data(const struct link *link)
{
    return link->data;
}

size_t link_backlog(const struct link *link)
{
    return link->stream != NULL ? evbuffer_get_length(bufferevent_get_output(link->stream)) : 0;
}

bool link_send_shared(struct link *link, const uint8_t *bytes, size_t len,
                      void (*release)(const void *bytes, size_t len, void *arg), void *arg)
{
    if (link->stage == UP && len <= LINK_BACKLOG_MAX &&
        link_backlog(link) <= LINK_BACKLOG_MAX - len &&
        evbuffer_add_reference(bufferevent_get_output(link->stream), bytes, len, release, arg) == 0)
        return true;
    release(bytes, len, arg);
    return false;
}

static void wipe_copy(const void *bytes, size_t len, void *copy)
{
    (void)bytes;
    sodium_memzero(copy, len);
    free(copy);
}

bool link_send(struct link *link, const uint8_t *message, size_t len)
{
    uint8_t *copy = malloc(len);

    if (copy == NULL)
        return false;
    memcpy(copy, message, len);
    return link_send_shared(link, copy, len, wipe_copy, copy);
}

bool link_still_trusted(const struct link *link, const struct credentials *credentials)
{
    return link_peer_trusted(session(link), &link->peer, link->credentials, credentials);
}

bool link_came_up_trusted(const struct link *link, const struct credentials *credentials)
{
    return link->credentials == credentials || link_still_trusted(link, credentials);
}

void link_set_longest(struct link *link, uint32_t octets)
{
    link->message.longest = octets;
}
