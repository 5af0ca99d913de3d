/* SPDX-License-Identifier: BSD-2-Clause */
/* Cipher suites by their RFC 9180 section 7 identifiers. Pure, signal-safe. */
#ifndef PDM_CORE_SUITE_H
#define PDM_CORE_SUITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PDM_KEM_NONE = 0x0000, PDM_KEM_P256 = 0x0010, PDM_KEM_X25519 = 0x0020 };
enum { PDM_KDF_SHA256 = 0x0001, PDM_KDF_SHA512 = 0x0003 };
enum { PDM_AEAD_AES256GCM = 0x0002, PDM_AEAD_CHACHA20POLY1305 = 0x0003 };

struct pdm_suite {
    uint16_t kem;
    uint16_t kdf;
    uint16_t aead;
};

/* Octets of the KDF's output (Nh): 32 or 64; 0 for an unknown KDF. */
size_t pdm_suite_nh(const struct pdm_suite *s);
/* Known identifiers, and an AEAD that this processor can do (AES-256-GCM needs AES-NI).
 * sodium_init() must have been called. */
bool pdm_suite_usable(const struct pdm_suite *s);
/* "x25519", "p256"; "sha256", "sha512"; "aes-256-gcm", "chacha20-poly1305"; or NULL. */
const char *pdm_kem_name(uint16_t kem);
const char *pdm_kdf_name(uint16_t kdf);
const char *pdm_aead_name(uint16_t aead);
/* The identifier, or 0. */
uint16_t pdm_kem_by_name(const char *name);
uint16_t pdm_kdf_by_name(const char *name);
uint16_t pdm_aead_by_name(const char *name);

#endif
