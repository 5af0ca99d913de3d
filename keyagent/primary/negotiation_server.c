/* SPDX-License-Identifier: BSD-2-Clause */
/* The server's part in a negotiation. */
#include <sodium.h>
#include <string.h>

#include "keyagent/primary/negotiation_inside.h"
#include "keyagent/transcript_log.h"

static bool take_ids(struct pdm_reader *body, uint16_t id[static PDM_SUITES_MAX], uint8_t ids)
{
    if (ids > PDM_SUITES_MAX)
        return false;
    for (uint8_t i = 0; i < ids; i++)
        id[i] = pdm_read_u16(body);
    return !body->bad;
}

/* Each of its kinds by itself: whatever they are, together they must be usable here. */
struct offered {
    uint16_t kem[PDM_SUITES_MAX];
    uint16_t kdf[PDM_SUITES_MAX];
    uint16_t aead[PDM_SUITES_MAX];
};

static bool choose_aead(struct negotiation *n, const struct pdm_setup_request *head,
                        const struct offered *o, struct pdm_suite suite)
{
    for (uint8_t i = 0; i < n->peer->aeads; i++) {
        suite.aead = n->peer->aead[i];
        if (negotiation_has_id(o->aead, head->aeads, suite.aead) && pdm_suite_usable(&suite)) {
            n->terms.suite = suite;
            return true;
        }
    }
    return false;
}

static bool choose(struct negotiation *n, const struct pdm_setup_request *head,
                   const struct offered *o)
{
    for (uint8_t i = 0; i < n->peer->kems; i++)
        for (uint8_t j = 0; j < n->peer->kdfs; j++) {
            const struct pdm_suite suite = {.kem = n->peer->kem[i], .kdf = n->peer->kdf[j]};

            if (negotiation_has_id(o->kem, head->kems, suite.kem) &&
                negotiation_has_id(o->kdf, head->kdfs, suite.kdf) && pdm_kem_npk(suite.kem) > 0 &&
                choose_aead(n, head, o, suite))
                return true;
        }
    return false;
}

bool negotiation_take_offer(struct negotiation *n, struct pdm_reader *body, uint64_t *epoch,
                            uint32_t *entries, uint64_t *version)
{
    const uint8_t *bytes = body->at;
    size_t len = body->left;
    struct pdm_setup_request head;
    struct offered offered;

    if (!negotiation_expect(n, BEGUN))
        return false;
    pdm_get_setup_request(body, &head);
    if (!take_ids(body, offered.kem, head.kems) || !take_ids(body, offered.kdf, head.kdfs) ||
        !take_ids(body, offered.aead, head.aeads))
        return negotiation_refuse(n, "sent an offer that is too short, or of too many suites");
    if (head.epoch > STORE_EPOCH_MAX)
        return negotiation_refuse(n, "counts more negotiations than there can be");
    n->request = parcel_of(PDM_COMMAND_SETUP, PDM_REQUEST, bytes, len);
    if (n->request == NULL)
        return false;
    n->has_suite = choose(n, &head, &offered);
    *epoch = head.epoch;
    *entries = head.entries;
    *version = head.list_version;
    n->stage = OFFERED;
    return true;
}

static bool make_key_pair(struct negotiation *n)
{
    uint8_t ikm[PDM_KEM_IKM_LEN];

    randombytes_buf(ikm, sizeof ikm);
    bool made = pdm_kem_generate(n->terms.suite.kem, ikm, n->sk, n->pk);
    sodium_memzero(ikm, sizeof ikm);
    n->pk_len = (uint16_t)pdm_kem_npk(n->terms.suite.kem);
    return made;
}

static struct pdm_setup_response response_of(const struct negotiation *n, const struct list *own)
{
    const struct negotiation_terms *t = &n->terms;

    return (struct pdm_setup_response){.status = PDM_REGISTRATION_OK,
                                       .epoch = t->epoch,
                                       .kem = t->suite.kem,
                                       .kdf = t->suite.kdf,
                                       .aead = t->suite.aead,
                                       .secmop = t->secmop,
                                       .poller = t->poller,
                                       .unprotected = t->unprotected,
                                       .lifetime_s = t->lifetime_s,
                                       .grace_s = t->grace_s,
                                       .pk_len = n->pk_len,
                                       .list_version = own->version,
                                       .entries = (uint32_t)own->count};
}

