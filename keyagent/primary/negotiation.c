/* SPDX-License-Identifier: BSD-2-Clause */
/* One negotiation of a PairMasterSecret. */
#include "keyagent/primary/negotiation.h"

#include <sodium.h>
#include <string.h>

#include "core/kem.h"
#include "core/modes.h"
#include "keyagent/harden.h"
#include "keyagent/transcript_log.h"

enum stage { BEGUN, OFFERED, ANSWERED, ENCAPSULATED, AGREED, OVER };

/* Room for the fixed part of a SETUP's body and all that comes before its list. */
#define SETUP_HEAD 256

struct negotiation {
    const struct primary_peer *peer;
    enum stage stage;
    const char *why;
    struct negotiation_terms terms;
    bool has_suite;
    struct parcel *request; /* the SETUP's messages, as they were sent or came */
    struct parcel *response;
    uint8_t sk[PDM_KEM_SK_LEN]; /* the server's */
    uint8_t pk[PDM_KEM_PK_MAX];
    uint16_t pk_len;
    uint8_t pms[PDM_NH_MAX];
    uint8_t confirm[PDM_NH_MAX]; /* that the server shows */
};

struct negotiation *negotiation_new(const struct primary_peer *peer)
{
    struct negotiation *n = harden_alloc(1, sizeof *n);

    if (n != NULL)
        *n = (struct negotiation){.peer = peer, .why = ""};
    return n;
}

void negotiation_free(struct negotiation *n)
{
    if (n == NULL)
        return;
    parcel_drop(n->request);
    parcel_drop(n->response);
    sodium_free(n);
}

const char *negotiation_why(const struct negotiation *n)
{
    return n->why;
}

const struct negotiation_terms *negotiation_terms(const struct negotiation *n)
{
    return &n->terms;
}

bool negotiation_has_suite(const struct negotiation *n)
{
    return n->has_suite;
}

static bool refuse(struct negotiation *n, const char *why)
{
    n->why = why;
    return false;
}

static bool expect(struct negotiation *n, enum stage stage)
{
    return n->stage == stage || refuse(n, "sent a message out of order");
}

/* Identifiers. */

static void put_ids(struct pdm_writer *w, const uint16_t *id, uint8_t ids)
{
    for (uint8_t i = 0; i < ids; i++)
        pdm_write_u16(w, id[i]);
}

static bool has_id(const uint16_t *id, uint8_t ids, uint16_t wanted)
{
    for (uint8_t i = 0; i < ids; i++)
        if (id[i] == wanted)
            return true;
    return false;
}

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
        if (has_id(o->aead, head->aeads, suite.aead) && pdm_suite_usable(&suite)) {
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

            if (has_id(o->kem, head->kems, suite.kem) && has_id(o->kdf, head->kdfs, suite.kdf) &&
                pdm_kem_npk(suite.kem) > 0 && choose_aead(n, head, o, suite))
                return true;
        }
    return false;
}

/* The secrets, once all three messages are known. */

static bool confirm(struct negotiation *n, const struct parcel *kem)
{
    const struct parcel *said[] = {n->request, n->response, kem};
    struct pdm_hmac hmac;

    if (!pdm_confirm_begin(&n->terms.suite, n->pms, &hmac))
        return false;
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++)
        pdm_hmac_add(&hmac, said[i]->bytes, said[i]->len);
    pdm_hmac_final(&hmac, n->confirm);
    return true;
}

static bool derive(struct negotiation *n, const uint8_t shared[static PDM_KEM_SECRET_LEN],
                   const uint8_t salt[static PDM_SALT_LEN], const struct parcel *kem)
{
    const struct parcel *said[] = {n->request, n->response, kem};
    struct pdm_transcript transcript;
    uint8_t hash[PDM_NH_MAX];

    transcript_log("setup_request", n->request->bytes, n->request->len);
    transcript_log("setup_response", n->response->bytes, n->response->len);
    transcript_log("kem_request", kem->bytes, kem->len);
    transcript_log("kem_shared_secret", shared, PDM_KEM_SECRET_LEN);
    transcript_log("salt", salt, PDM_SALT_LEN);
    if (!pdm_transcript_init(&transcript, &n->terms.suite))
        return false;
    for (size_t i = 0; i < sizeof said / sizeof said[0]; i++)
        pdm_transcript_add(&transcript, said[i]->bytes, said[i]->len);
    pdm_transcript_final(&transcript, hash);
    return pdm_pms(&n->terms.suite, shared, salt, PDM_SALT_LEN, hash, n->pms) && confirm(n, kem);
}

