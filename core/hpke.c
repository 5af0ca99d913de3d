/* SPDX-License-Identifier: BSD-2-Clause */
/* The key schedule of RFC 9180 section 5.1. */
#include "core/hpke.h"

#include <sodium.h>

#include "core/cursor.h"
#include "core/hkdf.h"
#include "core/kem.h"

#define CONTEXT_MAX (1 + 2 * PDM_NH_MAX) /* key_schedule_context */

/* Lengths by RFC 9180 section 7.3. */
static const struct aead {
    uint16_t id;
    uint8_t nk;
    uint8_t nn;
} aeads[] = {
    {PDM_AEAD_AES128GCM, 16, PDM_NONCE_LEN},
    {PDM_AEAD_AES256GCM, PDM_KEY_LEN, PDM_NONCE_LEN},
    {PDM_AEAD_CHACHA20POLY1305, PDM_KEY_LEN, PDM_NONCE_LEN},
    {PDM_AEAD_EXPORT_ONLY, 0, 0},
};

#define AEADS (sizeof(aeads) / sizeof(aeads[0]))

static const struct {
    bool psk;
    bool auth;
} modes[PDM_HPKE_MODES] = {
    [PDM_HPKE_PSK] = {.psk = true},
    [PDM_HPKE_AUTH] = {.auth = true},
    [PDM_HPKE_AUTH_PSK] = {.psk = true, .auth = true},
};

static const struct aead *aead_of(uint16_t id)
{
    for (size_t i = 0; i < AEADS; i++) {
        if (aeads[i].id == id) {
            return &aeads[i];
        }
    }
    return NULL;
}

/* VerifyPSKInputs; a PSK must have 32 octets of entropy (section 5.1.2), so no fewer octets. */
static bool inputs_fit(const struct pdm_hpke_input *input)
{
    if ((unsigned)input->mode >= PDM_HPKE_MODES) {
        return false;
    }
    if (modes[input->mode].psk) {
        return input->psk_len >= PDM_PSK_LEN && input->psk_id_len > 0;
    }
    return input->psk_len == 0 && input->psk_id_len == 0;
}

/* How many octets of key_schedule_context there are; 0 if the KDF is unknown. */
static size_t schedule_context(const struct pdm_suite *suite, const struct pdm_hpke_input *input,
                               uint8_t out[static CONTEXT_MAX])
{
    uint8_t psk_id_hash[PDM_NH_MAX];
    uint8_t info_hash[PDM_NH_MAX];
    if (!pdm_labeled_extract(suite, NULL, 0, "psk_id_hash", input->psk_id, input->psk_id_len,
                             psk_id_hash) ||
        !pdm_labeled_extract(suite, NULL, 0, "info_hash", input->info, input->info_len,
                             info_hash)) {
        return 0;
    }
    struct pdm_writer w = pdm_writer(out, CONTEXT_MAX);
    pdm_write_u8(&w, (uint8_t)input->mode);
    pdm_write_bytes(&w, psk_id_hash, pdm_suite_nh(suite));
    pdm_write_bytes(&w, info_hash, pdm_suite_nh(suite));
    return CONTEXT_MAX - w.left;
}

static bool key_schedule(const struct pdm_suite *suite, const struct pdm_hpke_input *input,
                         const uint8_t shared[static PDM_KEM_SECRET_LEN], struct pdm_hpke *context)
{
    const struct aead *aead = aead_of(suite->aead);
    uint8_t info[CONTEXT_MAX];
    size_t info_len = schedule_context(suite, input, info);
    if (aead == NULL || info_len == 0) {
        return false;
    }
    uint8_t secret[PDM_NH_MAX];
    context->suite = *suite;
    bool done = pdm_labeled_extract(suite, shared, PDM_KEM_SECRET_LEN, "secret", input->psk,
                                    input->psk_len, secret) &&
                pdm_labeled_expand(suite, secret, "key", info, info_len, context->key, aead->nk) &&
                pdm_labeled_expand(suite, secret, "base_nonce", info, info_len, context->base_nonce,
                                   aead->nn) &&
                pdm_labeled_expand(suite, secret, "exp", info, info_len, context->exporter_secret,
                                   pdm_suite_nh(suite));
    sodium_memzero(secret, sizeof(secret));
    return done;
}

bool pdm_hpke_setup_sender(const struct pdm_suite *suite, const struct pdm_hpke_input *input,
                           const uint8_t *pk_r, size_t pk_r_len, const uint8_t *sk_s,
                           const uint8_t *pk_s, const uint8_t ikm_e[static PDM_KEM_IKM_LEN],
                           uint8_t enc[static PDM_KEM_PK_MAX], struct pdm_hpke *context)
{
    uint8_t shared[PDM_KEM_SECRET_LEN];
    sodium_memzero(context, sizeof(*context));
    if (!inputs_fit(input)) {
        return false;
    }
    bool done = modes[input->mode].auth
                    ? pdm_kem_auth_encap(suite->kem, pk_r, pk_r_len, sk_s, pk_s, ikm_e, shared, enc)
                    : pdm_kem_encap(suite->kem, pk_r, pk_r_len, ikm_e, shared, enc);
    done = done && key_schedule(suite, input, shared, context);
    sodium_memzero(shared, sizeof(shared));
    return done;
}

bool pdm_hpke_setup_receiver(const struct pdm_suite *suite, const struct pdm_hpke_input *input,
                             const uint8_t *enc, size_t enc_len,
                             const uint8_t sk_r[static PDM_KEM_SK_LEN], const uint8_t *pk_r,
                             const uint8_t *pk_s, size_t pk_s_len, struct pdm_hpke *context)
{
    uint8_t shared[PDM_KEM_SECRET_LEN];
    sodium_memzero(context, sizeof(*context));
    if (!inputs_fit(input)) {
        return false;
    }
    bool done =
        modes[input->mode].auth
            ? pdm_kem_auth_decap(suite->kem, enc, enc_len, sk_r, pk_r, pk_s, pk_s_len, shared)
            : pdm_kem_decap(suite->kem, enc, enc_len, sk_r, pk_r, shared);
    done = done && key_schedule(suite, input, shared, context);
    sodium_memzero(shared, sizeof(shared));
    return done;
}

bool pdm_hpke_export(const struct pdm_hpke *context, const uint8_t *exporter_context,
                     size_t exporter_context_len, uint8_t *out, size_t len)
{
    return pdm_labeled_expand(&context->suite, context->exporter_secret, "sec", exporter_context,
                              exporter_context_len, out, len);
}
