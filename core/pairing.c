/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages of a pairing, and what is computed for them. */
#include "core/pairing.h"

#include <sodium.h>
#include <string.h>

#include "core/hkdf.h"
#include "core/modes.h"

PDM_PAIRING_BODIES(PDM_DEFINE_BODY)

static const size_t length[PDM_PAIRING_TYPES] = {[PDM_PAIRING_HELLO] = PDM_PAIRING_HELLO_LEN,
                                                 [PDM_PAIRING_COOKIE] =
                                                     PDM_PAIRING_COOKIE_MESSAGE_LEN,
                                                 [PDM_PAIRING_INIT] = PDM_PAIRING_INIT_LEN,
                                                 [PDM_PAIRING_RESP] = PDM_PAIRING_RESP_LEN,
                                                 [PDM_PAIRING_DONE] = PDM_PAIRING_DONE_LEN};

enum pdm_pairing_type pdm_pairing_open(const uint8_t *bytes, size_t len, struct pdm_reader *r)
{
    *r = pdm_reader(bytes, len);
    uint8_t version = pdm_read_u8(r);
    uint8_t type = pdm_read_u8(r);
    bool good = version == PDM_PAIRING_VERSION && type > PDM_PAIRING_NONE &&
                type < PDM_PAIRING_TYPES && len == length[type];

    return good ? (enum pdm_pairing_type)type : PDM_PAIRING_NONE;
}

struct pdm_writer pdm_pairing_write(uint8_t *bytes, enum pdm_pairing_type type)
{
    struct pdm_writer w = pdm_writer(bytes, length[type]);

    pdm_write_u8(&w, PDM_PAIRING_VERSION);
    pdm_write_u8(&w, (uint8_t)type);
    return w;
}

void pdm_pairing_cookie(const uint8_t secret[static PDM_PAIRING_SECRET_LEN],
                        const uint8_t responder[static PDM_ADDR_LEN],
                        const uint8_t initiator[static PDM_ADDR_LEN],
                        uint8_t cookie[static PDM_PAIRING_COOKIE_LEN])
{
    uint8_t both[2 * PDM_ADDR_LEN];

    memcpy(both, responder, PDM_ADDR_LEN);
    memcpy(both + PDM_ADDR_LEN, initiator, PDM_ADDR_LEN);
    crypto_generichash(cookie, PDM_PAIRING_COOKIE_LEN, both, sizeof both, secret,
                       PDM_PAIRING_SECRET_LEN);
}

bool pdm_pairing_id(const struct pdm_suite *suite, const uint8_t init[static PDM_PAIRING_INIT_LEN],
                    uint8_t id[static PDM_PAIRING_ID_LEN])
{
    struct pdm_transcript t;
    uint8_t hash[PDM_NH_MAX];

    if (!pdm_transcript_init(&t, suite))
        return false;
    pdm_transcript_add(&t, init, PDM_PAIRING_INIT_LEN);
    pdm_transcript_final(&t, hash);
    memcpy(id, hash, PDM_PAIRING_ID_LEN);
    return true;
}

/* k, to the peer's identity. */
static bool encrypt(const struct pdm_pairing_side *side, const struct pdm_pairing_entropy *entropy,
                    uint8_t ciphertext[static PDM_PAIRING_CIPHERTEXT_LEN])
{
    char identity[PDM_IBC_IDENTITY_MAX];
    size_t len = pdm_ibc_identity(side->peer, side->epoch, identity, sizeof identity);

    return len > 0 && pdm_ibc_encrypt(side->parameters, side->p_pub, (const uint8_t *)identity, len,
                                      entropy->rho, entropy->k, sizeof entropy->k, ciphertext);
}

static bool decrypt(const struct pdm_pairing_side *side,
                    const uint8_t ciphertext[static PDM_PAIRING_CIPHERTEXT_LEN],
                    uint8_t k[static PDM_PAIRING_K_LEN])
{
    return pdm_ibc_decrypt(side->parameters, side->s_id, ciphertext, PDM_PAIRING_CIPHERTEXT_LEN, k,
                           PDM_PAIRING_K_LEN);
}

/* RESP's confirmation is not looked at. */
static bool derive(const struct pdm_suite *suite, const uint8_t init[static PDM_PAIRING_INIT_LEN],
                   const uint8_t resp[static PDM_PAIRING_RESP_LEN],
                   const uint8_t k_i[static PDM_PAIRING_K_LEN],
                   const uint8_t k_r[static PDM_PAIRING_K_LEN], uint8_t key[static PDM_NH_MAX],
                   uint8_t confirmation[static PDM_PAIRING_CONFIRM_LEN])
{
    struct pdm_transcript t;
    uint8_t hash[PDM_NH_MAX];

    if (!pdm_transcript_init(&t, suite))
        return false;
    pdm_transcript_add(&t, init, PDM_PAIRING_INIT_LEN);
    pdm_transcript_add(&t, resp, PDM_PAIRING_RESP_LEN - PDM_PAIRING_CONFIRM_LEN);
    pdm_transcript_final(&t, hash);
    return pdm_pair_device_key(suite, k_i, k_r, PDM_PAIRING_K_LEN, hash, key) &&
           pdm_labeled_expand(suite, key, "pdmv2 pair confirm", NULL, 0, confirmation,
                              PDM_PAIRING_CONFIRM_LEN);
}

