/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Encapsulation against the bare scalar multiplications that it needs, one of the base point and
 * one of the receiver's, by the same libraries; the two in turns: prints the medians of the ratios.
 */
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/obj_mac.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/kem.h"
#include "core/suite.h"

#define PAIRS 41
#define SLICE 100

static uint8_t ikm[PDM_KEM_IKM_LEN], sk[PDM_KEM_SK_LEN], pk[PDM_KEM_PK_MAX];
static EC_GROUP *group;
static EC_POINT *receiver, *result;
static BIGNUM *scalar;
static BN_CTX *ctx;

static double now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void must(bool holds)
{
    if (!holds)
        exit(1);
}

static void bare_x25519(void)
{
    uint8_t enc[crypto_scalarmult_BYTES], dh[crypto_scalarmult_BYTES];

    must(crypto_scalarmult_base(enc, sk) == 0 && crypto_scalarmult(dh, sk, pk) == 0);
}

static void bare_p256(void)
{
    must(EC_POINT_mul(group, result, scalar, NULL, NULL, ctx) == 1 &&
         EC_POINT_mul(group, result, NULL, receiver, scalar, ctx) == 1);
}

static const struct {
    const char *name;
    uint16_t kem;
    void (*bare)(void);
} timed[] = {
    {"hpke_encap_vs_x25519", PDM_KEM_X25519, bare_x25519},
    {"hpke_encap_vs_p256", PDM_KEM_P256, bare_p256},
};

static void encap(uint16_t kem)
{
    uint8_t shared[PDM_KEM_SECRET_LEN], enc[PDM_KEM_PK_MAX];

    must(pdm_kem_encap(kem, pk, pdm_kem_npk(kem), ikm, shared, enc));
}

static void start(uint16_t kem)
{
    randombytes_buf(ikm, sizeof ikm);
    must(pdm_kem_generate(kem, ikm, sk, pk));
    if (kem != PDM_KEM_P256)
        return;
    group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    ctx = BN_CTX_new();
    must(group != NULL && ctx != NULL);
    receiver = EC_POINT_new(group);
    result = EC_POINT_new(group);
    scalar = BN_bin2bn(sk, sizeof sk, NULL);
    must(receiver != NULL && result != NULL && scalar != NULL &&
         EC_POINT_oct2point(group, receiver, pk, pdm_kem_npk(kem), ctx) == 1);
    BN_set_flags(scalar, BN_FLG_CONSTTIME);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median_ratio(size_t i)
{
    double ratio[PAIRS];

    for (int pair = 0; pair < PAIRS; pair++) {
        double began = now_us();
        for (int j = 0; j < SLICE; j++)
            encap(timed[i].kem);
        double between = now_us();
        for (int j = 0; j < SLICE; j++)
            timed[i].bare();
        ratio[pair] = (between - began) / (now_us() - between);
    }
    qsort(ratio, PAIRS, sizeof ratio[0], compare);
    return ratio[PAIRS / 2];
}

int main(void)
{
    must(sodium_init() >= 0);
    for (size_t i = 0; i < sizeof timed / sizeof timed[0]; i++) {
        start(timed[i].kem);
        printf("%s %.3f ratio\n", timed[i].name, median_ratio(i));
    }
    return 0;
}
