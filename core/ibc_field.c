/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * F_p and F_p^2 on GMP's functions of fixed-length words, which allocate nothing. Products are not
 * reduced before sums of them are complete: reduction costs as much as multiplication.
 */
#include "core/ibc_field.h"

#include <sodium.h>
#include <string.h>

_Static_assert(sizeof(mp_limb_t) == sizeof(uint64_t) && GMP_NAIL_BITS == 0, "words of 64 bits");

#define LIMB_BITS ((size_t)GMP_NUMB_BITS)
#define INVERSE_STEPS 5 /* each doubles the bits of -1/p that are right, from 3 */

void ibc_number_read(mp_limb_t *number, mp_size_t limbs, const uint8_t *octets, size_t len)
{
    memset(number, 0, (size_t)limbs * sizeof(*number));
    for (size_t i = 0; i < len; i++)
        number[i / 8] |= (mp_limb_t)octets[len - 1 - i] << (i % 8 * 8);
}

void ibc_number_write(const mp_limb_t *number, uint8_t *octets, size_t len)
{
    for (size_t i = 0; i < len; i++)
        octets[len - 1 - i] = (uint8_t)(number[i / 8] >> (i % 8 * 8));
}

unsigned ibc_number_bit(const mp_limb_t *number, mp_size_t limbs, size_t bit)
{
    return bit / LIMB_BITS < (size_t)limbs
               ? (unsigned)(number[bit / LIMB_BITS] >> (bit % LIMB_BITS) & 1)
               : 0;
}

size_t ibc_number_bits(const mp_limb_t *number, mp_size_t limbs)
{
    size_t bits = (size_t)limbs * LIMB_BITS;

    while (bits > 0 && ibc_number_bit(number, limbs, bits - 1) == 0)
        bits--;
    return bits;
}

struct ibc_window ibc_window(const mp_limb_t *number, mp_size_t limbs, size_t left)
{
    struct ibc_window window = {.bits = 1, .odd = ibc_number_bit(number, limbs, left - 1)};

    if (window.odd == 0)
        return window;
    unsigned value = 1;
    for (size_t bits = 2; bits <= IBC_WINDOW && bits <= left; bits++) {
        value = value << 1 | ibc_number_bit(number, limbs, left - bits);
        if ((value & 1) != 0)
            window = (struct ibc_window){.bits = bits, .odd = value};
    }
    return window;
}

/* R modulo p by doubling 1 as often as R has bits, and R^2 by as many again. */
static void find_powers(struct ibc_work *w, struct ibc_field *field)
{
    struct ibc_fp power = {{1}};
    size_t bits = (size_t)field->limbs * LIMB_BITS;

    for (size_t i = 0; i < bits; i++)
        ibc_double(w, &power, &power);
    field->one = power;
    for (size_t i = 0; i < bits; i++)
        ibc_double(w, &power, &power);
    field->square = power;
}

bool ibc_field_init(struct ibc_field *field, const uint8_t *p, size_t octets)
{
    struct ibc_work w;

    *field = (struct ibc_field){.octets = octets};
    field->limbs = (mp_size_t)((octets + 7) / 8);
    if (octets < 2 || field->limbs > PDM_IBC_LIMBS || p[0] == 0 || (p[octets - 1] & 1) == 0 ||
        mpn_sec_mul_itch(field->limbs, field->limbs) > 2 * PDM_IBC_LIMBS ||
        mpn_sec_sqr_itch(field->limbs) > 2 * PDM_IBC_LIMBS)
        return false;
    ibc_number_read(field->p, field->limbs, p, octets);
    mp_limb_t inverse = field->p[0];
    for (int i = 0; i < INVERSE_STEPS; i++)
        inverse *= 2 - field->p[0] * inverse;
    field->inverse = -inverse;
    ibc_work_init(&w, field);
    find_powers(&w, field);
    return true;
}

void ibc_work_init(struct ibc_work *w, const struct ibc_field *field)
{
    memset(w, 0, sizeof(*w));
    w->field = field;
}

void ibc_work_wipe(struct ibc_work *w)
{
    sodium_memzero(w, sizeof(*w));
}

/* A, with CARRY above it and below 2p, to below p. */
static void below_p(const struct ibc_field *f, mp_limb_t *a, mp_limb_t carry)
{
    mp_limb_t borrow = mpn_sub_n(a, a, f->p, f->limbs);

    mpn_cnd_add_n(borrow & (carry ^ 1), a, a, f->p, f->limbs);
}

void ibc_add(const struct ibc_work *w, struct ibc_fp *r, const struct ibc_fp *a,
             const struct ibc_fp *b)
{
    mp_limb_t carry = mpn_add_n(r->limb, a->limb, b->limb, w->field->limbs);

    below_p(w->field, r->limb, carry);
}

void ibc_double(const struct ibc_work *w, struct ibc_fp *r, const struct ibc_fp *a)
{
    mp_limb_t carry = mpn_lshift(r->limb, a->limb, w->field->limbs, 1);

    below_p(w->field, r->limb, carry);
}