struct parcel *negotiation_answer(struct negotiation *n, uint64_t epoch, const struct list *own)
{
    struct pdm_writer w;

    if (!negotiation_expect(n, OFFERED) || !n->has_suite)
        return NULL;
    n->terms.epoch = epoch;
    n->terms.secmop = n->peer->secmop;
    n->terms.poller = n->peer->poller;
    n->terms.unprotected = n->peer->unprotected;
    n->terms.lifetime_s = n->peer->lifetime_s;
    n->terms.grace_s = n->peer->grace_s;
    if (!make_key_pair(n))
        return NULL;
    const struct pdm_setup_response head = response_of(n, own);
    struct parcel *parcel = parcel_begin(SETUP_HEAD + list_octets(own), &w);
    pdm_put_setup_response(&w, &head);
    pdm_write_bytes(&w, n->pk, n->pk_len);
    list_put(own, &w);
    parcel = parcel_end(parcel, &w, PDM_COMMAND_SETUP, PDM_RESPONSE);
    if (parcel == NULL)
        return NULL;
    n->response = parcel_hold(parcel);
    n->stage = ANSWERED;
    return parcel;
}

struct parcel *negotiation_refusal(uint8_t command, uint8_t status)
{
    const struct pdm_setup_response setup = {.status = status};
    const struct pdm_kem_response kem = {.status = status};
    struct pdm_writer w;
    struct parcel *parcel = parcel_begin(PDM_REGISTRATION_SMALL, &w);

    if (command == PDM_COMMAND_SETUP)
        pdm_put_setup_response(&w, &setup);
    else
        pdm_put_kem_response(&w, &kem);
    return parcel_end(parcel, &w, command, PDM_RESPONSE);
}

/* Wiped when it has been sent: the HMAC shows that we have the secret, once. */
static struct parcel *confirmation(const struct negotiation *n)
{
    struct pdm_kem_response head = {.status = PDM_REGISTRATION_OK,
                                    .hmac_len = (uint8_t)pdm_suite_nh(&n->terms.suite)};
    struct pdm_writer w;
    struct parcel *parcel = parcel_begin(PDM_REGISTRATION_SMALL, &w);

    memcpy(head.hmac, n->confirm, head.hmac_len);
    pdm_put_kem_response(&w, &head);
    return parcel_end(parcel, &w, PDM_COMMAND_KEM, PDM_RESPONSE);
}

struct parcel *negotiation_take_encapsulation(struct negotiation *n, struct pdm_reader *body)
{
    const uint8_t *bytes = body->at;
    size_t len = body->left;
    uint8_t shared[PDM_KEM_SECRET_LEN];
    struct parcel *kem = NULL, *parcel = NULL;
    struct pdm_kem_request head;

    if (!negotiation_expect(n, ANSWERED))
        return NULL;
    n->stage = OVER; /* one encapsulation for each public key */
    pdm_get_kem_request(body, &head);
    const uint8_t *enc = pdm_read_span(body, head.enc_len);
    if (body->bad || body->left > 0 || head.enc_len != n->pk_len) {
        negotiation_refuse(n, "sent an encapsulation of another length");
        goto out;
    }
    if (!pdm_kem_decap(n->terms.suite.kem, enc, head.enc_len, n->sk, n->pk, shared)) {
        negotiation_refuse(n, "sent what is no encapsulation");
        goto out;
    }
    kem = parcel_of(PDM_COMMAND_KEM, PDM_REQUEST, bytes, len);
    if (kem == NULL || !negotiation_derive(n, shared, head.salt, kem))
        goto out;
    transcript_log("kem_private_key", n->sk, sizeof n->sk);
    parcel = confirmation(n);
    if (parcel != NULL)
        n->stage = AGREED;
out:
    parcel_drop(kem);
    sodium_memzero(n->sk, sizeof n->sk);
    sodium_memzero(shared, sizeof shared);
    return parcel;
}
