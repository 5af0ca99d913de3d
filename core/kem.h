/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * DHKEM(X25519, HKDF-SHA256) and DHKEM(P-256, HKDF-SHA256) of RFC 9180 sections 4.1 and 7.1, by
 * their kem_id. Entropy comes from the caller, and each piece of it makes one key pair, never two.
 *
 * Public keys and enc are serialized, pdm_kem_npk(kem) octets; where they come with a length they
 * may come from anyone. All return false, with secrets wiped and nothing else promised of their
 * results, if the KEM is unknown, if a public key or enc is not a valid one (of P-256: 65 octets of
 * an uncompressed point on the curve; of X25519: 32 octets, and the Diffie-Hellman result not all
 * zero, which refuses all points of small order), or if OpenSSL could not do its part.
 *
 * sodium_init() must have been called. Thread-safe; not signal-safe: P-256 allocates, in OpenSSL.
 */
#ifndef PDM_CORE_KEM_H
#define PDM_CORE_KEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/limits.h"

/* Npk, which is Nenc: 32 or 65; 0 for an unknown KEM. */
size_t pdm_kem_npk(uint16_t kem);

/* DeriveKeyPair of section 7.1.3. */
bool pdm_kem_generate(uint16_t kem, const uint8_t ikm[static PDM_KEM_IKM_LEN],
                      uint8_t sk[static PDM_KEM_SK_LEN], uint8_t pk[static PDM_KEM_PK_MAX]);

/* To the holder of PK_R; IKM_E makes the ephemeral key pair. */
bool pdm_kem_encap(uint16_t kem, const uint8_t *pk_r, size_t pk_r_len,
                   const uint8_t ikm_e[static PDM_KEM_IKM_LEN],
                   uint8_t shared[static PDM_KEM_SECRET_LEN], uint8_t enc[static PDM_KEM_PK_MAX]);
/* SK_R and PK_R are one key pair of pdm_kem_generate. */
bool pdm_kem_decap(uint16_t kem, const uint8_t *enc, size_t enc_len,
                   const uint8_t sk_r[static PDM_KEM_SK_LEN], const uint8_t *pk_r,
                   uint8_t shared[static PDM_KEM_SECRET_LEN]);

/* The same, and SHARED shows the holder of SK_S, of one key pair with PK_S. */
bool pdm_kem_auth_encap(uint16_t kem, const uint8_t *pk_r, size_t pk_r_len,
                        const uint8_t sk_s[static PDM_KEM_SK_LEN], const uint8_t *pk_s,
                        const uint8_t ikm_e[static PDM_KEM_IKM_LEN],
                        uint8_t shared[static PDM_KEM_SECRET_LEN],
                        uint8_t enc[static PDM_KEM_PK_MAX]);
bool pdm_kem_auth_decap(uint16_t kem, const uint8_t *enc, size_t enc_len,
                        const uint8_t sk_r[static PDM_KEM_SK_LEN], const uint8_t *pk_r,
                        const uint8_t *pk_s, size_t pk_s_len,
                        uint8_t shared[static PDM_KEM_SECRET_LEN]);

#endif
