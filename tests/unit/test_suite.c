/* SPDX-License-Identifier: BSD-2-Clause */
/* Suites by their identifiers and names. */
#include <criterion/criterion.h>
#include <sodium.h>

#include "core/suite.h"

Test(suite, known_and_unknown)
{
    cr_assert(sodium_init() >= 0);
    struct pdm_suite s = {PDM_KEM_NONE, PDM_KDF_SHA256, PDM_AEAD_CHACHA20POLY1305};
    cr_assert(pdm_suite_usable(&s));
    cr_assert_eq(pdm_suite_nh(&s), 32);
    s.kdf = PDM_KDF_SHA512;
    cr_assert(pdm_suite_usable(&s));
    cr_assert_eq(pdm_suite_nh(&s), 64);
    s.aead = PDM_AEAD_AES256GCM;
    cr_assert_eq(pdm_suite_usable(&s), crypto_aead_aes256gcm_is_available() == 1);
    s.aead = 0x0001; /* AES-128-GCM */
    cr_assert(!pdm_suite_usable(&s));
    s.aead = PDM_AEAD_CHACHA20POLY1305;
    s.kdf = 0x0002; /* HKDF-SHA384 */
    cr_assert(!pdm_suite_usable(&s));
    cr_assert_eq(pdm_suite_nh(&s), 0);
    s.kdf = PDM_KDF_SHA256;
    s.kem = PDM_KEM_X25519;
    cr_assert(pdm_suite_usable(&s));
    s.kem = PDM_KEM_P256;
    cr_assert(pdm_suite_usable(&s));
    s.kem = 0x0021; /* X448 */
    cr_assert(!pdm_suite_usable(&s));
}

Test(suite, names)
{
    cr_assert_str_eq(pdm_aead_name(PDM_AEAD_AES256GCM), "aes-256-gcm");
    cr_assert_str_eq(pdm_aead_name(PDM_AEAD_CHACHA20POLY1305), "chacha20-poly1305");
    cr_assert_null(pdm_aead_name(0));
    cr_assert_null(pdm_aead_name(1));
    cr_assert_eq(pdm_aead_by_name("aes-256-gcm"), PDM_AEAD_AES256GCM);
    cr_assert_eq(pdm_aead_by_name("chacha20-poly1305"), PDM_AEAD_CHACHA20POLY1305);
    cr_assert_eq(pdm_aead_by_name("aes-256"), 0);
    cr_assert_eq(pdm_aead_by_name("aes-256-gcm "), 0);
    cr_assert_eq(pdm_aead_by_name(""), 0);
}
