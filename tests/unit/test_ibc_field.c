/* SPDX-License-Identifier: BSD-2-Clause */
/* F_p and F_p^2 against GMP's integers, at the edges of p and all over it, in fields of all sizes.
 */
#include <criterion/criterion.h>

#include "tests/unit/ibc_vectors.h"

#define CASES 300

static const struct ibc_section *const sections[] = {&ibc_1024, &ibc_3072, &ibc_7_3, &ibc_7_4};
#define SECTIONS (sizeof sections / sizeof sections[0])

struct operands {
    struct ibc_work w;
    mpz_t p, a, b, expected, got;
    struct ibc_fp x, y, r;
    gmp_randstate_t random;
};

static void start(struct operands *o, const struct ibc_field *field)
{
    ibc_work_init(&o->w, field);
    mpz_inits(o->p, o->a, o->b, o->expected, o->got, NULL);
    mpz_import(o->p, (size_t)field->limbs, -1, 8, 0, 0, field->p);
    gmp_randinit_default(o->random);
}

static void stop(struct operands *o)
{
    mpz_clears(o->p, o->a, o->b, o->expected, o->got, NULL);
    gmp_randclear(o->random);
}

/* The smallest and the greatest numbers first. */
static void choose(struct operands *o, mpz_t number, unsigned which)
{
    if (which < 3)
        mpz_set_ui(number, which);
    else if (which < 6)
        mpz_sub_ui(number, o->p, which - 2);
    else if (which < 8)
        mpz_fdiv_q_2exp(number, o->p, which - 5);
    else
        mpz_urandomm(number, o->random, o->p);
}

static void to_field(struct operands *o, struct ibc_fp *r, const mpz_t number)
{
    uint8_t octets[PDM_IBC_POINT_LEN / 2] = {0};
    size_t len = (mpz_sizeinbase(number, 2) + 7) / 8;

    mpz_export(octets + o->w.field->octets - len, NULL, 1, 1, 1, 0, number);
    if (mpz_sgn(number) == 0)
        memset(octets, 0, sizeof octets);
    cr_assert(ibc_fp_read(&o->w, r, octets));
}

static void check(struct operands *o, const char *what)
{
    uint8_t octets[PDM_IBC_POINT_LEN / 2];

    mpz_mod(o->expected, o->expected, o->p);
    ibc_fp_write(&o->w, &o->r, octets);
    mpz_import(o->got, o->w.field->octets, 1, 1, 1, 0, octets);
    cr_assert(mpz_cmp(o->got, o->expected) == 0, "%s", what);
}

static void check_two(struct operands *o)
{
    ibc_add(&o->w, &o->r, &o->x, &o->y);
    mpz_add(o->expected, o->a, o->b);
    check(o, "a + b");
    ibc_sub(&o->w, &o->r, &o->x, &o->y);
    mpz_sub(o->expected, o->a, o->b);
    check(o, "a - b");
    ibc_multiply(&o->w, &o->r, &o->x, &o->y);
    mpz_mul(o->expected, o->a, o->b);
    check(o, "ab");
    ibc_multiply_sub(&o->w, &o->r, &o->x, &o->x, &o->y, &o->y);
    mpz_mul(o->expected, o->a, o->a);
    mpz_submul(o->expected, o->b, o->b);
    check(o, "aa - bb");
    cr_assert_eq(ibc_equal(&o->w, &o->x, &o->y), mpz_cmp(o->a, o->b) == 0);
}

static void check_one(struct operands *o)
{
    ibc_double(&o->w, &o->r, &o->x);
    mpz_mul_ui(o->expected, o->a, 2);
    check(o, "2a");
    ibc_half(&o->w, &o->r, &o->x);
    ibc_double(&o->w, &o->r, &o->r);
    mpz_set(o->expected, o->a);
    check(o, "a/2 * 2");
    ibc_negate(&o->w, &o->r, &o->x);
    mpz_neg(o->expected, o->a);
    check(o, "-a");
    ibc_square(&o->w, &o->r, &o->x);
    mpz_mul(o->expected, o->a, o->a);
    check(o, "a^2");
    cr_assert_eq(ibc_is_zero(&o->w, &o->x), mpz_sgn(o->a) == 0);
    cr_assert_eq(ibc_invert(&o->w, &o->r, &o->x), mpz_sgn(o->a) != 0);
    if (mpz_sgn(o->a) == 0)
        return;
    mpz_invert(o->expected, o->a, o->p);
    check(o, "1/a");
}

