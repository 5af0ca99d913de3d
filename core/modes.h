/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The derivations from what a KEM made to the SharedSecret of two hosts, by the mode of operation,
 * and what goes with them: the hash and the confirmation of a negotiation's transcript.
 *
 * Secrets have pdm_suite_nh(suite) octets in buffers of PDM_NH_MAX. All return false only for an
 * unknown KDF, but where said; the AEAD need not be one that this processor can do, for a primary
 * derives what others use. Pure, signal-safe.
 */
#ifndef PDM_CORE_MODES_H
#define PDM_CORE_MODES_H

#include <sodium.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/hkdf.h"
#include "core/limits.h"
#include "core/suite.h"

/* Hash(SETUP request || SETUP response || KEM request), or of other messages, in pieces, by the
 * KDF's hash. */
struct pdm_transcript {
    uint16_t kdf;
    union {
        crypto_hash_sha256_state sha256;
        crypto_hash_sha512_state sha512;
    } state;
};

bool pdm_transcript_init(struct pdm_transcript *t, const struct pdm_suite *suite);
void pdm_transcript_add(struct pdm_transcript *t, const uint8_t *bytes, size_t len);
/* HASH gets Nh octets; wipes T. */
void pdm_transcript_final(struct pdm_transcript *t, uint8_t hash[static PDM_NH_MAX]);

/* PMS = X(LabeledExtract(salt, "pdmv2 pms", kem_shared), "pdmv2 transcript", hash, Nh) */
bool pdm_pms(const struct pdm_suite *suite, const uint8_t kem_shared[static PDM_KEM_SECRET_LEN],
             const uint8_t *salt, size_t salt_len, const uint8_t hash[static PDM_NH_MAX],
             uint8_t pms[static PDM_NH_MAX]);

/* trusted-servers: PSS = X(PMS, "pdmv2 pss", group_id (2), Nh) */
bool pdm_pss_group(const struct pdm_suite *suite, const uint8_t pms[static PDM_NH_MAX],
                   uint16_t group_id, uint8_t pss[static PDM_NH_MAX]);
/* asymmetric-poll: PSS = X(PMS, "pdmv2 pss", server IP (16), Nh) */
bool pdm_pss_server(const struct pdm_suite *suite, const uint8_t pms[static PDM_NH_MAX],
                    const uint8_t server[static PDM_ADDR_LEN], uint8_t pss[static PDM_NH_MAX]);
/* From either: SharedSecret = X(PSS, "pdmv2 pcs", client IP (16), Nh) */
bool pdm_pcs(const struct pdm_suite *suite, const uint8_t pss[static PDM_NH_MAX],
             const uint8_t client[static PDM_ADDR_LEN], uint8_t shared[static PDM_NH_MAX]);

/* asymmetric-poll in which servers poll: PCS = X(PMS, "pdmv2 pcs", client IP (16), Nh), */
bool pdm_poll_pcs(const struct pdm_suite *suite, const uint8_t pms[static PDM_NH_MAX],
                  const uint8_t client[static PDM_ADDR_LEN], uint8_t pcs[static PDM_NH_MAX]);
/* SharedSecret = X(PCS, "pdmv2 pss", server IP (16), Nh) */
bool pdm_poll_pss(const struct pdm_suite *suite, const uint8_t pcs[static PDM_NH_MAX],
                  const uint8_t server[static PDM_ADDR_LEN], uint8_t shared[static PDM_NH_MAX]);

/* The HMAC over the transcript, under X(PMS, "pdmv2 confirm", "", Nh), in pieces: begin, and then
 * pdm_hmac_add() and pdm_hmac_final(). To be compared by sodium_memcmp(). */
bool pdm_confirm_begin(const struct pdm_suite *suite, const uint8_t pms[static PDM_NH_MAX],
                       struct pdm_hmac *confirm);

/* ibc: X(PMS, "pdmv2 ibc", "", 64) */
bool pdm_ibc_master_ikm(const struct pdm_suite *suite, const uint8_t pms[static PDM_NH_MAX],
                        uint8_t ikm[static PDM_IBC_IKM_LEN]);
/* PairDeviceKey = LabeledExtract(k_i || k_r, "pdmv2 pair", hash); both of LEN octets. False if LEN
 * is 0 or over PDM_PAIR_KEY_MAX, too. */
bool pdm_pair_device_key(const struct pdm_suite *suite, const uint8_t *k_i, const uint8_t *k_r,
                         size_t len, const uint8_t hash[static PDM_NH_MAX],
                         uint8_t key[static PDM_NH_MAX]);

#endif
