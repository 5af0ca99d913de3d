/* SPDX-License-Identifier: BSD-2-Clause */
/* Handshakes as a whole, and those that are begun here. */
#include "keyagent/pairing/handshake_inside.h"

#include <arpa/inet.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "keyagent/log.h"

struct handshakes *handshakes_new(const struct handshake_hooks *hooks, void *arg, int64_t now)
{
    struct handshakes *h = calloc(1, sizeof *h);

    if (h == NULL) {
        log_error("out of memory");
        return NULL;
    }
    h->hooks = *hooks;
    h->arg = arg;
    cookies_init(&h->cookies, now);
    if (!initiations_init(&h->initiations))
        goto out;
    if (callers_init(&h->callers))
        return h;
    log_error("out of memory");
out:
    handshakes_free(h);
    return NULL;
}

void handshakes_free(struct handshakes *h)
{
    if (h == NULL)
        return;
    callers_free(&h->callers);
    initiations_free(&h->initiations);
    sodium_memzero(h, sizeof *h);
    free(h);
}

const struct pairing_counters *handshakes_counters(const struct handshakes *h)
{
    return &h->counters;
}

bool handshakes_busy(const struct handshakes *h)
{
    return h->initiations.active > 0 || h->callers.table.used > 0;
}

void handshake_warn(const char *what, const struct ends *ends)
{
    char text[INET6_ADDRSTRLEN];

    inet_ntop(AF_INET6, ends->peer, text, sizeof text);
    log_warning("pairing with %s: %s", text, what);
}

void handshake_tell(const char *what, const struct ends *ends)
{
    char text[INET6_ADDRSTRLEN];

    inet_ntop(AF_INET6, ends->peer, text, sizeof text);
    log_info("pairing with %s: %s", text, what);
}

/* What messages and jobs are about. */

const struct enrolled_epoch *handshake_part(const struct enrolled_pair *pair, uint64_t epoch,
                                            const uint8_t tag[static PDM_TAG_ID_LEN],
                                            const uint8_t own[static PDM_ADDR_LEN],
                                            const struct enrolled_scope **scope)
{
    const struct enrolled_epoch *found = enrolled_epoch_find(pair, epoch);

    *scope = enrolled_scope_find(found, own);
    return *scope != NULL && pair->secmop == PDM_SECMOP_IBC &&
                   memcmp(found->tag, tag, sizeof found->tag) == 0
               ? found
               : NULL;
}

bool handshake_is_called(const struct handshakes *h, const struct ends *ends)
{
    const struct caller *caller = callers_find(&h->callers, ends);

    return caller != NULL && (caller->state == CALLER_WAITS || caller->state == CALLER_SERVED);
}

/* Begun here. */

/* A job for it comes to nothing. */
static void drop_task(struct handshakes *h, const struct initiation *i)
{
    if (h->task.under_way && h->task.work != PAIRING_RESPOND && ends_equal(&h->task.ends, &i->ends))
        h->task.forgotten = true;
}

void handshake_end(struct handshakes *h, struct initiation *i)
{
    drop_task(h, i);
    initiations_remove(&h->initiations, i);
}

static void send_hello(struct handshakes *h, const struct initiation *i)
{
    struct pdm_pairing_hello hello = {0};
    uint8_t bytes[PDM_PAIRING_HELLO_LEN];
    struct pdm_writer w = pdm_pairing_write(bytes, PDM_PAIRING_HELLO);

    memcpy(hello.token, i->token, sizeof hello.token);
    pdm_put_pairing_hello(&w, &hello);
    h->hooks.send(h->arg, &i->ends, bytes, sizeof bytes);
}

void handshake_send(struct handshakes *h, struct initiation *i, int64_t now)
{
    if (i->phase == INITIATION_HELLO)
        send_hello(h, i);
    else
        h->hooks.send(h->arg, &i->ends, i->init, sizeof i->init);
    i->at = now + (PAIRING_RETRY_NS << i->tries);
    i->tries++;
}

static void start(struct handshakes *h, struct initiation *i, struct enrolment *e,
                  const struct enrolment_pairing *request, int64_t now)
{
    drop_task(h, i);
    i->enrolment = e;
    i->pair = request->pair->pair;
    i->epoch = request->epoch->epoch;
    memcpy(i->tag, request->epoch->tag, sizeof i->tag);
    i->forged = 0;
    randombytes_buf(i->token, sizeof i->token);
    initiations_enter(&h->initiations, i, INITIATION_HELLO);
    handshake_send(h, i, now);
}

/* The same pairing, that goes on or has to wait. */
static bool goes_on(const struct initiation *i, const struct enrolment *e,
                    const struct enrolment_pairing *request, int64_t now)
{
    return i->enrolment == e && i->pair == request->pair->pair &&
           i->epoch == request->epoch->epoch &&
           memcmp(i->tag, request->epoch->tag, sizeof i->tag) == 0 &&
           (i->phase != INITIATION_PAUSE || now < i->at);
}

enum pdm_status handshakes_ask(struct handshakes *h, struct enrolment *e,
                               const struct enrolment_pairing *request, int64_t now)
{
    struct ends ends;

    memcpy(ends.own, request->scope->address, sizeof ends.own);
    memcpy(ends.peer, request->peer, sizeof ends.peer);
    struct initiation *i = initiations_find(&h->initiations, &ends);
    if (i != NULL && goes_on(i, e, request, now))
        return PDM_STATUS_LATER;
    if (i == NULL && (i = initiations_add(&h->initiations, &ends)) == NULL)
        return PDM_STATUS_QUOTA;
    start(h, i, e, request, now);
    return PDM_STATUS_LATER;
}

void handshakes_forget(struct handshakes *h, const struct enrolment *e, uint32_t pair)
{
    for (uint32_t n = 0; n < PAIRING_OWN_MAX; n++) {
        struct initiation *i = &h->initiations.initiation[n];

        if (i->phase != INITIATION_UNUSED && i->enrolment == e && (pair == 0 || i->pair == pair))
            handshake_end(h, i);
    }
    callers_forget(&h->callers, e, pair);
    if (h->task.under_way && h->task.work == PAIRING_RESPOND &&
        callers_find(&h->callers, &h->task.ends) == NULL)
        h->task.forgotten = true;
}

void handshakes_tick(struct handshakes *h, int64_t now)
{
    callers_expire(&h->callers, now);
    for (uint32_t n = 0; n < PAIRING_OWN_MAX && h->initiations.active > 0; n++) {
        struct initiation *i = &h->initiations.initiation[n];

        if ((i->phase != INITIATION_HELLO && i->phase != INITIATION_INIT) || now < i->at ||
            handshake_is_called(h, &i->ends))
            continue;
        if (i->tries < PAIRING_TRIES) {
            handshake_send(h, i, now);
        } else {
            handshake_warn("no answer", &i->ends);
            initiations_pause(&h->initiations, i, now);
        }
    }
}