void ibc_sub(const struct ibc_work *w, struct ibc_fp *r, const struct ibc_fp *a,
             const struct ibc_fp *b)
{
    const struct ibc_field *f = w->field;
    mp_limb_t borrow = mpn_sub_n(r->limb, a->limb, b->limb, f->limbs);

    mpn_cnd_add_n(borrow, r->limb, r->limb, f->p, f->limbs);
}

void ibc_negate(const struct ibc_work *w, struct ibc_fp *r, const struct ibc_fp *a)
{
    static const struct ibc_fp zero;

    ibc_sub(w, r, &zero, a);
}

void ibc_half(const struct ibc_work *w, struct ibc_fp *r, const struct ibc_fp *a)
{
    const struct ibc_field *f = w->field;
    mp_limb_t carry = mpn_cnd_add_n(a->limb[0] & 1, r->limb, a->limb, f->p, f->limbs);

    mpn_rshift(r->limb, r->limb, f->limbs, 1);
    r->limb[f->limbs - 1] |= carry << (LIMB_BITS - 1);
}

/* PRODUCT, below p * R, divided by R (Montgomery). */
static void reduce(const struct ibc_field *f, struct ibc_fp *r, mp_limb_t *product)
{
    for (mp_size_t i = 0; i < f->limbs; i++)
        product[i] = mpn_addmul_1(product + i, f->p, f->limbs, product[i] * f->inverse);
    mp_limb_t carry = mpn_add_n(r->limb, product + f->limbs, product, f->limbs);
    below_p(f, r->limb, carry);
}

static void product(struct ibc_work *w, mp_limb_t *r, const struct ibc_fp *a,
                    const struct ibc_fp *b)
{
    mpn_sec_mul(r, a->limb, w->field->limbs, b->limb, w->field->limbs, w->scratch);
}

/* A - B, both below p * R; what is negative goes up by p * R. */
static void sub_product(const struct ibc_field *f, mp_limb_t *a, const mp_limb_t *b)
{
    mp_limb_t borrow = mpn_sub_n(a, a, b, 2 * f->limbs);

    mpn_cnd_add_n(borrow, a + f->limbs, a + f->limbs, f->p, f->limbs);
}

void ibc_multiply(struct ibc_work *w, struct ibc_fp *r, const struct ibc_fp *a,
                  const struct ibc_fp *b)
{
    product(w, w->product[0], a, b);
    reduce(w->field, r, w->product[0]);
}

void ibc_square(struct ibc_work *w, struct ibc_fp *r, const struct ibc_fp *a)
{
    mpn_sec_sqr(w->product[0], a->limb, w->field->limbs, w->scratch);
    reduce(w->field, r, w->product[0]);
}

void ibc_multiply_sub(struct ibc_work *w, struct ibc_fp *r, const struct ibc_fp *a,
                      const struct ibc_fp *b, const struct ibc_fp *c, const struct ibc_fp *d)
{
    product(w, w->product[0], a, b);
    product(w, w->product[1], c, d);
    sub_product(w->field, w->product[0], w->product[1]);
    reduce(w->field, r, w->product[0]);
}

/* (a + bi)(c + di) = ac - bd + ((a + b)(c + d) - ac - bd)i */
void ibc_multiply2(struct ibc_work *w, struct ibc_fp2 *r, const struct ibc_fp2 *a,
                   const struct ibc_fp2 *b)
{
    const struct ibc_field *f = w->field;
    mp_limb_t(*t)[2 * PDM_IBC_LIMBS] = w->product;

    ibc_add(w, &w->term[0], &a->re, &a->im);
    ibc_add(w, &w->term[1], &b->re, &b->im);
    product(w, t[0], &a->re, &b->re);
    product(w, t[1], &a->im, &b->im);
    product(w, t[2], &w->term[0], &w->term[1]);
    sub_product(f, t[2], t[0]);
    sub_product(f, t[2], t[1]);
    sub_product(f, t[0], t[1]);
    reduce(f, &r->re, t[0]);
    reduce(f, &r->im, t[2]);
}

/* (a + bi)^2 = (a + b)(a - b) + 2abi */
void ibc_square2(struct ibc_work *w, struct ibc_fp2 *r, const struct ibc_fp2 *a)
{
    ibc_add(w, &w->term[0], &a->re, &a->im);
    ibc_sub(w, &w->term[1], &a->re, &a->im);
    ibc_multiply(w, &r->im, &a->re, &a->im);
    ibc_double(w, &r->im, &r->im);
    ibc_multiply(w, &r->re, &w->term[0], &w->term[1]);
}

