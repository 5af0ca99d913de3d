/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Boneh-Franklin with n = 3072 against one modular exponentiation of GMP: modulus p, exponent of
 * p's length. The medians of what is measured in turns.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/ibc.h"

#define ROUNDS 21
#define M_LEN 32

static struct pdm_ibc_parameters parameters;
static struct pdm_ibc_recipient recipient;
static const uint8_t id[] = "2001:db8:1::a|0";
static uint8_t s[PDM_IBC_SECRET_LEN], p_pub[PDM_IBC_POINT_LEN], s_id[PDM_IBC_POINT_LEN];
static uint8_t rho[PDM_IBC_HASH_LEN], m[M_LEN], ciphertext[PDM_IBC_OVERHEAD + M_LEN];
static mpz_t base, exponent, modulus, result;

static double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static bool modexp(void)
{
    mpz_powm(result, base, exponent, modulus);
    return true;
}

static bool extract(void)
{
    return pdm_ibc_extract(&parameters, s, id, sizeof id - 1, s_id);
}

static bool encrypt(void)
{
    return pdm_ibc_encrypt(&parameters, p_pub, id, sizeof id - 1, rho, m, M_LEN, ciphertext);
}

static bool encrypt_to(void)
{
    return pdm_ibc_encrypt_to(&parameters, &recipient, rho, m, M_LEN, ciphertext);
}

static bool decrypt(void)
{
    return pdm_ibc_decrypt(&parameters, s_id, ciphertext, sizeof ciphertext, m, M_LEN);
}

static const struct {
    const char *name;
    bool (*run)(void);
} timed[] = {
    {"ibc_modexp", modexp},         {"ibc_extract", extract}, {"ibc_encrypt", encrypt},
    {"ibc_encrypt_to", encrypt_to}, {"ibc_decrypt", decrypt},
};
#define TIMED (sizeof timed / sizeof timed[0])

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void must(bool holds)
{
    if (!holds)
        exit(1);
}

static void start(void)
{
    uint8_t ikm[PDM_IBC_IKM_LEN], number[PDM_IBC_POINT_LEN / 2];

    must(sodium_init() >= 0 && pdm_ibc_parameters_init(&parameters, &pdm_ibc_3072));
    randombytes_buf(ikm, sizeof ikm);
    randombytes_buf(rho, sizeof rho);
    randombytes_buf(m, sizeof m);
    must(pdm_ibc_master(&parameters, ikm, s) && pdm_ibc_public(&parameters, s, p_pub) &&
         pdm_ibc_recipient_init(&parameters, p_pub, id, sizeof id - 1, &recipient));
    mpz_inits(base, exponent, modulus, result, NULL);
    mpz_import(modulus, pdm_ibc_3072.p_len, 1, 1, 1, 0, pdm_ibc_3072.p);
    randombytes_buf(number, sizeof number);
    mpz_import(base, sizeof number, 1, 1, 1, 0, number);
    mpz_mod(base, base, modulus);
    randombytes_buf(number, sizeof number);
    number[0] |= 0x80;
    mpz_import(exponent, sizeof number, 1, 1, 1, 0, number);
}

int main(void)
{
    static double took[TIMED][ROUNDS], ratio[TIMED][ROUNDS];

    start();
    for (size_t i = 0; i < ROUNDS; i++)
        for (size_t j = 0; j < TIMED; j++) {
            double began = now_ms();
            must(timed[j].run());
            took[j][i] = now_ms() - began;
            ratio[j][i] = took[j][i] / took[0][i];
        }
    for (size_t j = 0; j < TIMED; j++) {
        qsort(took[j], ROUNDS, sizeof took[j][0], compare);
        qsort(ratio[j], ROUNDS, sizeof ratio[j][0], compare);
        printf("%s_ms %.3f ms\n", timed[j].name, took[j][ROUNDS / 2]);
        if (j > 0)
            printf("%s_vs_modexp %.2f ratio\n", timed[j].name, ratio[j][ROUNDS / 2]);
    }
    return 0;
}
