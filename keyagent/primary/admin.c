/* SPDX-License-Identifier: BSD-2-Clause */
/* What pdmctl asks of a primary. */
#include "keyagent/primary/admin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cursor.h"
#include "core/limits.h"
#include "keyagent/log.h"

struct connection {
    struct admin *admin;
    int fd; /* -1: unused */
    struct event *event;
    uint64_t turn; /* when it was accepted, in connections */
};

struct admin {
    struct primary *primary;
    struct event_base *base;
    struct event *listen;
    struct event *listen_again;
    admin_reload *reload;
    void *arg;
    uint64_t turn;
    struct connection connection[ADMIN_CONNECTIONS_MAX];
    union {
        struct pdm_admin_pair pair[ADMIN_PAGE];
        struct pdm_admin_secondary secondary[ADMIN_PAGE];
        struct pdm_admin_entry entry[ADMIN_PAGE];
    } page;
    uint8_t reply[PDM_MESSAGE_MAX];
};

static const struct timeval silence = {.tv_sec = AGENT_SILENCE_S};
static const struct timeval accept_pause = {.tv_usec = PRIMARY_ACCEPT_PAUSE_US};

/* Requests. Each is false if it is malformed. */

static bool answer_status(struct admin *a, struct pdm_reader *body, struct pdm_writer *w)
{
    struct pdm_admin_status status;

    if (!pdm_message_done(body))
        return false;
    primary_status(a->primary, &status);
    status.status = PDM_STATUS_OK;
    pdm_put_admin_status(w, &status);
    return true;
}

static void put_page(struct pdm_writer *w, size_t records, uint32_t next)
{
    const struct pdm_page_reply page = {
        .status = PDM_STATUS_OK, .records = (uint16_t)records, .next = next};

    pdm_put_page_reply(w, &page);
}

static bool answer_pairs(struct admin *a, struct pdm_reader *body, struct pdm_writer *w)
{
    struct pdm_page_request page;
    uint32_t next;

    pdm_get_page_request(body, &page);
    if (!pdm_message_done(body))
        return false;
    size_t count = primary_pairs(a->primary, page.start, a->page.pair, ADMIN_PAGE, &next);
    put_page(w, count, next);
    for (size_t i = 0; i < count; i++)
        pdm_put_admin_pair(w, &a->page.pair[i]);
    return true;
}

static bool answer_secondaries(struct admin *a, struct pdm_reader *body, struct pdm_writer *w)
{
    struct pdm_page_request page;
    uint32_t next;

    pdm_get_page_request(body, &page);
    if (!pdm_message_done(body))
        return false;
    size_t count =
        primary_secondaries(a->primary, page.start, a->page.secondary, ADMIN_PAGE, &next);
    put_page(w, count, next);
    for (size_t i = 0; i < count; i++)
        pdm_put_admin_secondary(w, &a->page.secondary[i]);
    return true;
}

static bool answer_list(struct admin *a, struct pdm_reader *body, struct pdm_writer *w)
{
    struct pdm_admin_list_request r;
    uint32_t next;

    pdm_get_admin_list_request(body, &r);
    if (!pdm_message_done(body) || r.side >= PDM_SIDES)
        return false;
    size_t count =
        primary_list(a->primary, r.pair, r.side, r.start, a->page.entry, ADMIN_PAGE, &next);
    put_page(w, count, next);
    for (size_t i = 0; i < count; i++)
        pdm_put_admin_entry(w, &a->page.entry[i]);
    return true;
}

/* DONE, or why not. */
static void put_done(struct pdm_writer *w, bool done, const char why[static ADMIN_WHY_MAX])
{
    struct pdm_admin_done reply = {.status = done ? PDM_STATUS_OK : PDM_STATUS_REFUSED};

    if (!done)
        memcpy(reply.why, why, strnlen(why, ADMIN_WHY_MAX - 1));
    pdm_put_admin_done(w, &reply);
}