bool ibc_fp_read(struct ibc_work *w, struct ibc_fp *r, const uint8_t *octets)
{
    const struct ibc_field *f = w->field;
    struct ibc_fp number;
    mp_limb_t difference[PDM_IBC_LIMBS];

    ibc_number_read(number.limb, f->limbs, octets, f->octets);
    bool below = mpn_sub_n(difference, number.limb, f->p, f->limbs) != 0;
    ibc_fp_from(w, r, number.limb);
    sodium_memzero(&number, sizeof(number));
    sodium_memzero(difference, sizeof(difference));
    return below;
}

void ibc_fp_from(struct ibc_work *w, struct ibc_fp *r, const mp_limb_t *number)
{
    memcpy(r->limb, number, (size_t)w->field->limbs * sizeof(*number));
    ibc_multiply(w, r, r, &w->field->square);
}

void ibc_fp_write(struct ibc_work *w, const struct ibc_fp *a, uint8_t *octets)
{
    static const struct ibc_fp one = {{1}};
    struct ibc_fp number;

    ibc_multiply(w, &number, a, &one);
    ibc_number_write(number.limb, octets, w->field->octets);
    sodium_memzero(&number, sizeof(number));
}

bool ibc_is_zero(const struct ibc_work *w, const struct ibc_fp *a)
{
    return sodium_is_zero((const uint8_t *)a->limb, (size_t)w->field->limbs * sizeof(mp_limb_t)) !=
           0;
}

bool ibc_equal(const struct ibc_work *w, const struct ibc_fp *a, const struct ibc_fp *b)
{
    return sodium_memcmp(a->limb, b->limb, (size_t)w->field->limbs * sizeof(mp_limb_t)) == 0;
}

/* Below p: one octet shorter. */
static void blind(struct ibc_work *w, struct ibc_fp *r)
{
    uint8_t octets[PDM_IBC_LIMBS * 8];
    uint8_t nonce[crypto_stream_chacha20_NONCEBYTES] = {0};

    _Static_assert(sizeof(w->seed) == crypto_stream_chacha20_KEYBYTES, "the seed is a key");
    memcpy(nonce, &w->inversions, sizeof(w->inversions));
    w->inversions++;
    crypto_stream_chacha20(octets, w->field->octets - 1, nonce, w->seed);
    ibc_number_read(r->limb, w->field->limbs, octets, w->field->octets - 1);
    sodium_memzero(octets, sizeof(octets));
}

/* 1/A modulo p of a plain number; its time depends on A. */
static bool invert_number(const struct ibc_field *f, struct ibc_fp *r, const struct ibc_fp *a)
{
    mp_limb_t u[PDM_IBC_LIMBS + 1] = {0};
    mp_limb_t v[PDM_IBC_LIMBS + 1] = {0};
    mp_limb_t gcd[PDM_IBC_LIMBS + 1];
    mp_limb_t cofactor[PDM_IBC_LIMBS + 1];
    mp_size_t size;

    mpn_copyi(u, a->limb, f->limbs);
    mpn_copyi(v, f->p, f->limbs);
    if (mpn_zero_p(u, f->limbs) || mpn_gcdext(gcd, cofactor, &size, u, f->limbs, v, f->limbs) != 1)
        return false;
    mp_size_t used = size < 0 ? -size : size;
    mpn_zero(r->limb, f->limbs);
    mpn_copyi(r->limb, cofactor, used);
    if (size < 0)
        mpn_sub_n(r->limb, f->p, r->limb, f->limbs);
    return gcd[0] == 1;
}

/* Of A times a number that nobody knows, which is taken out again. */
bool ibc_invert(struct ibc_work *w, struct ibc_fp *r, const struct ibc_fp *a)
{
    struct ibc_fp factor;
    struct ibc_fp blinded;

    blind(w, &factor);
    ibc_multiply(w, &blinded, a, &factor);
    bool inverted = invert_number(w->field, &blinded, &blinded);
    if (inverted) {
        ibc_multiply(w, r, &blinded, &factor);
        ibc_multiply(w, r, r, &w->field->square);
        ibc_multiply(w, r, r, &w->field->square);
    }
    sodium_memzero(&factor, sizeof(factor));
    return inverted;
}

void ibc_power(struct ibc_work *w, struct ibc_fp *r, const struct ibc_fp *a,
               const mp_limb_t *exponent, mp_size_t limbs)
{
    struct ibc_fp odd[IBC_WINDOW_ODD];
    struct ibc_fp result = w->field->one;
    struct ibc_window window;

    odd[0] = *a;
    ibc_square(w, &result, a);
    for (size_t i = 1; i < IBC_WINDOW_ODD; i++)
        ibc_multiply(w, &odd[i], &odd[i - 1], &result);
    result = w->field->one;
    for (size_t left = ibc_number_bits(exponent, limbs); left > 0; left -= window.bits) {
        window = ibc_window(exponent, limbs, left);
        for (size_t i = 0; i < window.bits; i++)
            ibc_square(w, &result, &result);
        if (window.odd != 0)
            ibc_multiply(w, &result, &result, &odd[window.odd / 2]);
    }
    *r = result;
}
