/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * LabeledExtract and LabeledExpand of RFC 9180 section 4 with the suite_id of section 5.1,
 * "HPKE" || kem_id || kdf_id || aead_id; the same with a KEM's own suite_id of section 4.1; and the
 * HMAC that they are made of. Signal-safe; nothing is allocated; intermediate values are wiped.
 */
#ifndef PDM_CORE_HKDF_H
#define PDM_CORE_HKDF_H

#include <sodium.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/limits.h"
#include "core/suite.h"

/* PRK gets pdm_suite_nh(suite) octets. False if the KDF is unknown. */
bool pdm_labeled_extract(const struct pdm_suite *suite, const uint8_t *salt, size_t salt_len,
                         const char *label, const uint8_t *ikm, size_t ikm_len,
                         uint8_t prk[static PDM_NH_MAX]);
/* PRK has pdm_suite_nh(suite) octets. False if the KDF is unknown or LEN is over 255 * Nh. */
bool pdm_labeled_expand(const struct pdm_suite *suite, const uint8_t *prk, const char *label,
                        const uint8_t *info, size_t info_len, uint8_t *out, size_t len);

/*
 * Inside a DHKEM over HKDF-SHA256: suite_id = "KEM" || kem_id, and the salt is empty. PRK and OUT
 * have PDM_KEM_SECRET_LEN octets: what is expanded there is as long as the hash.
 */
void pdm_kem_extract(uint16_t kem, const char *label, const uint8_t *ikm, size_t ikm_len,
                     uint8_t prk[static PDM_NH_MAX]);
void pdm_kem_expand(uint16_t kem, const uint8_t *prk, const char *label, const uint8_t *info,
                    size_t info_len, uint8_t out[static PDM_KEM_SECRET_LEN]);

/* HMAC with the KDF's hash, in pieces. */
struct pdm_hmac {
    uint16_t kdf;
    union {
        crypto_auth_hmacsha256_state sha256;
        crypto_auth_hmacsha512_state sha512;
    } state;
};

/* False if the KDF is unknown. */
bool pdm_hmac_init(struct pdm_hmac *m, const struct pdm_suite *suite, const uint8_t *key,
                   size_t key_len);
void pdm_hmac_add(struct pdm_hmac *m, const uint8_t *bytes, size_t len);
/* OUT gets pdm_suite_nh(suite) octets; wipes M. */
void pdm_hmac_final(struct pdm_hmac *m, uint8_t out[static PDM_NH_MAX]);

#endif