/* The same in place, which the formulas of points use. */
static void check_extension(struct operands *o)
{
    struct ibc_fp2 u = {o->x, o->y}, v = {o->y, o->x}, r;

    ibc_multiply2(&o->w, &r, &u, &u);
    ibc_square2(&o->w, &u, &u);
    cr_assert(ibc_equal(&o->w, &r.re, &u.re) && ibc_equal(&o->w, &r.im, &u.im));
    o->r = u.re;
    mpz_mul(o->expected, o->a, o->a);
    mpz_submul(o->expected, o->b, o->b);
    check(o, "re (a + bi)^2");
    o->r = u.im;
    mpz_mul(o->expected, o->a, o->b);
    mpz_mul_ui(o->expected, o->expected, 2);
    check(o, "im (a + bi)^2");
    ibc_multiply2(&o->w, &v, &r, &v);
    o->r = v.im; /* (a + bi)^2 (b + ai) = i (a + bi)(a^2 + b^2) */
    mpz_mul(o->expected, o->a, o->a);
    mpz_addmul(o->expected, o->b, o->b);
    mpz_mul(o->expected, o->expected, o->a);
    check(o, "im (a + bi)^2 (b + ai)");
}

Test(ibc_field, against_integers)
{
    static struct pdm_ibc_parameters parameters;
    static struct operands o;
    for (size_t i = 0; i < SECTIONS; i++) {
        ibc_load(sections[i], &parameters);
        start(&o, &parameters.field);
        for (unsigned j = 0; j < CASES; j++) {
            choose(&o, o.a, j < 64 ? j % 8 : j);
            choose(&o, o.b, j < 64 ? j / 8 : j);
            to_field(&o, &o.x, o.a);
            to_field(&o, &o.y, o.b);
            check_one(&o);
            check_two(&o);
            check_extension(&o);
        }
        stop(&o);
    }
}

Test(ibc_field, powers)
{
    static struct pdm_ibc_parameters parameters;
    static struct operands o;
    ibc_load(&ibc_1024, &parameters);
    start(&o, &parameters.field);
    for (unsigned i = 0; i < 100; i++) {
        mp_limb_t exponent[2] = {i < 70 ? i + 1 : gmp_urandomb_ui(o.random, 60),
                                 i < 70 ? 0 : gmp_urandomb_ui(o.random, i % 64)};
        choose(&o, o.a, i);
        to_field(&o, &o.x, o.a);
        ibc_power(&o.w, &o.r, &o.x, exponent, 2);
        mpz_import(o.b, 2, -1, 8, 0, 0, exponent);
        mpz_powm(o.expected, o.a, o.b, o.p);
        check(&o, "a^e");
    }
    stop(&o);
}

/* p itself, and all bits set, are no elements; p - 1 is. */
Test(ibc_field, refuses_what_is_not_below_p)
{
    static struct pdm_ibc_parameters parameters;
    struct ibc_work w;
    struct ibc_fp r;
    uint8_t octets[PDM_IBC_POINT_LEN / 2];
    for (size_t i = 0; i < SECTIONS; i++) {
        ibc_load(sections[i], &parameters);
        ibc_work_init(&w, &parameters.field);
        ibc_value(sections[i], "p", octets, sections[i]->p_len);
        cr_assert(!ibc_fp_read(&w, &r, octets));
        octets[sections[i]->p_len - 1]--;
        cr_assert(ibc_fp_read(&w, &r, octets));
        memset(octets, 0xff, sizeof octets);
        cr_assert(!ibc_fp_read(&w, &r, octets));
    }
}

Test(ibc_field, refuses_what_is_no_modulus)
{
    static struct ibc_field field;
    static uint8_t p[PDM_IBC_LIMBS * 8 + 1] = {1};
    const size_t most = sizeof p - 1;
    cr_assert(!ibc_field_init(&field, p, most), "even");
    p[most - 1] = 1;
    cr_assert(ibc_field_init(&field, p, most));
    p[most] = 1;
    cr_assert(!ibc_field_init(&field, p, sizeof p), "too long");
    p[0] = 0;
    cr_assert(!ibc_field_init(&field, p, most), "shorter than it says");
}
