/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sealing an option against what libsodium needs for its 14 octets, in turns: prints the median of
 * the ratios.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/seal.h"

#define PAIRS 61
#define SLICE 20000

static const struct pdm_suite suite = {PDM_KEM_NONE, PDM_KDF_SHA256, PDM_AEAD_AES256GCM};
static struct pdm_sender sender;
static _Atomic uint64_t guard = 1;
static volatile uint8_t sink;

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double ours(void)
{
    static const uint8_t secret[PDM_NH_MAX] = {1}, seed[PDM_SEED_LEN] = {2};
    struct pdm_fields fields = {.psntp = 1};
    uint8_t option[PDM_OPTION_MAX];

    if (!pdm_sender_init(&sender, 1, &suite, secret, 0, 1, seed))
        exit(1);
    double began = now_ns();

    for (int i = 0; i < SLICE; i++) {
        if (pdm_seal(&sender, &guard, PDM_OPTION_TYPE, &fields, option) != PDM_SEALED)
            exit(1);
        sink = option[20];
    }
    return now_ns() - began;
}

static double bare(void)
{
    uint8_t key[32] = {1}, nonce[12] = {0}, aad[6] = {0}, text[14] = {0}, out[14], tag[16];
    double began = now_ns();

    for (int i = 0; i < SLICE; i++) {
        nonce[0] = (uint8_t)i;
        nonce[1] = (uint8_t)(i >> 8);
        crypto_aead_aes256gcm_encrypt_detached(out, tag, NULL, text, sizeof text, aad, sizeof aad,
                                               NULL, nonce, key);
        sink = tag[0];
    }
    return now_ns() - began;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

int main(void)
{
    double ratio[PAIRS];

    if (sodium_init() < 0 || !pdm_suite_usable(&suite))
        return 1;
    for (int i = 0; i < PAIRS; i++)
        ratio[i] = ours() / bare();
    qsort(ratio, PAIRS, sizeof ratio[0], compare);
    printf("seal_vs_libsodium %.3f ratio\n", ratio[PAIRS / 2]);
    return 0;
}
