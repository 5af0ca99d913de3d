/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * P-256 by OpenSSL's points rather than its keys: a scalar and a point are all there is, and what
 * makes a key of octets (EC_KEY) is deprecated or (EVP_PKEY) needs the public half given first.
 * EC_POINT_mul with one scalar is what OpenSSL's own ECDH uses, in constant time.
 */
#include "core/kem_p256.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>
#include <sodium.h>

#define UNCOMPRESSED 4

struct p256 {
    EC_GROUP *group;
    BN_CTX *ctx;
    BIGNUM *scalar;
    EC_POINT *point;  /* the other's */
    EC_POINT *result; /* secret, in a Diffie-Hellman */
};

static void finish(struct p256 *p)
{
    EC_POINT_clear_free(p->result);
    EC_POINT_free(p->point);
    BN_clear_free(p->scalar);
    BN_CTX_free(p->ctx);
    EC_GROUP_free(p->group);
    /* A TLS connection of the same thread would take what we leave there for its own. */
    ERR_pop_to_mark();
}

/* True if SK is a private key; finish() is due either way. */
static bool begin(struct p256 *p, const uint8_t *sk)
{
    ERR_set_mark();
    p->group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    p->ctx = BN_CTX_secure_new();
    p->scalar = BN_secure_new();
    if (p->group == NULL || p->ctx == NULL || p->scalar == NULL) {
        return false;
    }
    p->point = EC_POINT_new(p->group);
    p->result = EC_POINT_new(p->group);
    if (p->point == NULL || p->result == NULL ||
        BN_bin2bn(sk, PDM_P256_SK_LEN, p->scalar) == NULL) {
        return false;
    }
    BN_set_flags(p->scalar, BN_FLG_CONSTTIME);
    return !BN_is_zero(p->scalar) && BN_cmp(p->scalar, EC_GROUP_get0_order(p->group)) < 0;
}

/* The x coordinate of the result: infinity has none, and fails. */
static bool affine_x(struct p256 *p, uint8_t *dh)
{
    BIGNUM *x = BN_secure_new();
    bool done = x != NULL &&
                EC_POINT_get_affine_coordinates(p->group, p->result, x, NULL, p->ctx) == 1 &&
                BN_bn2binpad(x, dh, PDM_P256_DH_LEN) == PDM_P256_DH_LEN;
    BN_clear_free(x);
    return done;
}

bool pdm_p256_in_range(const uint8_t sk[static PDM_P256_SK_LEN])
{
    struct p256 p = {0};
    bool in_range = begin(&p, sk);
    finish(&p);
    return in_range;
}

bool pdm_p256_public_key(const uint8_t *sk, uint8_t *pk)
{
    struct p256 p = {0};
    bool done = begin(&p, sk) &&
                EC_POINT_mul(p.group, p.result, p.scalar, NULL, NULL, p.ctx) == 1 &&
                EC_POINT_point2oct(p.group, p.result, POINT_CONVERSION_UNCOMPRESSED, pk,
                                   PDM_P256_PK_LEN, p.ctx) == PDM_P256_PK_LEN;
    finish(&p);
    return done;
}

/* EC_POINT_oct2point sees to the coordinates' range and to the curve, but takes other forms too. */
bool pdm_p256_dh(const uint8_t *sk, const uint8_t *pk, uint8_t *dh)
{
    struct p256 p = {0};
    bool done = begin(&p, sk) && pk[0] == UNCOMPRESSED &&
                EC_POINT_oct2point(p.group, p.point, pk, PDM_P256_PK_LEN, p.ctx) == 1 &&
                EC_POINT_mul(p.group, p.result, NULL, p.point, p.scalar, p.ctx) == 1 &&
                affine_x(&p, dh);
    finish(&p);
    if (!done) {
        sodium_memzero(dh, PDM_P256_DH_LEN);
    }
    return done;
}
