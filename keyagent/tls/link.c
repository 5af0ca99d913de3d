/* SPDX-License-Identifier: BSD-2-Clause */
/* One connection of registration. */
#include "keyagent/tls/link.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "keyagent/tls/certificate.h"
#include "keyagent/tls/dialer.h"
#include "keyagent/transcript_log.h"

#define WHY_MAX (LINK_FROM_MAX + LINK_REFUSAL_MAX + 64)

enum stage {
    DIALING,
    HANDSHAKE,
    UP,
    FLUSHING,  /* closing: what is queued goes first */
    LINGERING, /* closed by us: the other end closes next */
    OVER       /* down() is all that is left */
};

/* What is needed until a link is up, and no longer. */
struct admission {
    struct credentials_check check;
    char name[PDM_HOST_MAX];
};

struct link {
    enum stage stage;
    bool busy;  /* in a handler */
    bool freed; /* by it */
    struct event_base *base;
    const struct link_handlers *handlers;
    void *arg;
    void *data;
    struct credentials *credentials;
    struct admission *admission;
    struct dialer *dialer;
    struct bufferevent *stream; /* from the handshake on */
    struct event *timer;
    uint8_t head[PDM_REGISTRATION_HEADER]; /* of the message that is coming */
    size_t head_len;
    struct pdm_registration_header header; /* once it is whole */
    uint8_t *body;                         /* BODY_LEN octets of it, and room for BODY_ROOM */
    size_t body_len;
    size_t body_room;
    uint32_t longest; /* that a body may be */
    struct link_peer peer;
};

static void on_timer(int fd, short what, void *arg);

static SSL *session(const struct link *link)
{
    return bufferevent_openssl_get_ssl(link->stream);
}

static void drop_body(struct link *link)
{
    if (link->body != NULL)
        sodium_memzero(link->body, link->body_len);
    free(link->body);
    link->body = NULL;
    link->body_len = 0;
    link->body_room = 0;
    link->head_len = 0;
}

/* Moves up to LEN octets from the front of INPUT to OUT, or to nowhere; wipes them behind itself.
 */
static size_t move(struct evbuffer *input, uint8_t *out, size_t len)
{
    size_t moved = 0;

    while (moved < len && evbuffer_get_length(input) > 0) {
        uint8_t *front = evbuffer_pullup(input, 1);
        size_t octets = evbuffer_get_contiguous_space(input);

        if (octets > len - moved)
            octets = len - moved;
        if (out != NULL)
            memcpy(out + moved, front, octets);
        sodium_memzero(front, octets);
        evbuffer_drain(input, octets);
        moved += octets;
    }
    return moved;
}

static void destroy(struct link *link)
{
    dialer_free(link->dialer);
    if (link->stream != NULL) {
        move(bufferevent_get_input(link->stream), NULL, SIZE_MAX);
        SSL_set_app_data(session(link), NULL);
        bufferevent_free(link->stream);
    }
    if (link->timer != NULL)
        event_free(link->timer);
    drop_body(link);
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
    destroy(link);
    return false;
}

static void finish(struct link *link, const char *why)
{
    link->stage = OVER;
    link->busy = true;
    link->handlers->down(link, why, link->arg);
    destroy(link);
}

static void finish_with(struct link *link, const char *what)
{
    char why[WHY_MAX];

    snprintf(why, sizeof why, "%s: %s", link->peer.from, what);
    finish(link, why);
}

static void set_timer(struct link *link, int seconds)
{
    const struct timeval after = {.tv_sec = seconds};

    event_del(link->timer);
    event_assign(link->timer, link->base, -1, 0, on_timer, link);
    event_add(link->timer, &after);
}

/* Reading. */

static bool make_room(struct link *link)
{
    size_t room = link->body_room > 0 ? 2 * link->body_room : LINK_BODY_FIRST;

    if (link->body_len < link->body_room)
        return true;
    if (room > link->header.length)
        room = link->header.length;
    uint8_t *grown = malloc(room);
    if (grown == NULL)
        return false;
    if (link->body != NULL) {
        memcpy(grown, link->body, link->body_len);
        sodium_memzero(link->body, link->body_len);
        free(link->body);
    }
    link->body = grown;
    link->body_room = room;
    return true;
}

/* False, and the link is gone, if what comes is no message. */
static bool take_head(struct link *link, struct evbuffer *input)
{
    link->head_len += move(input, link->head + link->head_len, sizeof link->head - link->head_len);
    if (link->head_len < sizeof link->head ||
        (pdm_registration_header_get(link->head, &link->header) &&
         link->header.length <= link->longest))
        return true;
    finish_with(link, "sent what is no message of this version, or longer than one may be");
    return false;
}

