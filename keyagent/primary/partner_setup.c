/* SPDX-License-Identifier: BSD-2-Clause */
/* SETUP and KEM: both sides agree on a secret. */
#include <inttypes.h>
#include <sodium.h>

#include "keyagent/clock.h"
#include "keyagent/log.h"
#include "keyagent/primary/partner_inside.h"

void partner_drop_negotiation(struct partner *p)
{
    negotiation_free(p->negotiation);
    p->negotiation = NULL;
    claim_free(&p->offered);
}

/* Primaries of ours that share a store all see that another secret is due; if two brought it about,
 * the second would end the grace of the one before too early. */
static bool is_ours(const struct partner *p)
{
    bool ours;

    return outbox_begin(&p->primary->outbox) &&
           store_pair_claim(p->primary->store, p->pair->row.pair, primary_time(), &ours) && ours;
}

static void begin_setup(struct partner *p)
{
    int64_t now = clock_now();

    if (p->negotiation != NULL || p->ending || p->primary->outbox.halted ||
        (p->negotiated_at != 0 && now - p->negotiated_at < PRIMARY_NEGOTIATE_NS) ||
        !pair_may_negotiate(p->pair, now))
        return;
    p->negotiated_at = now;
    if (!is_ours(p))
        return;
    p->negotiation = negotiation_new(p->pair->peer);
    if (p->negotiation == NULL) {
        partner_end(p);
        return;
    }
    p->offered_own = partner_own_list(p)->version;
    partner_ask(p,
                negotiation_offer(p->negotiation, p->pair->row.negotiations, partner_own_list(p)));
}

static void ask_for_setup(struct partner *p)
{
    if (p->ending || p->negotiation != NULL || !is_ours(p))
        return;
    p->asked_at = clock_now();
    partner_send(p, parcel_of(PDM_COMMAND_NEGOTIATE, PDM_REQUEST, NULL, 0));
}

void partner_negotiate(struct partner *p)
{
    if (partner_is_client(p))
        begin_setup(p);
    else
        ask_for_setup(p);
}

/* As client. */

void partner_take_setup_response(struct partner *p, struct pdm_reader *body)
{
    const struct claim_bounds bounds = partner_bounds(p);
    char why[PRIMARY_WHY_MAX];
    uint32_t entries;
    uint64_t version;

    if (p->negotiation == NULL) {
        partner_refuse(p, "answers a SETUP that was not sent");
        return;
    }
    if (!negotiation_take_answer(p->negotiation, body, &entries, &version)) {
        partner_refuse(p, negotiation_why(p->negotiation));
        return;
    }
    if (!claim_list(&p->offered, &bounds, body, entries, version, why)) {
        partner_refuse(p, why);
        return;
    }
    struct parcel *parcel = negotiation_encapsulate(p->negotiation);
    if (parcel == NULL)
        partner_refuse(p, negotiation_why(p->negotiation));
    else
        partner_ask(p, parcel);
}

/* Whatever both have agreed on, and once it is confirmed the list that came with it. False: the
 * transaction is lost. */
static bool store_agreed(struct partner *p, bool confirmed, bool *taken)
{
    struct primary *primary = p->primary;
    const uint32_t pair = p->pair->row.pair;
    struct store_secret secret;
    bool stored = negotiation_secret(p->negotiation, primary_time(), &secret) &&
                  store_secret_add(primary->store, pair, &secret, taken);

    sodium_memzero(secret.pms, sizeof secret.pms);
    return stored &&
           (!confirmed ||
            (store_secret_confirm(primary->store, pair, secret.epoch, primary_time()) &&
             claim_store(&p->offered, primary->store, pair))) &&
           primary_pair_changed(primary, p->pair);
}

static void tell_agreed(const struct partner *p)
{
    const struct negotiation_terms *t = negotiation_terms(p->negotiation);

    log_info("peer %s: negotiation %" PRIu64 " done: mode %s, suite %s %s %s", partner_name(p),
             t->epoch, pdm_secmop_name(t->secmop), pdm_kem_name(t->suite.kem),
             pdm_kdf_name(t->suite.kdf), pdm_aead_name(t->suite.aead));
}

void partner_take_kem_response(struct partner *p, struct pdm_reader *body)
{
    bool taken = false;

    if (p->negotiation == NULL) {
        partner_refuse(p, "answers a KEM that was not sent");
        return;
    }
    if (!negotiation_take_confirmation(p->negotiation, body)) {
        partner_refuse(p, negotiation_why(p->negotiation));
        return;
    }
    if (!outbox_begin(&p->primary->outbox)) {
        partner_end(p);
        return;
    }
    if (!store_agreed(p, true, &taken)) {
        partner_refuse(p, taken ? "numbers the negotiation as one that was before"
                                : "agreed on a secret that cannot be kept now");
        return;
    }
    tell_agreed(p);
    p->told = p->pair->told = p->offered_own;
    partner_drop_negotiation(p);
    partner_answered(p);
    partner_tell_list(p); /* it shows that we have the secret */
}

