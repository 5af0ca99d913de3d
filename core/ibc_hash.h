/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hashing of RFC 5091 sections 4.1, 4.2 and 4.4. Thread and signal safety: nothing is shared or
 * allocated. Time depends on lengths alone, but for HashToPoint, whose identity is public.
 */
#ifndef PDM_CORE_IBC_HASH_H
#define PDM_CORE_IBC_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "core/ibc_curve.h"

struct ibc_octets {
    const uint8_t *at;
    size_t len;
};

/* hashfcn: of the parts one after the other, LEN octets, at most PDM_IBC_HASH_LEN. */
struct ibc_hash {
    size_t len;
    void (*digest)(const struct ibc_octets *parts, size_t count, uint8_t *out);
};

extern const struct ibc_hash ibc_sha256;

/* LIMBS of NUMBER and MODULUS, whose highest is not 0. S has at most IBC_HASH_PARTS parts. */
#define IBC_HASH_PARTS 3
void ibc_hash_to_range(const struct ibc_hash *hash, const struct ibc_octets *s, size_t count,
                       const mp_limb_t *modulus, mp_size_t limbs, mp_limb_t *number);
/* HashBytes(len, seed) XOR in; the seed has the hash's length. */
void ibc_hash_mask(const struct ibc_hash *hash, const uint8_t *seed, const uint8_t *in,
                   uint8_t *out, size_t len);
/* Q' of HashToPoint, before it is multiplied by 12r; ROOT is (2p - 1) / 3. */
void ibc_hash_to_curve(struct ibc_work *w, const struct ibc_hash *hash, const struct ibc_octets *id,
                       const mp_limb_t *root, struct ibc_point *r);

#endif
