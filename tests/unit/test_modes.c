/* SPDX-License-Identifier: BSD-2-Clause */
/* The derivations above the flow against those of tests/vectors/modes.py. */
#include <criterion/criterion.h>
#include <sodium.h>

#include "core/modes.h"
#include "tests/unit/vector_file.h"

enum { TRANSCRIPT = 300, PIECES = 7 };

static struct pdm_suite suite_of(const struct vector *v)
{
    return (struct pdm_suite){(uint16_t)vector_number(v, "kem_id"),
                              (uint16_t)vector_number(v, "kdf_id"),
                              (uint16_t)vector_number(v, "aead_id")};
}

/* In pieces of every length up to PIECES, none included. */
static void check_transcript(const struct vector *v, const struct pdm_suite *suite,
                             const uint8_t *pms, uint8_t hash[static PDM_NH_MAX])
{
    uint8_t bytes[TRANSCRIPT];
    uint8_t confirm[PDM_NH_MAX];
    struct pdm_transcript transcript;
    struct pdm_hmac hmac;
    cr_assert_eq(vector_bytes(v, "transcript", bytes, sizeof(bytes)), sizeof(bytes));
    cr_assert(pdm_transcript_init(&transcript, suite));
    cr_assert(pdm_confirm_begin(suite, pms, &hmac));
    for (size_t at = 0, len = 0; at < sizeof(bytes); at += len, len = (len + 1) % PIECES) {
        len = len < sizeof(bytes) - at ? len : sizeof(bytes) - at;
        pdm_transcript_add(&transcript, len > 0 ? bytes + at : NULL, len);
        pdm_hmac_add(&hmac, len > 0 ? bytes + at : NULL, len);
    }
    pdm_transcript_final(&transcript, hash);
    pdm_hmac_final(&hmac, confirm);
    vector_check(v, "hash", hash, pdm_suite_nh(suite));
    vector_check(v, "confirm", confirm, pdm_suite_nh(suite));
    cr_assert(sodium_is_zero((const uint8_t *)&transcript, sizeof(transcript)));
    cr_assert(sodium_is_zero((const uint8_t *)&hmac, sizeof(hmac)));
}

static void check_secrets(const struct vector *v, const struct pdm_suite *suite, const uint8_t *pms)
{
    const size_t nh = pdm_suite_nh(suite);
    uint8_t client[PDM_ADDR_LEN];
    uint8_t server[PDM_ADDR_LEN];
    uint8_t given[PDM_NH_MAX];
    uint8_t shared[PDM_NH_MAX];
    cr_assert_eq(vector_bytes(v, "client", client, sizeof(client)), sizeof(client));
    cr_assert_eq(vector_bytes(v, "server", server, sizeof(server)), sizeof(server));

    cr_assert(pdm_pss_group(suite, pms, (uint16_t)vector_number(v, "group_id"), given));
    vector_check(v, "pss_group", given, nh);
    cr_assert(pdm_pcs(suite, given, client, shared));
    vector_check(v, "shared_group", shared, nh);

    cr_assert(pdm_pss_server(suite, pms, server, given));
    vector_check(v, "pss_server", given, nh);
    cr_assert(pdm_pcs(suite, given, client, shared));
    vector_check(v, "shared_server", shared, nh);

    cr_assert(pdm_poll_pcs(suite, pms, client, given));
    vector_check(v, "poll_pcs", given, nh);
    cr_assert(pdm_poll_pss(suite, given, server, shared));
    vector_check(v, "poll_shared", shared, nh);
}

static void check_ibc(const struct vector *v, const struct pdm_suite *suite, const uint8_t *pms,
                      const uint8_t hash[static PDM_NH_MAX])
{
    uint8_t ikm[PDM_IBC_IKM_LEN];
    uint8_t k_i[PDM_PAIR_KEY_MAX];
    uint8_t k_r[PDM_PAIR_KEY_MAX];
    uint8_t key[PDM_NH_MAX];
    size_t len = vector_bytes(v, "k_i", k_i, sizeof(k_i));
    cr_assert_eq(vector_bytes(v, "k_r", k_r, sizeof(k_r)), len);
    cr_assert(pdm_ibc_master_ikm(suite, pms, ikm));
    vector_check(v, "ibc_ikm", ikm, sizeof(ikm));
    cr_assert(pdm_pair_device_key(suite, k_i, k_r, len, hash, key));
    vector_check(v, "pair_key", key, pdm_suite_nh(suite));
}

Test(modes, vectors)
{
    cr_assert(sodium_init() >= 0);
    static struct vector v;
    FILE *file = vector_open("tests/vectors/modes.txt");
    unsigned suites = 0;
    while (vector_next(file, &v)) {
        const struct pdm_suite suite = suite_of(&v);
        uint8_t kem_shared[PDM_KEM_SECRET_LEN];
        uint8_t salt[PDM_SALT_LEN];
        uint8_t hash[PDM_NH_MAX];
        uint8_t pms[PDM_NH_MAX];
        vector_bytes(&v, "kem_shared", kem_shared, sizeof(kem_shared));
        vector_bytes(&v, "salt", salt, sizeof(salt));
        vector_bytes(&v, "hash", hash, sizeof(hash));
        cr_assert(pdm_pms(&suite, kem_shared, salt, sizeof(salt), hash, pms));
        vector_check(&v, "pms", pms, pdm_suite_nh(&suite));
        check_transcript(&v, &suite, pms, hash);
        check_secrets(&v, &suite, pms);
        check_ibc(&v, &suite, pms, hash);
        suites++;
    }
    fclose(file);
    cr_assert_eq(suites, 2 * 2 * 2);
}

/* A primary without AES-NI still derives what hosts with it use; an unknown KDF does nothing. */
Test(modes, refusals)
{
    cr_assert(sodium_init() >= 0);
    const struct pdm_suite unknown = {PDM_KEM_X25519, 2, PDM_AEAD_AES256GCM};
    const struct pdm_suite foreign = {PDM_KEM_X25519, PDM_KDF_SHA256, 9};
    const uint8_t in[PDM_NH_MAX + 1] = {1};
    uint8_t out[PDM_NH_MAX];
    struct pdm_transcript transcript;
    struct pdm_hmac hmac;
    cr_assert(!pdm_transcript_init(&transcript, &unknown));
    cr_assert(!pdm_pms(&unknown, in, in, PDM_SALT_LEN, in, out));
    cr_assert(!pdm_pss_group(&unknown, in, 1, out));
    cr_assert(!pdm_pss_server(&unknown, in, in, out));
    cr_assert(!pdm_pcs(&unknown, in, in, out));
    cr_assert(!pdm_poll_pcs(&unknown, in, in, out));
    cr_assert(!pdm_poll_pss(&unknown, in, in, out));
    cr_assert(!pdm_confirm_begin(&unknown, in, &hmac));
    cr_assert(!pdm_ibc_master_ikm(&unknown, in, out));
    cr_assert(!pdm_pair_device_key(&unknown, in, in, 32, in, out));
    cr_assert(pdm_pss_group(&foreign, in, 1, out));
    cr_assert(pdm_pair_device_key(&foreign, in, in, PDM_PAIR_KEY_MAX, in, out));
    cr_assert(!pdm_pair_device_key(&foreign, in, in, PDM_PAIR_KEY_MAX + 1, in, out));
    cr_assert(!pdm_pair_device_key(&foreign, in, in, 0, in, out));
}
