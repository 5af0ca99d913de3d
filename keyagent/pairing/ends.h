/* SPDX-License-Identifier: BSD-2-Clause */
/* One of the host's own addresses and a peer's, as the key of a table. */
#ifndef PDM_KEYAGENT_ENDS_H
#define PDM_KEYAGENT_ENDS_H

#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/limits.h"

struct ends {
    uint8_t own[PDM_ADDR_LEN];
    uint8_t peer[PDM_ADDR_LEN];
};

/* KEY is random: peers choose their addresses. */
static inline uint64_t ends_hash(const struct ends *ends,
                                 const uint8_t key[static crypto_shorthash_KEYBYTES])
{
    uint64_t hash;

    _Static_assert(sizeof hash == crypto_shorthash_BYTES, "hash");
    crypto_shorthash((uint8_t *)&hash, (const uint8_t *)ends, sizeof *ends, key);
    return hash;
}

static inline bool ends_equal(const struct ends *a, const struct ends *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

#endif
