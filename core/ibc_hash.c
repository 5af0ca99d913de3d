/* SPDX-License-Identifier: BSD-2-Clause */
/* HashToRange, HashBytes and HashToPoint (RFC 5091 sections 4.1, 4.2 and 4.4). */
#include "core/ibc_hash.h"

#include <sodium.h>
#include <string.h>

#define HASH_ROUNDS 2             /* of HashToRange */
#define RANGE_LIMBS PDM_IBC_LIMBS /* of what they give: not shorter than a modulus */

_Static_assert(RANGE_LIMBS * 8 >= HASH_ROUNDS * PDM_IBC_HASH_LEN, "the hashes fit");

static void sha256(const struct ibc_octets *parts, size_t count, uint8_t *out)
{
    crypto_hash_sha256_state state;

    crypto_hash_sha256_init(&state);
    for (size_t i = 0; i < count; i++)
        if (parts[i].len > 0)
            crypto_hash_sha256_update(&state, parts[i].at, parts[i].len);
    crypto_hash_sha256_final(&state, out);
    sodium_memzero(&state, sizeof(state));
}

const struct ibc_hash ibc_sha256 = {.len = crypto_hash_sha256_BYTES, .digest = sha256};

void ibc_hash_to_range(const struct ibc_hash *hash, const struct ibc_octets *s, size_t count,
                       const mp_limb_t *modulus, mp_size_t limbs, mp_limb_t *number)
{
    struct ibc_octets parts[1 + IBC_HASH_PARTS];
    uint8_t digest[(1 + HASH_ROUNDS) * PDM_IBC_HASH_LEN] = {0};
    mp_limb_t value[RANGE_LIMBS];
    mp_limb_t scratch[4 * RANGE_LIMBS]; /* more than mpn_sec_div_r asks for */

    for (size_t i = 0; i < count; i++)
        parts[1 + i] = s[i];
    for (size_t round = 0; round < HASH_ROUNDS; round++) {
        parts[0] = (struct ibc_octets){digest + round * hash->len, hash->len};
        hash->digest(parts, 1 + count, digest + (round + 1) * hash->len);
    }
    ibc_number_read(value, RANGE_LIMBS, digest + hash->len, HASH_ROUNDS * hash->len);
    mpn_sec_div_r(value, RANGE_LIMBS, modulus, limbs, scratch);
    memcpy(number, value, (size_t)limbs * sizeof(*number));
    sodium_memzero(digest, sizeof(digest));
    sodium_memzero(value, sizeof(value));
    sodium_memzero(scratch, sizeof(scratch));
}

void ibc_hash_mask(const struct ibc_hash *hash, const uint8_t *seed, const uint8_t *in,
                   uint8_t *out, size_t len)
{
    uint8_t key[PDM_IBC_HASH_LEN];
    uint8_t chain[PDM_IBC_HASH_LEN] = {0};
    uint8_t block[PDM_IBC_HASH_LEN];
    const struct ibc_octets parts[] = {{chain, hash->len}, {key, hash->len}};

    hash->digest(&(struct ibc_octets){seed, hash->len}, 1, key);
    for (size_t i = 0; i < len; i++) {
        if (i % hash->len == 0) {
            hash->digest(parts, 1, chain);
            hash->digest(parts, 2, block);
        }
        out[i] = in[i] ^ block[i % hash->len];
    }
    sodium_memzero(key, sizeof(key));
    sodium_memzero(block, sizeof(block));
}

/* y = HashToRange(id, p), x = (y^2 - 1)^((2p - 1)/3): every number has one cube root, as 3 does not
 * divide p - 1. */
void ibc_hash_to_curve(struct ibc_work *w, const struct ibc_hash *hash, const struct ibc_octets *id,
                       const mp_limb_t *root, struct ibc_point *r)
{
    const struct ibc_field *f = w->field;
    struct ibc_fp number;

    ibc_hash_to_range(hash, id, 1, f->p, f->limbs, number.limb);
    ibc_fp_from(w, &r->y, number.limb);
    ibc_square(w, &number, &r->y);
    ibc_sub(w, &number, &number, &f->one);
    ibc_power(w, &r->x, &number, root, f->limbs);
}
