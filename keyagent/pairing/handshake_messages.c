/* SPDX-License-Identifier: BSD-2-Clause */
/* What peers send. */
#include "keyagent/pairing/handshake_inside.h"

#include <sodium.h>
#include <string.h>

/* Somebody who is on a list. */
struct caller_id {
    struct enrolment *enrolment;
    const struct enrolled_pair *pair;
    struct pdm_prefix entry;
};

static bool takes_part(const struct enrolled_pair *pair, const uint8_t own[static PDM_ADDR_LEN])
{
    bool any = false;

    for (unsigned i = 0; i < pair->epochs && !any; i++)
        any = enrolled_scope_find(&pair->epoch[i], own) != NULL;
    return pair->secmop == PDM_SECMOP_IBC && any;
}

static bool is_listed(const struct handshakes *h, const struct ends *ends, struct caller_id *who)
{
    const uint8_t multicast = 0xff;

    return ends->own[0] != multicast && ends->peer[0] != multicast &&
           h->hooks.listed(h->arg, ends->own, ends->peer, &who->enrolment, &who->pair,
                           &who->entry) &&
           takes_part(who->pair, ends->own);
}

/* Of those who begin. */

static void take_hello(struct handshakes *h, const struct ends *ends, const struct caller_id *who,
                       struct pdm_reader *r, int64_t now)
{
    struct pdm_pairing_hello hello;
    struct pdm_pairing_cookie answer;
    uint8_t bytes[PDM_PAIRING_COOKIE_MESSAGE_LEN];
    struct pdm_writer w = pdm_pairing_write(bytes, PDM_PAIRING_COOKIE);

    pdm_get_pairing_hello(r, &hello);
    if (!cookies_give(&h->cookies, ends, &who->entry, now, answer.cookie))
        return;
    memcpy(answer.token, hello.token, sizeof answer.token);
    pdm_put_pairing_cookie(&w, &answer);
    h->hooks.send(h->arg, ends, bytes, sizeof bytes);
}

/* INITs cross: ours is on its way, or as good as that, and wins. */
static bool ours_wins(const struct handshakes *h, const struct ends *ends, uint64_t epoch)
{
    const struct initiation *i = initiations_find(&h->initiations, ends);
    bool sent = i != NULL && (i->phase == INITIATION_INIT || i->phase == INITIATION_FINISH ||
                              (i->phase == INITIATION_BEGIN && h->task.under_way &&
                               h->task.work == PAIRING_BEGIN && ends_equal(&h->task.ends, ends)));

    return sent && i->epoch == epoch && memcmp(ends->own, ends->peer, PDM_ADDR_LEN) < 0;
}

/* One who has called before: the same again gets the same answer, another has to wait. */
static void take_again(struct handshakes *h, const struct caller *caller,
                       const uint8_t init[static PDM_PAIRING_INIT_LEN])
{
    if (memcmp(caller->init, init, PDM_PAIRING_INIT_LEN) != 0)
        h->counters.dropped++;
    else if (caller->state == CALLER_ANSWERED)
        h->hooks.send(h->arg, &caller->ends, caller->resp, sizeof caller->resp);
}

static bool has_to_wait(const struct caller *caller,
                        const uint8_t init[static PDM_PAIRING_INIT_LEN], int64_t now)
{
    return caller->state == CALLER_WAITS || caller->state == CALLER_SERVED ||
           now - caller->since < PAIRING_PEER_NS ||
           memcmp(caller->init, init, PDM_PAIRING_INIT_LEN) == 0;
}

static void take_init(struct handshakes *h, const struct ends *ends, const struct caller_id *who,
                      const uint8_t bytes[static PDM_PAIRING_INIT_LEN], struct pdm_reader *r,
                      int64_t now)
{
    struct pdm_pairing_init init;
    const struct enrolled_scope *scope;

    pdm_get_pairing_init(r, &init);
    if (!cookies_good(&h->cookies, ends, now, init.cookie) ||
        handshake_part(who->pair, init.epoch, init.tag, ends->own, &scope) == NULL ||
        ours_wins(h, ends, init.epoch))
        return;
    struct caller *caller = callers_find(&h->callers, ends);
    if (caller != NULL && has_to_wait(caller, bytes, now)) {
        take_again(h, caller, bytes);
        return;
    }
    if (caller != NULL)
        callers_remove(&h->callers, caller);
    caller = callers_wait(&h->callers, ends, &who->entry, now);
    if (caller == NULL) {
        h->counters.dropped++;
        return;
    }
    caller->enrolment = who->enrolment;
    caller->pair = who->pair->pair;
    memcpy(caller->init, bytes, sizeof caller->init);
}

static void take_done(struct handshakes *h, const struct ends *ends, struct pdm_reader *r)
{
    struct pdm_pairing_done done;
    const struct caller *caller = callers_find(&h->callers, ends);

    pdm_get_pairing_done(r, &done);
    if (caller == NULL || caller->state != CALLER_ANSWERED || caller->serial == 0 ||
        sodium_memcmp(done.proof, caller->proof, sizeof done.proof) != 0)
        return;
    enrolment_pair_device_key_shown(caller->enrolment, caller->pair, ends->own, ends->peer,
                                    caller->serial);
}

/* Of those who answer. */

static void take_cookie(struct handshakes *h, const struct ends *ends, struct pdm_reader *r)
{
    struct pdm_pairing_cookie answer;
    struct initiation *i = initiations_find(&h->initiations, ends);

    pdm_get_pairing_cookie(r, &answer);
    if (i == NULL || i->phase != INITIATION_HELLO ||
        sodium_memcmp(answer.token, i->token, sizeof i->token) != 0)
        return;
    memcpy(i->cookie, answer.cookie, sizeof i->cookie);
    initiations_enter(&h->initiations, i, INITIATION_BEGIN);
}

static void take_resp(struct handshakes *h, const struct ends *ends,
                      const uint8_t bytes[static PDM_PAIRING_RESP_LEN], struct pdm_reader *r)
{
    struct pdm_pairing_resp resp;
    struct initiation *i = initiations_find(&h->initiations, ends);

    pdm_get_pairing_resp(r, &resp);
    if (i == NULL || i->phase != INITIATION_INIT || i->forged >= PAIRING_FORGED_MAX ||
        sodium_memcmp(resp.id, i->id, sizeof i->id) != 0)
        return;
    memcpy(i->resp, bytes, sizeof i->resp);
    /* The tries are counted on if it is forged. */
    initiations_resume(&h->initiations, i, INITIATION_FINISH);
}

void handshakes_receive(struct handshakes *h, const struct ends *ends, const uint8_t *bytes,
                        size_t len, int64_t now)
{
    struct pdm_reader r;
    struct caller_id who;
    enum pdm_pairing_type type = pdm_pairing_open(bytes, len, &r);

    if (type == PDM_PAIRING_NONE || !is_listed(h, ends, &who))
        return;
    switch (type) {
    case PDM_PAIRING_HELLO:
        take_hello(h, ends, &who, &r, now);
        break;
    case PDM_PAIRING_COOKIE:
        take_cookie(h, ends, &r);
        break;
    case PDM_PAIRING_INIT:
        take_init(h, ends, &who, bytes, &r, now);
        break;
    case PDM_PAIRING_RESP:
        take_resp(h, ends, bytes, &r);
        break;
    default:
        take_done(h, ends, &r);
    }
}
