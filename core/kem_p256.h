/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The group of DHKEM(P-256, HKDF-SHA256): RFC 9180 section 7.1, by OpenSSL. Scalars are big-endian,
 * points uncompressed (SEC 1 section 2.3.3: 4, x, y).
 *
 * Thread-safe; not signal-safe: OpenSSL allocates. Its error queue is left as it was.
 */
#ifndef PDM_CORE_KEM_P256_H
#define PDM_CORE_KEM_P256_H

#include <stdbool.h>
#include <stdint.h>

#define PDM_P256_SK_LEN 32
#define PDM_P256_PK_LEN 65
#define PDM_P256_DH_LEN 32 /* the x coordinate */

/* 1 to order - 1: a private key. */
bool pdm_p256_in_range(const uint8_t sk[static PDM_P256_SK_LEN]);
/* False if SK is out of range, or memory is short. */
bool pdm_p256_public_key(const uint8_t *sk, uint8_t *pk);
/* False if SK is out of range, if PK is not an uncompressed point of the curve other than infinity,
 * or memory is short; DH is then wiped. */
bool pdm_p256_dh(const uint8_t *sk, const uint8_t *pk, uint8_t *dh);

#endif