void partner_take_negotiate(struct partner *p, struct pdm_reader *body)
{
    (void)body;
    pair_want(p->pair);
    partner_negotiate(p);
}

/* As server. */

static void refuse_setup(struct partner *p, uint8_t command, uint8_t status, const char *why)
{
    partner_send(p, negotiation_refusal(command, status));
    partner_refuse(p, why);
}

static void answer_setup(struct partner *p, uint64_t known)
{
    uint64_t epoch;

    if (!pair_may_negotiate(p->pair, clock_now()) || !outbox_begin(&p->primary->outbox)) {
        partner_send(p, negotiation_refusal(PDM_COMMAND_SETUP, PDM_REGISTRATION_LATER));
        partner_drop_negotiation(p);
        return;
    }
    if (!store_negotiation(p->primary->store, p->pair->row.pair, known, &epoch)) {
        partner_end(p);
        return;
    }
    if (epoch > STORE_EPOCH_MAX) {
        refuse_setup(p, PDM_COMMAND_SETUP, PDM_REGISTRATION_REFUSED,
                     "has used up the numbers of negotiations");
        return;
    }
    p->pair->row.negotiations = epoch + 1;
    p->offered_own = partner_own_list(p)->version;
    struct parcel *parcel = negotiation_answer(p->negotiation, epoch, partner_own_list(p));
    if (parcel == NULL)
        partner_refuse(p, "");
    else
        partner_send(p, parcel);
}

void partner_take_setup_request(struct partner *p, struct pdm_reader *body)
{
    const struct claim_bounds bounds = partner_bounds(p);
    char why[PRIMARY_WHY_MAX];
    const int64_t now = clock_now();
    uint64_t known, version;
    uint32_t entries;

    if (!bucket_take(&p->pair->setups, now, PRIMARY_SETUPS_RATE)) {
        partner_refuse(p, "negotiates too often");
        return;
    }
    if (p->use_by != INT64_MAX)
        p->use_by = now + PRIMARY_UNUSED_NS;
    partner_drop_negotiation(p);
    p->negotiation = negotiation_new(p->pair->peer);
    if (p->negotiation == NULL) {
        partner_end(p);
        return;
    }
    if (!negotiation_take_offer(p->negotiation, body, &known, &entries, &version))
        refuse_setup(p, PDM_COMMAND_SETUP, PDM_REGISTRATION_REFUSED,
                     negotiation_why(p->negotiation));
    else if (!negotiation_has_suite(p->negotiation))
        refuse_setup(p, PDM_COMMAND_SETUP, PDM_REGISTRATION_NO_SUITE,
                     "offers no suite that is accepted here; compare kem, kdf and aead");
    else if (!claim_list(&p->offered, &bounds, body, entries, version, why))
        refuse_setup(p, PDM_COMMAND_SETUP, PDM_REGISTRATION_REFUSED, why);
    else
        answer_setup(p, known);
}

void partner_take_kem_request(struct partner *p, struct pdm_reader *body)
{
    bool taken = false;

    if (p->negotiation == NULL) {
        refuse_setup(p, PDM_COMMAND_KEM, PDM_REGISTRATION_REFUSED,
                     "sent a KEM without a SETUP before it");
        return;
    }
    struct parcel *parcel = negotiation_take_encapsulation(p->negotiation, body);
    if (parcel == NULL) {
        refuse_setup(p, PDM_COMMAND_KEM, PDM_REGISTRATION_REFUSED, negotiation_why(p->negotiation));
        return;
    }
    if (!outbox_begin(&p->primary->outbox)) {
        parcel_drop(parcel);
        partner_drop_negotiation(p);
        partner_send(p, negotiation_refusal(PDM_COMMAND_KEM, PDM_REGISTRATION_LATER));
        return;
    }
    if (!store_agreed(p, false, &taken)) {
        parcel_drop(parcel);
        refuse_setup(p, PDM_COMMAND_KEM, PDM_REGISTRATION_REFUSED,
                     taken ? "agrees on a secret twice" : "agreed on one that cannot be kept now");
        return;
    }
    tell_agreed(p);
    p->told = p->offered_own;
    p->offered_epoch = negotiation_terms(p->negotiation)->epoch;
    negotiation_free(p->negotiation);
    p->negotiation = NULL;
    partner_send(p, parcel);
}
