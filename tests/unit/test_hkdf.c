/* SPDX-License-Identifier: BSD-2-Clause */
/* LabeledExtract and LabeledExpand against RFC 9180's own test vectors. */
#include <criterion/criterion.h>
#include <sodium.h>
#include <string.h>

#include "core/hkdf.h"
#include "tests/vectors/core_vectors.h"

static struct pdm_suite suite_of(const struct vec_suite *v)
{
    return (struct pdm_suite){v->kem_id, v->kdf_id, v->aead_id};
}

Test(hkdf, rfc9180_extract)
{
    cr_assert(sodium_init() >= 0);
    for (size_t i = 0; i < VEC_COUNT(vec_labeled_extract); i++) {
        const struct vec_labeled_extract *v = &vec_labeled_extract[i];
        struct pdm_suite suite = suite_of(&v->suite);
        uint8_t prk[PDM_NH_MAX];
        cr_assert_eq(pdm_suite_nh(&suite), v->prk_len);
        cr_assert(
            pdm_labeled_extract(&suite, v->salt, v->salt_len, v->label, v->ikm, v->ikm_len, prk));
        cr_assert_arr_eq(prk, v->prk, v->prk_len, "row %zu", i);
    }
}

Test(hkdf, rfc9180_expand)
{
    cr_assert(sodium_init() >= 0);
    for (size_t i = 0; i < VEC_COUNT(vec_labeled_expand); i++) {
        const struct vec_labeled_expand *v = &vec_labeled_expand[i];
        struct pdm_suite suite = suite_of(&v->suite);
        uint8_t out[PDM_NH_MAX];
        cr_assert(
            pdm_labeled_expand(&suite, v->prk, v->label, v->info, v->info_len, out, v->out_len));
        cr_assert_arr_eq(out, v->out, v->out_len, "row %zu", i);
    }
}

/* Several blocks: against HKDF-Expand of RFC 5869 written out with one-shot HMAC calls. */
Test(hkdf, many_blocks)
{
    cr_assert(sodium_init() >= 0);
    const struct pdm_suite suite = {0, PDM_KDF_SHA256, PDM_AEAD_AES256GCM};
    enum { LEN = 100, BLOCK = 32 };
    const uint8_t prk[BLOCK] = {7};
    uint8_t message[BLOCK + 64];
    uint8_t expected[LEN + BLOCK];
    static const char labeled[] = "\x00\x64HPKE-v1HPKE\x00\x00\x00\x01\x00\x02label";
    const size_t labeled_len = sizeof(labeled) - 1;
    size_t before = 0;
    for (uint8_t n = 1; (n - 1) * BLOCK < LEN; n++) {
        memcpy(message + before, labeled, labeled_len);
        memcpy(message + before + labeled_len, "info", 4);
        message[before + labeled_len + 4] = n;
        uint8_t *block = expected + (n - 1) * BLOCK;
        crypto_auth_hmacsha256(block, message, before + labeled_len + 5, prk);
        memcpy(message, block, BLOCK);
        before = BLOCK;
    }
    uint8_t out[LEN + 1];
    out[LEN] = 0xee;
    cr_assert(pdm_labeled_expand(&suite, prk, "label", (const uint8_t *)"info", 4, out, LEN));
    cr_assert_arr_eq(out, expected, LEN);
    cr_assert_eq(out[LEN], 0xee);
}

Test(hkdf, refusals)
{
    cr_assert(sodium_init() >= 0);
    static uint8_t out[255 * PDM_NH_MAX + 1];
    const uint8_t prk[PDM_NH_MAX] = {0};
    struct pdm_suite suite = {0, PDM_KDF_SHA256, PDM_AEAD_AES256GCM};
    cr_assert(pdm_labeled_expand(&suite, prk, "x", NULL, 0, out, (size_t)255 * 32));
    cr_assert(!pdm_labeled_expand(&suite, prk, "x", NULL, 0, out, (size_t)255 * 32 + 1));
    suite.kdf = PDM_KDF_SHA512;
    cr_assert(pdm_labeled_expand(&suite, prk, "x", NULL, 0, out, (size_t)255 * 64));
    cr_assert(!pdm_labeled_expand(&suite, prk, "x", NULL, 0, out, (size_t)255 * 64 + 1));
    suite.kdf = 2;
    cr_assert(!pdm_labeled_expand(&suite, prk, "x", NULL, 0, out, 1));
    cr_assert(!pdm_labeled_extract(&suite, NULL, 0, "x", prk, 1, out));
}