static bool change_list(struct admin *a, struct pdm_reader *body, struct pdm_writer *w)
{
    char why[ADMIN_WHY_MAX] = "";
    struct pdm_admin_list_change r;

    pdm_get_admin_list_change(body, &r);
    if (!pdm_message_done(body) || r.side >= PDM_SIDES || r.len >= PDM_PREFIX_LENGTHS || r.add > 1)
        return false;
    const struct pdm_prefix prefix = pdm_prefix_of(r.addr, r.len);
    put_done(w, primary_list_change(a->primary, r.side, &prefix, r.group, r.add == 1, why), why);
    return true;
}

static bool renegotiate(struct admin *a, struct pdm_reader *body, struct pdm_writer *w)
{
    char why[ADMIN_WHY_MAX] = "";
    struct pdm_admin_renegotiate r;

    pdm_get_admin_renegotiate(body, &r);
    if (!pdm_message_done(body) || memchr(r.name, '\0', sizeof r.name) == NULL)
        return false;
    put_done(w, primary_renegotiate(a->primary, (const char *)r.name, why), why);
    return true;
}

static bool revoke_or_admit(struct admin *a, struct pdm_reader *body, struct pdm_writer *w)
{
    char why[ADMIN_WHY_MAX] = "";
    struct pdm_admin_revoke r;

    pdm_get_admin_revoke(body, &r);
    if (!pdm_message_done(body) || r.admit > 1)
        return false;
    put_done(w, primary_revoke(a->primary, r.address, r.admit == 1, why), why);
    return true;
}

static bool reload(struct admin *a, struct pdm_reader *body, struct pdm_writer *w)
{
    char why[ADMIN_WHY_MAX] = "";

    if (!pdm_message_done(body))
        return false;
    put_done(w, a->reload(a->arg, why), why);
    return true;
}

size_t admin_answer(struct admin *admin, const uint8_t *request, size_t len, uint8_t *reply)
{
    static const struct {
        uint8_t type;
        bool (*answer)(struct admin *a, struct pdm_reader *body, struct pdm_writer *w);
    } requests[] = {
        {PDM_ADMIN_STATUS, answer_status},    {PDM_ADMIN_PAIRS, answer_pairs},
        {PDM_ADMIN_LIST, answer_list},        {PDM_ADMIN_SECONDARIES, answer_secondaries},
        {PDM_ADMIN_LIST_CHANGE, change_list}, {PDM_ADMIN_RENEGOTIATE, renegotiate},
        {PDM_ADMIN_REVOKE, revoke_or_admit},  {PDM_ADMIN_RELOAD, reload},
    };
    struct pdm_message m;
    struct pdm_reader body;
    uint8_t type;
    bool answered = false;

    if (!pdm_message_open(request, len, &type, &body) || (type & PDM_REPLY) != 0)
        return 0;
    pdm_message_begin(&m, reply, PDM_MESSAGE_MAX, (uint8_t)(type | PDM_REPLY));
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++)
        if (requests[i].type == type)
            answered = requests[i].answer(admin, &body, &m.body);
    if (!answered)
        pdm_write_u8(&m.body, PDM_STATUS_BAD_REQUEST);
    return pdm_message_end(&m);
}

/* Connections. */

static void drop(struct connection *c)
{
    event_del(c->event);
    close(c->fd);
    c->fd = -1;
}

