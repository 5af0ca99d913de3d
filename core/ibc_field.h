/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The fields of RFC 5091's type-1 curves: F_p, and F_p^2 as F_p[i] with i^2 = -1, which exists
 * since p = 3 (mod 4). Elements of F_p are kept in Montgomery form, below p, in as many 64-bit
 * words as p has. A result may be one of the operands. Thread and signal safety: a work area
 * belongs to one caller; nothing is allocated.
 *
 * Time does not depend on the elements, but for what says so; it depends on p and on exponents that
 * are called public.
 */
#ifndef PDM_CORE_IBC_FIELD_H
#define PDM_CORE_IBC_FIELD_H

#include <gmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/limits.h"

#define IBC_SEED_LEN 32

struct ibc_fp {
    mp_limb_t limb[PDM_IBC_LIMBS];
};

struct ibc_fp2 {
    struct ibc_fp re;
    struct ibc_fp im;
};

struct ibc_field {
    mp_size_t limbs;
    size_t octets;
    mp_limb_t p[PDM_IBC_LIMBS];
    mp_limb_t inverse;    /* -1/p modulo 2^64 */
    struct ibc_fp one;    /* R modulo p, R being 2^64 to the power of limbs */
    struct ibc_fp square; /* R^2 modulo p */
};

/*
 * What the operations need beside their operands, so that one call wipes it. SEED blinds
 * inversions, whose time depends on what is inverted: it is secret where that is, and made of the
 * same secret.
 */
struct ibc_work {
    const struct ibc_field *field;
    mp_limb_t product[3][2 * PDM_IBC_LIMBS];
    mp_limb_t scratch[2 * PDM_IBC_LIMBS];
    struct ibc_fp term[2];
    uint8_t seed[IBC_SEED_LEN];
    uint64_t inversions;
};

/* P has OCTETS octets, big-endian, and is odd; false if it does not fit. */
bool ibc_field_init(struct ibc_field *field, const uint8_t *p, size_t octets);

void ibc_work_init(struct ibc_work *w, const struct ibc_field *field);
void ibc_work_wipe(struct ibc_work *w);

/* FIELD's octets, big-endian. False if the number is not below p. */
bool ibc_fp_read(struct ibc_work *w, struct ibc_fp *r, const uint8_t *octets);
void ibc_fp_write(struct ibc_work *w, const struct ibc_fp *a, uint8_t *octets);
/* LIMBS of the field, of a number below p. */
void ibc_fp_from(struct ibc_work *w, struct ibc_fp *r, const mp_limb_t *number);

void ibc_add(const struct ibc_work *w, struct ibc_fp *r, const struct ibc_fp *a,
             const struct ibc_fp *b);
void ibc_sub(const struct ibc_work *w, struct ibc_fp *r, const struct ibc_fp *a,
             const struct ibc_fp *b);
void ibc_negate(const struct ibc_work *w, struct ibc_fp *r, const struct ibc_fp *a);
void ibc_double(const struct ibc_work *w, struct ibc_fp *r, const struct ibc_fp *a);
void ibc_half(const struct ibc_work *w, struct ibc_fp *r, const struct ibc_fp *a);
void ibc_multiply(struct ibc_work *w, struct ibc_fp *r, const struct ibc_fp *a,
                  const struct ibc_fp *b);
void ibc_square(struct ibc_work *w, struct ibc_fp *r, const struct ibc_fp *a);
/* ab - cd */
void ibc_multiply_sub(struct ibc_work *w, struct ibc_fp *r, const struct ibc_fp *a,
                      const struct ibc_fp *b, const struct ibc_fp *c, const struct ibc_fp *d);
/* False if A is 0. */
bool ibc_invert(struct ibc_work *w, struct ibc_fp *r, const struct ibc_fp *a);
/* The EXPONENT, of LIMBS words, is public and not 0. */
void ibc_power(struct ibc_work *w, struct ibc_fp *r, const struct ibc_fp *a,
               const mp_limb_t *exponent, mp_size_t limbs);

bool ibc_is_zero(const struct ibc_work *w, const struct ibc_fp *a);
bool ibc_equal(const struct ibc_work *w, const struct ibc_fp *a, const struct ibc_fp *b);

void ibc_multiply2(struct ibc_work *w, struct ibc_fp2 *r, const struct ibc_fp2 *a,
                   const struct ibc_fp2 *b);
void ibc_square2(struct ibc_work *w, struct ibc_fp2 *r, const struct ibc_fp2 *a);

/* Numbers outside the field. */

/* The octets are at most as many as LIMBS hold. */
void ibc_number_read(mp_limb_t *number, mp_size_t limbs, const uint8_t *octets, size_t len);
void ibc_number_write(const mp_limb_t *number, uint8_t *octets, size_t len);
unsigned ibc_number_bit(const mp_limb_t *number, mp_size_t limbs, size_t bit);
size_t ibc_number_bits(const mp_limb_t *number, mp_size_t limbs);

/*
 * Sliding windows over a public exponent or multiplier: of its LEFT lowest bits, those that the
 * next step takes off, and the odd number (or 0) that they end in.
 */
#define IBC_WINDOW 5
#define IBC_WINDOW_ODD (1 << (IBC_WINDOW - 1)) /* odd numbers that a window may hold */

struct ibc_window {
    size_t bits;
    unsigned odd;
};

struct ibc_window ibc_window(const mp_limb_t *number, mp_size_t limbs, size_t left);

#endif
