/* SPDX-License-Identifier: BSD-2-Clause */
/* LIST: what each side tells the other of its list. */
#include <inttypes.h>
#include <string.h>

#include "keyagent/clock.h"
#include "keyagent/log.h"
#include "keyagent/primary/partner_inside.h"

/* Our list. */

void partner_tell_list(struct partner *p)
{
    const struct store_secret *s = pair_current(p->pair, primary_time());
    struct pdm_list_request head = {.pair = 0};

    if (s == NULL || p->unanswered || p->ending || (partner_is_client(p) && p->negotiation != NULL))
        return;
    head.epoch = s->epoch;
    memcpy(head.tag, s->tag, sizeof head.tag);
    p->sent = partner_own_list(p)->version;
    p->unanswered = true;
    partner_ask(p, list_parcel(partner_own_list(p), p->primary->store, p->told, &head));
}

void partner_tell_changes(struct partner *p)
{
    uint64_t version = partner_own_list(p)->version;

    if (p->agreed && !p->primary->outbox.halted && p->told != version && p->not_taken != version)
        partner_tell_list(p);
}

/* What a LIST said of our list. */
void partner_take_list_response(struct partner *p, struct pdm_reader *body)
{
    struct pdm_list_response response;

    pdm_get_list_response(body, &response);
    if (body->bad || body->left > 0 || !p->unanswered) {
        partner_refuse(p, "answers a LIST that was not sent, or in another length");
        return;
    }
    p->unanswered = false;
    partner_answered(p);
    switch (response.status) {
    case PDM_REGISTRATION_OK:
        if (!p->agreed)
            log_info("peer %s: in agreement with %s", partner_name(p), link_peer(p->link)->from);
        p->agreed = true;
        p->told = p->pair->told = p->sent;
        partner_tell_changes(p);
        break;
    case PDM_REGISTRATION_WHOLE:
        if (p->told == 0) {
            partner_refuse(p, "asks for a whole list again and again");
            break;
        }
        p->told = p->pair->told = 0;
        partner_tell_list(p);
        break;
    case PDM_REGISTRATION_RENEGOTIATE:
        p->agreed = false;
        pair_want(p->pair);
        partner_negotiate(p);
        break;
    case PDM_REGISTRATION_LATER:
        if (!p->agreed)
            partner_end(p);
        break;
    default:
        p->agreed = true;
        p->not_taken = p->sent;
        log_error("peer %s refuses our list; does its configuration name our addresses?",
                  partner_name(p));
        break;
    }
}

/* The other side's list. */

static void answer_list(struct partner *p, uint8_t status, uint64_t version)
{
    const struct pdm_list_response response = {.status = status, .version = version};
    struct pdm_writer w;
    struct parcel *parcel = parcel_begin(PDM_REGISTRATION_SMALL, &w);

    pdm_put_list_response(&w, &response);
    partner_send(p, parcel_end(parcel, &w, PDM_COMMAND_LIST, PDM_RESPONSE));
}

/* SECRET is one that the other side may name: it is in force, or was until just now; or, of the
 * server, the one that the other side shows by this to have. */
static bool may_name(const struct partner *p, const struct store_secret *s)
{
    if (s == NULL || s->epoch < p->pair->row.usable_from)
        return false;
    if (s->state == STORE_SECRET_PENDING)
        return !partner_is_client(p);
    if (s->state == STORE_SECRET_PREVIOUS)
        return partner_is_client(p) || p->agreed; /* else a client that has forgotten the latest */
    return s->ends_at == 0 || s->ends_at > primary_time();
}

enum stored { STORED, STORED_NOTHING, STORE_LOST };

static enum stored store_claim(struct partner *p)
{
    const struct claim *c = &p->claim;

    if (!c->whole && c->from != p->pair->row.list_version)
        return STORED_NOTHING;
    return claim_store(c, p->primary->store, p->pair->row.pair) ? STORED : STORE_LOST;
}

/* Both sides have heard the same: the list in the SETUP counts with the secret. */
static bool confirm(struct partner *p, uint64_t epoch)
{
    const uint32_t pair = p->pair->row.pair;
    const bool waits = p->negotiation == NULL && p->offered.whole && p->offered_epoch == epoch;
    bool done = store_secret_confirm(p->primary->store, pair, epoch, primary_time()) &&
                (!waits || claim_store(&p->offered, p->primary->store, pair)) &&
                primary_pair_changed(p->primary, p->pair);

    if (waits)
        claim_free(&p->offered);
    return done;
}

static void finish_list(struct partner *p, const struct store_secret *s)
{
    const uint64_t to = p->claim.to;
    const bool pending = s->state == STORE_SECRET_PENDING;

    if (!outbox_begin(&p->primary->outbox)) {
        answer_list(p, PDM_REGISTRATION_LATER, p->pair->row.list_version);
        return;
    }
    if (pending && !confirm(p, s->epoch)) {
        partner_end(p);
        return;
    }
    enum stored stored = store_claim(p);
    if (stored == STORE_LOST || !primary_pair_changed(p->primary, p->pair)) {
        partner_end(p);
        return;
    }
    if (pending)
        log_info("peer %s: negotiation %" PRIu64 " is in force", partner_name(p),
                 grants_current(p->pair->secret, p->pair->secrets) != NULL
                     ? grants_current(p->pair->secret, p->pair->secrets)->epoch
                     : 0);
    answer_list(p,
                stored == STORED || to == p->pair->row.list_version ? PDM_REGISTRATION_OK
                                                                    : PDM_REGISTRATION_WHOLE,
                p->pair->row.list_version);
    p->agreed = true;
    partner_tell_changes(p);
}

void partner_take_list_request(struct partner *p, struct pdm_reader *body)
{
    const struct claim_bounds bounds = partner_bounds(p);
    char why[PRIMARY_WHY_MAX];
    struct pdm_list_request head;

    pdm_get_list_request(body, &head);
    if (body->bad) {
        partner_refuse(p, "sent a LIST that is too short");
        return;
    }
    const struct store_secret *s = pair_tagged(p->pair, head.epoch, head.tag);
    if (s == NULL) {
        primary_look(p->primary); /* it may be known to another of our primaries */
        s = pair_tagged(p->pair, head.epoch, head.tag);
    }
    if (!may_name(p, s)) {
        claim_free(&p->claim);
        if (head.more != 0)
            return;
        log_warning("peer %s (%s) names a secret that is not in force, of negotiation %" PRIu64
                    ": it is to negotiate",
                    partner_name(p), link_peer(p->link)->from, head.epoch);
        answer_list(p, PDM_REGISTRATION_RENEGOTIATE, p->pair->row.list_version);
        return;
    }
    p->use_by = INT64_MAX;
    if (!claim_part(&p->claim, &bounds, body, &head, why)) {
        claim_free(&p->claim);
        p->primary->refused++;
        if (!p->pair->refused_list)
            log_error("peer %s %s: its list is not taken", partner_name(p), why);
        p->pair->refused_list = true;
        if (head.more != 0)
            partner_refuse(p, why); /* the parts that follow cannot be told from another list's */
        else
            answer_list(p, PDM_REGISTRATION_REFUSED, p->pair->row.list_version);
        return;
    }
    if (p->claim.open)
        return;
    finish_list(p, s);
    claim_free(&p->claim);
}