/* The client. */

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

    if (!expect(n, BEGUN))
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
        return refuse(n, "accepts no suite that is offered here; compare kem, kdf and aead");
    if (head->status == PDM_REGISTRATION_LATER)
        return refuse(n, "cannot negotiate now");
    if (head->status != PDM_REGISTRATION_OK)
        return refuse(n, "refuses to negotiate");
    if (!has_id(p->kem, p->kems, head->kem) || !has_id(p->kdf, p->kdfs, head->kdf) ||
        !has_id(p->aead, p->aeads, head->aead))
        return refuse(n, "chose a suite that was not offered");
    if (head->secmop >= PDM_SECMOPS || head->poller >= PDM_SIDES ||
        head->unprotected >= PDM_UNPROTECTEDS)
        return refuse(n, "chose a mode of operation that is not known");
    if (p->has_secmop && head->secmop != p->secmop)
        return refuse(n, "chose another mode of operation than is configured here");
    if (head->epoch < n->terms.epoch || head->epoch > STORE_EPOCH_MAX)
        return refuse(n,
                      "numbers the negotiation as one that was before; is its store an old one?");
    return head->pk_len == pdm_kem_npk(head->kem) || refuse(n, "sent what is no public key");
}

bool negotiation_take_answer(struct negotiation *n, struct pdm_reader *body, uint32_t *entries,
                             uint64_t *version)
{
    const uint8_t *bytes = body->at;
    size_t len = body->left;
    struct pdm_setup_response head;

    if (!expect(n, OFFERED))
        return false;
    pdm_get_setup_response(body, &head);
    if (body->bad)
        return refuse(n, "sent an answer that is too short");
    if (!check_terms(n, &head))
        return false;
    pdm_read_bytes(body, n->pk, head.pk_len);
    if (body->bad)
        return refuse(n, "sent an answer that is too short");
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

    if (!expect(n, ANSWERED))
        return NULL;
    randombytes_buf(ikm, sizeof ikm);
    randombytes_buf(head.salt, sizeof head.salt);
    if (!pdm_kem_encap(n->terms.suite.kem, n->pk, n->pk_len, ikm, shared, enc)) {
        refuse(n, "sent what is no public key");
        goto out;
    }
    parcel = parcel_begin(PDM_REGISTRATION_SMALL, &w);
    pdm_put_kem_request(&w, &head);
    pdm_write_bytes(&w, enc, head.enc_len);
    parcel = parcel_end(parcel, &w, PDM_COMMAND_KEM, PDM_REQUEST);
    if (parcel == NULL)
        goto out;
    if (!derive(n, shared, head.salt, parcel)) {
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

    if (!expect(n, ENCAPSULATED))
        return false;
    pdm_get_kem_response(body, &head);
    if (body->bad || body->left > 0)
        return refuse(n, "sent a confirmation of another length");
    if (head.status == PDM_REGISTRATION_LATER)
        return refuse(n, "cannot keep a secret now");
    if (head.status != PDM_REGISTRATION_OK)
        return refuse(n, "refuses the encapsulated secret");
    if (head.hmac_len != nh || sodium_memcmp(head.hmac, n->confirm, nh) != 0)
        return refuse(n, "confirms something else than was said here: somebody may be changing "
                         "what is sent");
    n->stage = AGREED;
    return true;
}

/* The server. */

bool negotiation_take_offer(struct negotiation *n, struct pdm_reader *body, uint64_t *epoch,
                            uint32_t *entries, uint64_t *version)
{
    const uint8_t *bytes = body->at;
    size_t len = body->left;
    struct pdm_setup_request head;
    struct offered offered;

    if (!expect(n, BEGUN))
        return false;
    pdm_get_setup_request(body, &head);
    if (!take_ids(body, offered.kem, head.kems) || !take_ids(body, offered.kdf, head.kdfs) ||
        !take_ids(body, offered.aead, head.aeads))
        return refuse(n, "sent an offer that is too short, or of too many suites");
    if (head.epoch > STORE_EPOCH_MAX)
        return refuse(n, "counts more negotiations than there can be");
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

    if (!expect(n, OFFERED) || !n->has_suite)
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

    if (!expect(n, ANSWERED))
        return NULL;
    n->stage = OVER; /* one encapsulation for each public key */
    pdm_get_kem_request(body, &head);
    const uint8_t *enc = pdm_read_span(body, head.enc_len);
    if (body->bad || body->left > 0 || head.enc_len != n->pk_len) {
        refuse(n, "sent an encapsulation of another length");
        goto out;
    }
    if (!pdm_kem_decap(n->terms.suite.kem, enc, head.enc_len, n->sk, n->pk, shared)) {
        refuse(n, "sent what is no encapsulation");
        goto out;
    }
    kem = parcel_of(PDM_COMMAND_KEM, PDM_REQUEST, bytes, len);
    if (kem == NULL || !derive(n, shared, head.salt, kem))
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

bool negotiation_secret(const struct negotiation *n, int64_t now, struct store_secret *secret)
{
    const struct negotiation_terms *t = &n->terms;

    *secret = (struct store_secret){
        .epoch = t->epoch,
        .state = STORE_SECRET_PENDING,
        .suite = t->suite,
        .secmop = t->secmop,
        .poller = t->poller,
        .unprotected = t->unprotected,
        .lifetime_s = t->lifetime_s,
        .grace_s = t->grace_s,
        .made_at = now,
        .ends_at = t->lifetime_s > 0 ? now + t->lifetime_s + t->grace_s : 0,
    };
    memcpy(secret->pms, n->pms, sizeof secret->pms);
    return n->stage == AGREED && pdm_pms_tag(&t->suite, n->pms, t->epoch, secret->tag);
}
