/* SPDX-License-Identifier: BSD-2-Clause */
/* From what a KEM made to the SharedSecret of two hosts. */
#include "core/modes.h"

#include "core/cursor.h"

bool pdm_transcript_init(struct pdm_transcript *t, const struct pdm_suite *suite)
{
    t->kdf = suite->kdf;
    switch (t->kdf) {
    case PDM_KDF_SHA256:
        crypto_hash_sha256_init(&t->state.sha256);
        return true;
    case PDM_KDF_SHA512:
        crypto_hash_sha512_init(&t->state.sha512);
        return true;
    default:
        return false;
    }
}

void pdm_transcript_add(struct pdm_transcript *t, const uint8_t *bytes, size_t len)
{
    if (len == 0) {
        return; /* BYTES may then be NULL, which libsodium does not take */
    }
    if (t->kdf == PDM_KDF_SHA256) {
        crypto_hash_sha256_update(&t->state.sha256, bytes, len);
    } else {
        crypto_hash_sha512_update(&t->state.sha512, bytes, len);
    }
}

void pdm_transcript_final(struct pdm_transcript *t, uint8_t hash[static PDM_NH_MAX])
{
    if (t->kdf == PDM_KDF_SHA256) {
        crypto_hash_sha256_final(&t->state.sha256, hash);
    } else {
        crypto_hash_sha512_final(&t->state.sha512, hash);
    }
    sodium_memzero(t, sizeof(*t));
}

/* OUT = X(SECRET, LABEL, INFO, Nh) */
static bool derive(const struct pdm_suite *suite, const uint8_t secret[static PDM_NH_MAX],
                   const char *label, const uint8_t *info, size_t info_len,
                   uint8_t out[static PDM_NH_MAX])
{
    return pdm_labeled_expand(suite, secret, label, info, info_len, out, pdm_suite_nh(suite));
}

bool pdm_pms(const struct pdm_suite *suite, const uint8_t kem_shared[static PDM_KEM_SECRET_LEN],
             const uint8_t *salt, size_t salt_len, const uint8_t hash[static PDM_NH_MAX],
             uint8_t pms[static PDM_NH_MAX])
{
    uint8_t prk[PDM_NH_MAX];
    bool done = pdm_labeled_extract(suite, salt, salt_len, "pdmv2 pms", kem_shared,
                                    PDM_KEM_SECRET_LEN, prk) &&
                derive(suite, prk, "pdmv2 transcript", hash, pdm_suite_nh(suite), pms);
    sodium_memzero(prk, sizeof(prk));
    return done;
}

bool pdm_pss_group(const struct pdm_suite *suite, const uint8_t pms[static PDM_NH_MAX],
                   uint16_t group_id, uint8_t pss[static PDM_NH_MAX])
{
    uint8_t info[sizeof(group_id)];
    struct pdm_writer w = pdm_writer(info, sizeof(info));
    pdm_write_u16(&w, group_id);
    return derive(suite, pms, "pdmv2 pss", info, sizeof(info), pss);
}

bool pdm_pss_server(const struct pdm_suite *suite, const uint8_t pms[static PDM_NH_MAX],
                    const uint8_t server[static PDM_ADDR_LEN], uint8_t pss[static PDM_NH_MAX])
{
    return derive(suite, pms, "pdmv2 pss", server, PDM_ADDR_LEN, pss);
}

bool pdm_pcs(const struct pdm_suite *suite, const uint8_t pss[static PDM_NH_MAX],
             const uint8_t client[static PDM_ADDR_LEN], uint8_t shared[static PDM_NH_MAX])
{
    return derive(suite, pss, "pdmv2 pcs", client, PDM_ADDR_LEN, shared);
}

bool pdm_poll_pcs(const struct pdm_suite *suite, const uint8_t pms[static PDM_NH_MAX],
                  const uint8_t client[static PDM_ADDR_LEN], uint8_t pcs[static PDM_NH_MAX])
{
    return derive(suite, pms, "pdmv2 pcs", client, PDM_ADDR_LEN, pcs);
}

bool pdm_poll_pss(const struct pdm_suite *suite, const uint8_t pcs[static PDM_NH_MAX],
                  const uint8_t server[static PDM_ADDR_LEN], uint8_t shared[static PDM_NH_MAX])
{
    return derive(suite, pcs, "pdmv2 pss", server, PDM_ADDR_LEN, shared);
}

bool pdm_confirm_begin(const struct pdm_suite *suite, const uint8_t pms[static PDM_NH_MAX],
                       struct pdm_hmac *confirm)
{
    uint8_t key[PDM_NH_MAX];
    bool done = derive(suite, pms, "pdmv2 confirm", NULL, 0, key) &&
                pdm_hmac_init(confirm, suite, key, pdm_suite_nh(suite));
    sodium_memzero(key, sizeof(key));
    return done;
}

bool pdm_ibc_master_ikm(const struct pdm_suite *suite, const uint8_t pms[static PDM_NH_MAX],
                        uint8_t ikm[static PDM_IBC_IKM_LEN])
{
    return pdm_labeled_expand(suite, pms, "pdmv2 ibc", NULL, 0, ikm, PDM_IBC_IKM_LEN);
}

bool pdm_pair_device_key(const struct pdm_suite *suite, const uint8_t *k_i, const uint8_t *k_r,
                         size_t len, const uint8_t hash[static PDM_NH_MAX],
                         uint8_t key[static PDM_NH_MAX])
{
    if (len == 0 || len > PDM_PAIR_KEY_MAX) {
        return false;
    }
    uint8_t salt[2 * PDM_PAIR_KEY_MAX];
    struct pdm_writer w = pdm_writer(salt, sizeof(salt));
    pdm_write_bytes(&w, k_i, len);
    pdm_write_bytes(&w, k_r, len);
    bool done =
        pdm_labeled_extract(suite, salt, 2 * len, "pdmv2 pair", hash, pdm_suite_nh(suite), key);
    sodium_memzero(salt, sizeof(salt));
    return done;
}
