/* SPDX-License-Identifier: BSD-2-Clause */
/* PRSEQ: every value once, and no pattern that a glance would find. */
#include <criterion/criterion.h>
#include <sodium.h>
#include <string.h>

#include "core/prseq.h"

enum { KEYS = 24 };

/* Keys as different and as alike as they come: the first ones are the weakest there are. */
static struct pdm_prseq numbered(unsigned n)
{
    uint8_t key[PDM_PRSEQ_KEY_LEN];
    switch (n) {
    case 0:
        memset(key, 0, sizeof(key));
        break;
    case 1:
        memset(key, 0xff, sizeof(key));
        break;
    case 2:
        memset(key, 0, sizeof(key));
        key[PDM_PRSEQ_KEY_LEN - 1] = 1;
        break;
    default: {
        uint8_t seed[randombytes_SEEDBYTES] = {(uint8_t)n};
        randombytes_buf_deterministic(key, sizeof(key), seed);
    }
    }
    struct pdm_prseq p;
    pdm_prseq_key(&p, key);
    return p;
}

Test(prseq, every_value_exactly_once)
{
    cr_assert(sodium_init() >= 0);
    for (unsigned n = 0; n < KEYS; n++) {
        struct pdm_prseq p = numbered(n);
        static bool seen[PDM_PRSEQ_MAX + 1];
        memset(seen, 0, sizeof(seen));
        for (uint32_t i = 0; i < PDM_PRSEQ_MAX; i++) {
            uint16_t v = pdm_prseq_at(&p, i);
            cr_assert(v >= 1 && v <= PDM_PRSEQ_MAX, "key %u index %u: %u", n, i, v);
            cr_assert(!seen[v], "key %u: %u twice", n, v);
            seen[v] = true;
        }
    }
}

/* Of two random permutations of 32767 values, about one value is in the same place in both. */
Test(prseq, different_keys_differ)
{
    cr_assert(sodium_init() >= 0);
    for (unsigned a = 3; a < KEYS; a++) {
        struct pdm_prseq p = numbered(a);
        struct pdm_prseq q = numbered(a == KEYS - 1 ? 3 : a + 1);
        unsigned same = 0;
        unsigned fixed = 0;
        for (uint32_t i = 0; i < PDM_PRSEQ_MAX; i++) {
            same += pdm_prseq_at(&p, i) == pdm_prseq_at(&q, i);
            fixed += pdm_prseq_at(&p, i) == i + 1;
        }
        cr_assert_lt(same, 12, "keys %u and its neighbour agree on %u", a, same);
        cr_assert_lt(fixed, 12, "key %u keeps %u in place", a, fixed);
    }
}

/* Each bit of the key is used: flipping it moves nearly all values. */
Test(prseq, every_key_bit_counts)
{
    cr_assert(sodium_init() >= 0);
    uint8_t key[PDM_PRSEQ_KEY_LEN];
    const uint8_t seed[randombytes_SEEDBYTES] = {99};
    randombytes_buf_deterministic(key, sizeof(key), seed);
    struct pdm_prseq p;
    pdm_prseq_key(&p, key);
    for (unsigned bit = 0; bit < 8 * PDM_PRSEQ_KEY_LEN; bit++) {
        key[bit / 8] ^= (uint8_t)(1U << bit % 8);
        struct pdm_prseq q;
        pdm_prseq_key(&q, key);
        key[bit / 8] ^= (uint8_t)(1U << bit % 8);
        unsigned same = 0;
        for (uint32_t i = 0; i < PDM_PRSEQ_MAX; i += 7) {
            same += pdm_prseq_at(&p, i) == pdm_prseq_at(&q, i);
        }
        cr_assert_lt(same, 4681, "bit %u does nothing", bit);
    }
}

/* The steps between neighbours, by their upper 6 bits: as even as those of random numbers. */
Test(prseq, neighbours_look_unrelated)
{
    cr_assert(sodium_init() >= 0);
    enum { BINS = 64 };
    for (unsigned n = 3; n < KEYS; n++) {
        struct pdm_prseq p = numbered(n);
        unsigned count[BINS] = {0};
        for (uint32_t i = 0; i + 1 < PDM_PRSEQ_MAX; i++) {
            unsigned step = (unsigned)(pdm_prseq_at(&p, i + 1) - pdm_prseq_at(&p, i)) & 0x7fff;
            count[step >> 9]++;
        }
        double chi = 0;
        double mean = (double)(PDM_PRSEQ_MAX - 1) / BINS;
        for (unsigned b = 0; b < BINS; b++) {
            chi += ((double)count[b] - mean) * ((double)count[b] - mean) / mean;
        }
        cr_assert_lt(chi, 63 + 6 * 11.3, "key %u: chi-square %f", n, chi);
    }
}
