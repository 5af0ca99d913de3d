/* SPDX-License-Identifier: BSD-2-Clause */
/* The client's part in a negotiation. */
#include <sodium.h>

#include "keyagent/primary/negotiation_inside.h"

static void put_ids(struct pdm_writer *w, const uint16_t *id, uint8_t ids)
{
    for (uint8_t i = 0; i < ids; i++)
        pdm_write_u16(w, id[i]);
}

struct parcel *negotiation_offer(struct negotiation *n, uint64_t epoch, const struct list *own)
{
    const struct primary_peer *p = n->peer;
    const struct pdm_setup_request head = {.epoch = epoch,
                                           .kems = p->kems,
                                           .kdfs = p->kdfs,
                                           .aeads = p->aeads,
                                           .list_version = own->version,
                                           .entries = (uint32_t)own->count};
    struct pdm_writer w;

    if (!negotiation_expect(n, BEGUN))
        return NULL;
    struct parcel *parcel = parcel_begin(SETUP_HEAD + list_octets(own), &w);
    pdm_put_setup_request(&w, &head);
    put_ids(&w, p->kem, p->kems);
    put_ids(&w, p->kdf, p->kdfs);
    put_ids(&w, p->aead, p->aeads);
    list_put(own, &w);
    parcel = parcel_end(parcel, &w, PDM_COMMAND_SETUP, PDM_REQUEST);
    if (parcel == NULL)
        return NULL;
    n->request = parcel_hold(parcel);
    n->terms.epoch = epoch;
    n->stage = OFFERED;
    return parcel;
}

/* A server that names what was not offered, or less than is asked for here, is not answered. */
static bool check_terms(struct negotiation *n, const struct pdm_setup_response *head)
{
    const struct primary_peer *p = n->peer;

    if (head->status == PDM_REGISTRATION_NO_SUITE)
        return negotiation_refuse(
            n, "accepts no suite that is offered here; compare kem, kdf and aead");
    if (head->status == PDM_REGISTRATION_LATER)
        return negotiation_refuse(n, "cannot negotiate now");
    if (head->status != PDM_REGISTRATION_OK)
        return negotiation_refuse(n, "refuses to negotiate");
    if (!negotiation_has_id(p->kem, p->kems, head->kem) ||
        !negotiation_has_id(p->kdf, p->kdfs, head->kdf) ||
        !negotiation_has_id(p->aead, p->aeads, head->aead))
        return negotiation_refuse(n, "chose a suite that was not offered");
    if (head->secmop >= PDM_SECMOPS || head->poller >= PDM_SIDES ||
        head->unprotected >= PDM_UNPROTECTEDS)
        return negotiation_refuse(n, "chose a mode of operation that is not known");
    if (p->has_secmop && head->secmop != p->secmop)
        return negotiation_refuse(n, "chose another mode of operation than is configured here");
    if (head->epoch < n->terms.epoch || head->epoch > STORE_EPOCH_MAX)
        return negotiation_refuse(
            n, "numbers the negotiation as one that was before; is its store an old one?");
    return head->pk_len == pdm_kem_npk(head->kem) ||
           negotiation_refuse(n, "sent what is no public key");
}

bool negotiation_take_answer(struct negotiation *n, struct pdm_reader *body, uint32_t *entries,
                             uint64_t *version)
{
    const uint8_t *bytes = body->at;
    size_t len = body->left;
    struct pdm_setup_response head;

    if (!negotiation_expect(n, OFFERED))
        return false;
    pdm_get_setup_response(body, &head);
    if (body->bad)
        return negotiation_refuse(n, "sent an answer that is too short");
    if (!check_terms(n, &head))
        return false;
    pdm_read_bytes(body, n->pk, head.pk_len);
    if (body->bad)
        return negotiation_refuse(n, "sent an answer that is too short");
    n->response = parcel_of(PDM_COMMAND_SETUP, PDM_RESPONSE, bytes, len);
    if (n->response == NULL)
        return false;
    n->pk_len = head.pk_len;
    n->terms = (struct negotiation_terms){
        .epoch = head.epoch,
        .suite = {head.kem, head.kdf, head.aead},
        .secmop = head.secmop,
        .poller = head.poller,
        .unprotected = head.unprotected,
        .lifetime_s = head.lifetime_s,
        .grace_s = head.grace_s,
    };
    n->has_suite = true;
    *entries = head.entries;
    *version = head.list_version;
    n->stage = ANSWERED;
    return true;
}

struct parcel *negotiation_encapsulate(struct negotiation *n)
{
    struct pdm_kem_request head = {.enc_len = n->pk_len};
    uint8_t ikm[PDM_KEM_IKM_LEN], shared[PDM_KEM_SECRET_LEN], enc[PDM_KEM_PK_MAX];
    struct parcel *parcel = NULL;
    struct pdm_writer w;

    if (!negotiation_expect(n, ANSWERED))
        return NULL;
    randombytes_buf(ikm, sizeof ikm);
    randombytes_buf(head.salt, sizeof head.salt);
    if (!pdm_kem_encap(n->terms.suite.kem, n->pk, n->pk_len, ikm, shared, enc)) {
        negotiation_refuse(n, "sent what is no public key");
        goto out;
    }
    parcel = parcel_begin(PDM_REGISTRATION_SMALL, &w);
    pdm_put_kem_request(&w, &head);
    pdm_write_bytes(&w, enc, head.enc_len);
    parcel = parcel_end(parcel, &w, PDM_COMMAND_KEM, PDM_REQUEST);
    if (parcel == NULL)
        goto out;
    if (!negotiation_derive(n, shared, head.salt, parcel)) {
        parcel_drop(parcel);
        parcel = NULL;
        goto out;
    }
    n->stage = ENCAPSULATED;
out:
    sodium_memzero(ikm, sizeof ikm);
    sodium_memzero(shared, sizeof shared);
    return parcel;
}

bool negotiation_take_confirmation(struct negotiation *n, struct pdm_reader *body)
{
    const size_t nh = pdm_suite_nh(&n->terms.suite);
    struct pdm_kem_response head;

    if (!negotiation_expect(n, ENCAPSULATED))
        return false;
    pdm_get_kem_response(body, &head);
    if (body->bad || body->left > 0)
        return negotiation_refuse(n, "sent a confirmation of another length");
    if (head.status == PDM_REGISTRATION_LATER)
        return negotiation_refuse(n, "cannot keep a secret now");
    if (head.status != PDM_REGISTRATION_OK)
        return negotiation_refuse(n, "refuses the encapsulated secret");
    if (head.hmac_len != nh || sodium_memcmp(head.hmac, n->confirm, nh) != 0)
        return negotiation_refuse(
            n, "confirms something else than was said here: somebody may be changing "
               "what is sent");
    n->stage = AGREED;
    return true;
}