static void serve(struct admin *a, int fd)
{
    uint8_t request[PDM_MESSAGE_SMALL + 1]; /* one more than any request */
    ssize_t got = recv(fd, request, sizeof request, MSG_DONTWAIT);
    size_t len = got > 0 ? admin_answer(a, request, (size_t)got, a->reply) : 0;

    if (len > 0 && send(fd, a->reply, len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EPIPE)
        log_warning("cannot send a reply to pdmctl: %s", strerror(errno));
}

static void on_connection(evutil_socket_t fd, short what, void *arg)
{
    struct connection *c = arg;

    if ((what & EV_TIMEOUT) == 0)
        serve(c->admin, (int)fd);
    drop(c);
}

/* An unused one; if there is none, the one that has been silent for longest makes room. */
static struct connection *make_room(struct admin *a)
{
    struct connection *oldest = &a->connection[0];

    for (size_t i = 0; i < ADMIN_CONNECTIONS_MAX; i++) {
        struct connection *c = &a->connection[i];

        if (c->fd < 0)
            return c;
        if (c->turn < oldest->turn)
            oldest = c;
    }
    drop(oldest);
    return oldest;
}

static void wait_for_request(struct admin *a, int fd)
{
    struct connection *c = make_room(a);

    c->fd = fd;
    c->turn = ++a->turn;
    if (event_assign(c->event, a->base, fd, EV_READ, on_connection, c) != 0 ||
        event_add(c->event, &silence) != 0) {
        close(fd);
        c->fd = -1;
    }
}

static bool may_ask(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0 || len != sizeof peer)
        return false;
    if (peer.uid == geteuid() || peer.uid == 0)
        return true;
    log_warning("refused process %d of user %u", (int)peer.pid, (unsigned)peer.uid);
    return false;
}

static void on_listen(evutil_socket_t listening, short what, void *arg)
{
    struct admin *a = arg;
    int fd = accept4((int)listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)what;
    if (fd >= 0 && may_ask(fd)) {
        wait_for_request(a, fd);
    } else if (fd >= 0) {
        close(fd);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
        log_error("cannot accept connections of pdmctl: %s", strerror(errno));
        event_del(a->listen);
        evtimer_add(a->listen_again, &accept_pause);
    }
}

static void on_listen_again(evutil_socket_t fd, short what, void *arg)
{
    const struct admin *a = arg;

    (void)fd;
    (void)what;
    event_add(a->listen, NULL);
}

/* Set up and torn down. */

static bool make_events(struct admin *a, const struct listener *listener)
{
    a->listen = event_new(a->base, listener->fd, EV_READ | EV_PERSIST, on_listen, a);
    a->listen_again = evtimer_new(a->base, on_listen_again, a);
    for (size_t i = 0; i < ADMIN_CONNECTIONS_MAX; i++) {
        a->connection[i].event = event_new(a->base, -1, 0, on_connection, &a->connection[i]);
        if (a->connection[i].event == NULL)
            return false;
    }
    return a->listen != NULL && a->listen_again != NULL && event_add(a->listen, NULL) == 0;
}

struct admin *admin_open(struct primary *primary, const struct listener *listener,
                         struct event_base *base, admin_reload *reload_config, void *arg)
{
    struct admin *a = calloc(1, sizeof *a);

    if (a == NULL) {
        log_error("no memory for pdmctl's socket");
        return NULL;
    }
    a->primary = primary;
    a->base = base;
    a->reload = reload_config;
    a->arg = arg;
    for (size_t i = 0; i < ADMIN_CONNECTIONS_MAX; i++)
        a->connection[i] = (struct connection){.admin = a, .fd = -1};
    /* A listener of the system's is the group's to ask; whoever may ask this one may change who
     * takes part. */
    if (listener->path != NULL && chmod(listener->path, S_IRUSR | S_IWUSR) != 0) {
        log_error("%s: cannot be kept to its owner: %s", listener->path, strerror(errno));
    } else if (make_events(a, listener)) {
        return a;
    } else {
        log_error("the event loop cannot be set up");
    }
    admin_close(a);
    return NULL;
}

void admin_close(struct admin *a)
{
    if (a == NULL)
        return;
    for (size_t i = 0; i < ADMIN_CONNECTIONS_MAX; i++) {
        if (a->connection[i].fd >= 0)
            drop(&a->connection[i]);
        if (a->connection[i].event != NULL)
            event_free(a->connection[i].event);
    }
    if (a->listen != NULL)
        event_free(a->listen);
    if (a->listen_again != NULL)
        event_free(a->listen_again);
    free(a);
}