/* What comes is held as it comes: LENGTH is the other end's word alone. False: the link is gone. */
static bool take_body(struct link *link, struct evbuffer *input)
{
    while (link->body_len < link->header.length && evbuffer_get_length(input) > 0) {
        if (!make_room(link)) {
            finish_with(link, "no memory for its message");
            return false;
        }
        link->body_len +=
            move(input, link->body + link->body_len, link->body_room - link->body_len);
    }
    return true;
}

static bool deliver(struct link *link)
{
    struct pdm_reader reader = pdm_reader(link->body, link->body_len);

    transcript_log("received", link->head, sizeof link->head);
    transcript_log("body", link->body, link->body_len);
    link->busy = true;
    link->handlers->message(link, &link->header, &reader, link->arg);
    drop_body(link);
    return still_there(link);
}

static void on_readable(struct bufferevent *stream, void *arg)
{
    struct link *link = arg;
    struct evbuffer *input = bufferevent_get_input(stream);

    while (link->stage == UP && evbuffer_get_length(input) > 0) {
        if (link->head_len < sizeof link->head && !take_head(link, input))
            return;
        if (link->head_len < sizeof link->head)
            return;
        if (!take_body(link, input))
            return;
        if (link->body_len == link->header.length && !deliver(link))
            return;
    }
    if (link->stage != UP)
        move(input, NULL, SIZE_MAX);
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
        destroy(link);
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
        finish(link, NULL);
}

/* OpenSSL numbers the alerts that it receives from here on (SSL_AD_REASON_OFFSET). */
static bool is_alert(unsigned long error)
{
    return ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) > SSL_AD_REASON_OFFSET &&
           ERR_GET_REASON(error) <= SSL_AD_REASON_OFFSET + UINT8_MAX;
}