static bool of_negotiation(const struct pdm_pairing_side *side, uint64_t epoch,
                           const uint8_t tag[static PDM_TAG_ID_LEN])
{
    return epoch == side->epoch && memcmp(tag, side->tag, PDM_TAG_ID_LEN) == 0;
}

bool pdm_pairing_begin(const struct pdm_pairing_side *side,
                       const uint8_t cookie[static PDM_PAIRING_COOKIE_LEN],
                       const struct pdm_pairing_entropy *entropy,
                       uint8_t init[static PDM_PAIRING_INIT_LEN])
{
    struct pdm_pairing_init body = {.epoch = side->epoch};
    struct pdm_writer w = pdm_pairing_write(init, PDM_PAIRING_INIT);

    memcpy(body.tag, side->tag, sizeof body.tag);
    memcpy(body.cookie, cookie, sizeof body.cookie);
    if (!encrypt(side, entropy, body.ciphertext))
        return false;
    pdm_put_pairing_init(&w, &body);
    return true;
}

bool pdm_pairing_respond(const struct pdm_pairing_side *side,
                         const uint8_t init[static PDM_PAIRING_INIT_LEN],
                         const struct pdm_pairing_entropy *entropy,
                         uint8_t resp[static PDM_PAIRING_RESP_LEN], uint8_t key[static PDM_NH_MAX])
{
    uint8_t k_i[PDM_PAIRING_K_LEN];
    struct pdm_pairing_init in = {0};
    struct pdm_pairing_resp body = {.epoch = side->epoch};
    struct pdm_reader r;
    struct pdm_writer w = pdm_pairing_write(resp, PDM_PAIRING_RESP);

    bool good = pdm_pairing_open(init, PDM_PAIRING_INIT_LEN, &r) == PDM_PAIRING_INIT;

    if (good)
        pdm_get_pairing_init(&r, &in);
    memcpy(body.tag, side->tag, sizeof body.tag);
    good = good && of_negotiation(side, in.epoch, in.tag) && decrypt(side, in.ciphertext, k_i) &&
           pdm_pairing_id(&side->suite, init, body.id) && encrypt(side, entropy, body.ciphertext);
    /* The confirmation is made of what is before it. */
    pdm_put_pairing_resp(&w, &body);
    good = good && derive(&side->suite, init, resp, k_i, entropy->k, key,
                          resp + PDM_PAIRING_RESP_LEN - PDM_PAIRING_CONFIRM_LEN);
    if (!good)
        sodium_memzero(key, PDM_NH_MAX);
    sodium_memzero(k_i, sizeof k_i);
    return good;
}

bool pdm_pairing_finish(const struct pdm_pairing_side *side,
                        const uint8_t init[static PDM_PAIRING_INIT_LEN],
                        const uint8_t k_i[static PDM_PAIRING_K_LEN],
                        const uint8_t resp[static PDM_PAIRING_RESP_LEN],
                        uint8_t key[static PDM_NH_MAX])
{
    uint8_t k_r[PDM_PAIRING_K_LEN];
    uint8_t id[PDM_PAIRING_ID_LEN];
    uint8_t confirmation[PDM_PAIRING_CONFIRM_LEN];
    struct pdm_pairing_resp in = {0};
    struct pdm_reader r;
    bool good = pdm_pairing_open(resp, PDM_PAIRING_RESP_LEN, &r) == PDM_PAIRING_RESP;

    if (good)
        pdm_get_pairing_resp(&r, &in);
    good = good && of_negotiation(side, in.epoch, in.tag) &&
           pdm_pairing_id(&side->suite, init, id) && memcmp(id, in.id, sizeof id) == 0 &&
           decrypt(side, in.ciphertext, k_r) &&
           derive(&side->suite, init, resp, k_i, k_r, key, confirmation) &&
           sodium_memcmp(confirmation, in.confirmation, sizeof confirmation) == 0;
    if (!good)
        sodium_memzero(key, PDM_NH_MAX);
    sodium_memzero(k_r, sizeof k_r);
    sodium_memzero(confirmation, sizeof confirmation);
    return good;
}

bool pdm_pairing_proof(const struct pdm_suite *suite, const uint8_t key[static PDM_NH_MAX],
                       uint8_t proof[static PDM_PAIRING_CONFIRM_LEN])
{
    return pdm_labeled_expand(suite, key, "pdmv2 pair done", NULL, 0, proof,
                              PDM_PAIRING_CONFIRM_LEN);
}
