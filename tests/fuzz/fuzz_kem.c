/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Public keys and encapsulated keys from anyone. The input is which KEM and how long the sender's
 * public key is (an octet each), that key, and enc.
 */
#include <openssl/bn.h>
#include <openssl/err.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core/kem.h"
#include "core/suite.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { HEAD = 2, COORDINATE = 32 };

struct octets {
    const uint8_t *at;
    size_t len;
};

struct own {
    uint8_t sk[PDM_KEM_SK_LEN];
    uint8_t pk[PDM_KEM_PK_MAX];
};

/* Of the curve y^2 = x^3 - 3x + b. */
static BN_CTX *ctx;
static BIGNUM *p;
static BIGNUM *b;
static struct own own[2];
static const uint16_t kems[2] = {PDM_KEM_X25519, PDM_KEM_P256};

static void must(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const uint8_t ikm[PDM_KEM_IKM_LEN] = {0x42};

    (void)argc;
    (void)argv;
    must(sodium_init() >= 0);
    must((ctx = BN_CTX_new()) != NULL);
    must(BN_hex2bn(&p, "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff") != 0);
    must(BN_hex2bn(&b, "5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b") != 0);
    for (size_t i = 0; i < 2; i++)
        must(pdm_kem_generate(kems[i], ikm, own[i].sk, own[i].pk));
    return 0;
}

/* The curve's equation, written out. */
static bool on_curve(const BIGNUM *x, const BIGNUM *y)
{
    BIGNUM *left = BN_new(), *right = BN_new();

    must(left != NULL && right != NULL);
    must(BN_mod_sqr(left, y, p, ctx) && BN_mod_sqr(right, x, p, ctx));
    must(BN_sub_word(right, 3) && BN_mod_mul(right, right, x, p, ctx));
    must(BN_mod_add(right, right, b, p, ctx));
    bool equal = BN_cmp(left, right) == 0;
    BN_free(left);
    BN_free(right);
    return equal;
}

static bool p256_valid(struct octets pk)
{
    if (pk.len != 1 + 2 * COORDINATE || pk.at[0] != 4)
        return false;
    BIGNUM *x = BN_bin2bn(pk.at + 1, COORDINATE, NULL);
    BIGNUM *y = BN_bin2bn(pk.at + 1 + COORDINATE, COORDINATE, NULL);
    must(x != NULL && y != NULL);
    bool valid = BN_cmp(x, p) < 0 && BN_cmp(y, p) < 0 && on_curve(x, y);
    BN_free(x);
    BN_free(y);
    return valid;
}

/* Points of small order come to nothing with every private key. */
static bool x25519_valid(struct octets pk)
{
    static const uint8_t one[PDM_KEM_SK_LEN] = {1};
    uint8_t out[crypto_scalarmult_BYTES];

    return pk.len == sizeof out && crypto_scalarmult(out, one, pk.at) == 0;
}

/* Whoever takes PK takes it if it is valid, and both ends come to the same. */
static void check_encap(uint16_t kem, const struct own *o, struct octets pk, bool valid)
{
    const size_t npk = pdm_kem_npk(kem);
    uint8_t ikm[PDM_KEM_IKM_LEN] = {7};
    uint8_t sent[PDM_KEM_SECRET_LEN], received[PDM_KEM_SECRET_LEN], enc[PDM_KEM_PK_MAX];

    memcpy(ikm + 1, pk.at, pk.len < sizeof ikm - 1 ? pk.len : sizeof ikm - 1);
    must(pdm_kem_encap(kem, pk.at, pk.len, ikm, sent, enc) == valid);
    must(pdm_kem_auth_encap(kem, pk.at, pk.len, o->sk, o->pk, ikm, sent, enc) == valid);
    must(pdm_kem_encap(kem, o->pk, npk, ikm, sent, enc));
    must(pdm_kem_decap(kem, enc, npk, o->sk, o->pk, received));
    must(memcmp(sent, received, sizeof sent) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    uint8_t shared[PDM_KEM_SECRET_LEN], again[PDM_KEM_SECRET_LEN];

    if (len < HEAD || len - HEAD < data[1])
        return 0;
    const size_t which = data[0] & 1;
    const uint16_t kem = kems[which];
    const struct own *o = &own[which];
    const struct octets pk_s = {data + HEAD, data[1]};
    const struct octets enc = {data + HEAD + data[1], len - HEAD - data[1]};
    const bool valid = kem == PDM_KEM_P256 ? p256_valid(enc) : x25519_valid(enc);
    const bool valid_s = kem == PDM_KEM_P256 ? p256_valid(pk_s) : x25519_valid(pk_s);

    must(pdm_kem_decap(kem, enc.at, enc.len, o->sk, o->pk, shared) == valid);
    must(pdm_kem_auth_decap(kem, enc.at, enc.len, o->sk, o->pk, pk_s.at, pk_s.len, again) ==
         (valid && valid_s));
    must(!(valid && valid_s) || memcmp(shared, again, sizeof shared) != 0);
    check_encap(kem, o, enc, valid);
    must(ERR_peek_error() == 0);
    return 0;
}
