/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Secrets at rest: sealed with XChaCha20-Poly1305 under a key file of 64 hexadecimal digits, each
 * bound to the place that it belongs to, so that what is sealed for one place opens in no other.
 */
#ifndef PDM_KEYAGENT_PRIMARY_VAULT_H
#define PDM_KEYAGENT_PRIMARY_VAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/limits.h"

#define VAULT_STORE_LEN 16
#define VAULT_OVERHEAD 40 /* octets that sealing adds: a nonce and a tag */

struct vault;

/* What is sealed belongs here. Pair 0 is none. */
struct vault_place {
    uint8_t store[VAULT_STORE_LEN];
    uint32_t pair;
    uint64_t epoch;
};

/* KEY: a file that only its owner can read. NULL after telling why. */
struct vault *vault_open(const char *key);
/* Wipes the key. NULL is allowed. */
void vault_close(struct vault *vault);

/* SEALED: LEN + VAULT_OVERHEAD octets. */
void vault_seal(const struct vault *vault, const struct vault_place *place, const uint8_t *plain,
                size_t len, uint8_t *sealed);
/*
 * PLAIN: LEN octets, of the LEN + VAULT_OVERHEAD that are SEALED. False, with PLAIN zeroed, if that
 * was not sealed with this key for this place.
 */
bool vault_unseal(const struct vault *vault, const struct vault_place *place, const uint8_t *sealed,
                  size_t len, uint8_t *plain);

#endif