static void describe_tls(const struct link *link, unsigned long error, char why[static WHY_MAX])
{
    const char *from = link->peer.from;
    const char *reason = ERR_reason_error_string(error);

    if (is_alert(error))
        snprintf(why, WHY_MAX, "%s refused us: %s", from,
                 SSL_alert_desc_string_long(ERR_GET_REASON(error) - SSL_AD_REASON_OFFSET));
    else if (ERR_GET_REASON(error) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
        snprintf(why, WHY_MAX, "%s: no certificate", from);
    else if (ERR_GET_REASON(error) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        snprintf(why, WHY_MAX, "%s: broken off", from);
    else
        snprintf(why, WHY_MAX, "%s: TLS: %s", from, reason != NULL ? reason : "unknown error");
}

static void finish_broken(struct link *link, int system_error)
{
    unsigned long error = bufferevent_get_openssl_error(link->stream);
    char why[WHY_MAX];

    if (link->admission != NULL && link->admission->check.refusal[0] != '\0')
        snprintf(why, sizeof why, "certificate of %s: %s", link->peer.from,
                 link->admission->check.refusal);
    else if (error != 0)
        describe_tls(link, error, why);
    else
        snprintf(why, sizeof why, "%s: %s", link->peer.from,
                 system_error != 0 ? strerror(system_error) : "broken off");
    finish(link, why);
}

/* Who it is, of a certificate that has passed. */
static bool know_peer(struct link *link)
{
    const X509 *certificate = SSL_get0_peer_certificate(session(link));
    const struct credentials_check *check = &link->admission->check;
    struct link_peer *peer = &link->peer;
    struct certificate_names names;

    if (certificate == NULL || certificate_names(certificate, &names) != NULL ||
        X509_digest(certificate, EVP_sha256(), peer->fingerprint, NULL) != 1)
        return false;
    peer->authority = check->authority;
    snprintf(peer->name, sizeof peer->name, "%s", check->name != NULL ? check->name : names.host);
    peer->addresses = names.addresses;
    memcpy(peer->address, names.address, sizeof peer->address);
    return true;
}

static void rise(struct link *link)
{
    event_del(link->timer);
    if (!know_peer(link)) {
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
    if (link->stage == UP && link->head_len > 0) {
        finish_with(link, "broken off within a message");
        return;
    }
    ERR_clear_error();
    SSL_shutdown(session(link));
    ERR_clear_error();
    finish(link, NULL);
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
        finish(link, NULL);
    else
        finish_broken(link, system_error);
}

/* Making it. */

/* A peer that vanished is noticed, whether something was sent to it or not. */
static void set_options(int fd)
{
    static const struct {
        int level;
        int name;
        int value;
    } options[] = {
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, LINK_KEEPALIVE_S},
        {IPPROTO_TCP, TCP_KEEPINTVL, LINK_KEEPALIVE_PAUSE_S},
        {IPPROTO_TCP, TCP_KEEPCNT, LINK_KEEPALIVE_PROBES},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, LINK_UNACKNOWLEDGED_MS},
        {IPPROTO_TCP, TCP_NODELAY, 1},
    };

    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        (void)setsockopt(fd, options[i].level, options[i].name, &options[i].value,
                         sizeof options[i].value); /* what is no TCP has none of them */
}

static void note_from(struct link *link, int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;

    if (getpeername(fd, (struct sockaddr *)&address, &len) == 0)
        dialer_text((struct sockaddr *)&address, len, link->peer.from);
}

/* FD becomes the link's, or is closed. */
static bool shake_hands(struct link *link, int fd, enum bufferevent_ssl_state side)
{
    SSL *tls = credentials_session(link->credentials, &link->admission->check);

    if (tls != NULL && evutil_make_socket_nonblocking(fd) == 0)
        link->stream = bufferevent_openssl_socket_new(
            link->base, fd, tls, side, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    if (link->stream == NULL) {
        SSL_free(tls);
        close(fd);
        return false;
    }
    note_from(link, fd);
    set_options(fd);
    bufferevent_setcb(link->stream, on_readable, on_written, on_event, link);
    bufferevent_set_max_single_read(link->stream, LINK_READ_MAX);
    bufferevent_setwatermark(link->stream, EV_READ, 0, LINK_INPUT_MAX);
    bufferevent_enable(link->stream, EV_READ | EV_WRITE);
    link->stage = HANDSHAKE;
    set_timer(link, LINK_HANDSHAKE_S);
    return true;
}

static void on_dialed(int fd, const char *why, void *arg)
{
    struct link *link = arg;

    if (fd < 0)
        finish(link, why);
    else if (!shake_hands(link, fd, BUFFEREVENT_SSL_CONNECTING))
        finish(link, "no memory for a connection");
    else {
        dialer_free(link->dialer);
        link->dialer = NULL;
    }
}

static struct link *new_link(struct event_base *base, struct credentials *credentials,
                             const struct link_handlers *handlers, void *arg)
{
    struct link *link = calloc(1, sizeof *link);

    if (link == NULL)
        return NULL;
    link->base = base;
    link->longest = UINT32_MAX;
    link->credentials = credentials_ref(credentials);
    link->handlers = handlers;
    link->arg = arg;
    link->admission = calloc(1, sizeof *link->admission);
    link->timer = event_new(base, -1, 0, on_timer, link);
    if (link->admission != NULL && link->timer != NULL) {
        link->admission->check.credentials = credentials;
        return link;
    }
    destroy(link);
    return NULL;
}

struct link *link_connect(struct event_base *base, struct evdns_base *dns,
                          struct credentials *credentials, const char *target, unsigned authority,
                          const char *name, const struct link_handlers *handlers, void *arg)
{
    struct link *link = new_link(base, credentials, handlers, arg);

    if (link == NULL)
        return NULL;
    struct admission *a = link->admission;
    a->check.of_server = true;
    a->check.authority = authority;
    a->check.name = a->name;
    int len = snprintf(a->name, sizeof a->name, "%s", name);
    if (len > 0 && (size_t)len < sizeof a->name)
        link->dialer = dialer_new(base, dns, target, on_dialed, link);
    if (link->dialer != NULL)
        return link;
    destroy(link);
    return NULL;
}

struct link *link_accept(struct event_base *base, struct credentials *credentials, int fd,
                         const struct link_handlers *handlers, void *arg)
{
    struct link *link = new_link(base, credentials, handlers, arg);

    if (link == NULL) {
        close(fd);
        return NULL;
    }
    link->admission->check.any = true;
    if (shake_hands(link, fd, BUFFEREVENT_SSL_ACCEPTING))
        return link;
    destroy(link);
    return NULL;
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
    struct credentials_check check = {.credentials = credentials,
                                      .of_server = SSL_is_server(session(link)) == 0,
                                      .authority = link->peer.authority};
    const char *before = credentials_authority_name(link->credentials, check.authority);
    const char *now = credentials_authority_name(credentials, check.authority);

    return before != NULL && now != NULL && strcmp(before, now) == 0 &&
           credentials_recheck(session(link), &check);
}

bool link_came_up_trusted(const struct link *link, const struct credentials *credentials)
{
    return link->credentials == credentials || link_still_trusted(link, credentials);
}

void link_set_longest(struct link *link, uint32_t octets)
{
    link->longest = octets;
}
