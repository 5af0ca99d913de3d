/* SPDX-License-Identifier: BSD-2-Clause */
/* What pdmctl asks of a primary. */
#include "keyagent/primary/admin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "core/cursor.h"
#include "core/limits.h"
#include "keyagent/connections.h"
#include "keyagent/log.h"

struct admin {
    struct primary *primary;
    struct connections *connections;
    admin_reload *reload;
    void *arg;
    union {
        struct pdm_admin_pair pair[ADMIN_PAGE];
        struct pdm_admin_secondary secondary[ADMIN_PAGE];
        struct pdm_admin_entry entry[ADMIN_PAGE];
    } page;
    uint8_t reply[PDM_MESSAGE_MAX];
};

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

/* The socket. */

static bool serve(void *arg, int fd, const struct client_id *who)
{
    struct admin *a = arg;
    uint8_t request[PDM_MESSAGE_SMALL + 1]; /* one more than any request */
    ssize_t got = recv(fd, request, sizeof request, MSG_DONTWAIT);

    (void)who;
    if (got < 0)
        return errno != EAGAIN && errno != EINTR;
    size_t len = got > 0 ? admin_answer(a, request, (size_t)got, a->reply) : 0;
    if (len > 0 && send(fd, a->reply, len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EPIPE)
        log_warning("cannot send a reply to pdmctl: %s", strerror(errno));
    return true;
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
    a->reload = reload_config;
    a->arg = arg;
    /* A listener of the system's is the group's to ask; whoever may ask this one may change who
     * takes part. */
    if (listener->path != NULL && chmod(listener->path, S_IRUSR | S_IWUSR) != 0)
        log_error("%s: cannot be kept to its owner: %s", listener->path, strerror(errno));
    else
        a->connections = connections_open(base, listener, ADMIN_CONNECTIONS_MAX, false, serve, a);
    if (a->connections != NULL)
        return a;
    admin_close(a);
    return NULL;
}

void admin_close(struct admin *a)
{
    if (a == NULL)
        return;
    connections_close(a->connections);
    free(a);
}
