/* SPDX-License-Identifier: BSD-2-Clause */
/* Points, hashes and the pairing: RFC 5091 section 7, bilinearity, and what is of another order. */
#include <criterion/criterion.h>

#include "tests/unit/ibc_vectors.h"

static struct pdm_ibc_parameters parameters;
static struct ibc_work w;

static void start(const struct ibc_section *s)
{
    ibc_load(s, &parameters);
    ibc_work_init(&w, &parameters.field);
}

static void read_point(const struct ibc_section *s, const char *name, struct ibc_point *r)
{
    uint8_t octets[PDM_IBC_POINT_LEN];
    ibc_coordinates(s, name, octets);
    cr_assert(ibc_point_read(&w, r, octets), "%s", name);
}

static bool same(const struct ibc_point *a, const struct ibc_point *b)
{
    return ibc_equal(&w, &a->x, &b->x) && ibc_equal(&w, &a->y, &b->y);
}

/* e'(A, B) as RFC 5091 has it. */
static void pair(const struct ibc_point *a, const struct ibc_point *b, struct ibc_fp2 *r)
{
    struct ibc_unitary base;
    cr_assert(ibc_pairing(&w, &parameters, a, b, &base));
    ibc_unitary_power(&w, r, &base, parameters.pairing.limb, w.field->limbs,
                      parameters.pairing.bits);
}

static bool same2(const struct ibc_fp2 *a, const struct ibc_fp2 *b)
{
    return ibc_equal(&w, &a->re, &b->re) && ibc_equal(&w, &a->im, &b->im);
}

Test(ibc_pairing, rfc5091_7_1)
{
    struct ibc_point a, product;
    uint8_t l[17];
    mp_limb_t number[3];
    start(&ibc_7_1);
    read_point(&ibc_7_1, "A", &a);
    ibc_value(&ibc_7_1, "l", l, sizeof l);
    ibc_number_read(number, 3, l, sizeof l);
    cr_assert(ibc_point_multiply(&w, &a, &a, number, 3));
    read_point(&ibc_7_1, "lA", &product);
    cr_assert(same(&a, &product));
}

Test(ibc_pairing, rfc5091_7_2)
{
    uint8_t s[64], modulus[24] = {0}, expected[24], v[24];
    mp_limb_t n[3], number[3];
    cr_assert(sodium_init() >= 0);
    const size_t len = ibc_octets_of(IBC_RFC, "section", "7.2", "s", s, sizeof s);
    ibc_octets_of(IBC_RFC, "section", "7.2", "n", modulus, sizeof modulus);
    ibc_octets_of(IBC_RFC, "section", "7.2", "v", expected, sizeof expected);
    ibc_number_read(n, 3, modulus, sizeof modulus);
    ibc_hash_to_range(&ibc_sha1, &(struct ibc_octets){s, len}, 1, n, 3, number);
    ibc_number_write(number, v, sizeof v);
    cr_assert_arr_eq(v, expected, sizeof v);
    const struct ibc_octets parts[] = {{s, 5}, {s + 5, 0}, {s + 5, len - 5}};
    ibc_hash_to_range(&ibc_sha1, parts, 3, n, 3, number);
    ibc_number_write(number, v, sizeof v);
    cr_assert_arr_eq(v, expected, sizeof v);
}

Test(ibc_pairing, rfc5091_7_3)
{
    struct ibc_point a, b;
    struct ibc_fp2 e;
    uint8_t re[17], im[17], octets[17];
    start(&ibc_7_3);
    read_point(&ibc_7_3, "A", &a);
    read_point(&ibc_7_3, "B", &b);
    pair(&a, &b, &e);
    ibc_value(&ibc_7_3, "e.re", re, sizeof re);
    ibc_value(&ibc_7_3, "e.im", im, sizeof im);
    ibc_fp_write(&w, &e.re, octets);
    cr_assert_arr_eq(octets, re, sizeof re);
    ibc_fp_write(&w, &e.im, octets);
    cr_assert_arr_eq(octets, im, sizeof im);
}

Test(ibc_pairing, rfc5091_7_4)
{
    struct ibc_point q_id, expected;
    uint8_t id[8];
    start(&ibc_7_4);
    const struct ibc_octets text = {id, ibc_value(&ibc_7_4, "id", id, sizeof id)};
    ibc_hash_to_curve(&w, parameters.hash, &text, parameters.cube_root.limb, &q_id);
    cr_assert(ibc_point_multiply(&w, &q_id, &q_id, parameters.cofactor.limb, w.field->limbs));
    read_point(&ibc_7_4, "Q_id", &expected);
    cr_assert(same(&q_id, &expected));
}

/* e'([a]P, [b]P) = e'(P, P)^ab = e'([ab]P, P), and not 1. */
static void check_bilinear(const struct ibc_section *s, mp_limb_t a, mp_limb_t b)
{
    struct ibc_point times_a, times_b, times_ab;
    struct ibc_unitary once;
    struct ibc_fp2 left, middle, right;
    const mp_limb_t product = a * b;
    start(s);
    const struct ibc_point *p = &parameters.generator;
    cr_assert(ibc_point_multiply(&w, &times_a, p, &a, 1));
    cr_assert(ibc_point_multiply(&w, &times_b, p, &b, 1));
    cr_assert(ibc_point_multiply(&w, &times_ab, p, &product, 1));
    pair(&times_a, &times_b, &left);
    pair(&times_ab, p, &middle);
    pair(p, p, &once.value);
    cr_assert(ibc_unitary_init(&w, &once), "degenerate");
    ibc_unitary_power(&w, &right, &once, &product, 1, 64);
    cr_assert(same2(&left, &middle), "%s", s->name);
    cr_assert(same2(&left, &right), "%s", s->name);
    cr_assert(!same2(&left, &once.value));
    ibc_unitary_power(&w, &right, &once, parameters.q, parameters.q_limbs, parameters.q_len * 8);
    cr_assert(ibc_equal(&w, &right.re, &w.field->one) && ibc_is_zero(&w, &right.im), "order q");
}

Test(ibc_pairing, bilinear)
{
    static const struct ibc_section *const sections[] = {&ibc_1024, &ibc_3072, &ibc_7_3, &ibc_7_4};
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++) {
        check_bilinear(sections[i], 2, 3);
        check_bilinear(sections[i], 0xfedcba98, 0x87654321);
    }
}

/* A comb and windows give the same multiples, at the edges too: 0 and q - 1. */
Test(ibc_pairing, multiples_by_comb)
{
    struct ibc_jacobian product;
    struct ibc_point expected;
    start(&ibc_1024);
    for (unsigned i = 0; i < 200; i++) {
        mp_limb_t m[PDM_IBC_ORDER_LIMBS] = {0};
        if (i < 160)
            m[i / 64] = (mp_limb_t)1 << i % 64;
        else if (i < 164)
            mpn_sub_1(m, parameters.q, PDM_IBC_ORDER_LIMBS, i - 159);
        else if (i < 190)
            m[0] = i - 164 + 1;
        else
            mpn_rshift(m, parameters.q, PDM_IBC_ORDER_LIMBS, i - 189);
        ibc_comb_multiply(&w, &product, &parameters.comb, m, PDM_IBC_ORDER_LIMBS);
        cr_assert(ibc_point_multiply(&w, &expected, &parameters.generator, m, PDM_IBC_ORDER_LIMBS));
        cr_assert(ibc_same_point(&w, &product, &expected), "%u", i);
        ibc_negate(&w, &expected.y, &expected.y);
        cr_assert(!ibc_same_point(&w, &product, &expected), "%u", i);
    }
    const mp_limb_t none[PDM_IBC_ORDER_LIMBS] = {0};
    ibc_comb_multiply(&w, &product, &parameters.comb, none, PDM_IBC_ORDER_LIMBS);
    cr_assert(ibc_is_zero(&w, &product.z));
}

/*
 * Points of every kind of order but q: 2, 3, 6, those of r's part, all of p + 1. As the first
 * argument they are refused; as the second those whose order has no q in it.
 */
Test(ibc_pairing, other_orders)
{
    struct ibc_point all, other, of_q;
    struct ibc_unitary base;
    const struct ibc_octets id = {(const uint8_t *)"any", 3};
    start(&ibc_1024);
    const struct ibc_field *f = w.field;
    const struct ibc_point *p = &parameters.generator;
    ibc_hash_to_curve(&w, parameters.hash, &id, parameters.cube_root.limb, &all);
    cr_assert(!ibc_pairing(&w, &parameters, &all, p, &base));
    cr_assert(ibc_pairing(&w, &parameters, p, &all, &base));

    cr_assert(ibc_point_multiply(&w, &other, &all, parameters.q, parameters.q_limbs));
    cr_assert(!ibc_has_order_q(&w, &parameters, &other), "12r");
    cr_assert(!ibc_pairing(&w, &parameters, &other, p, &base));
    cr_assert(ibc_point_multiply(&w, &of_q, &all, parameters.cofactor.limb, f->limbs));
    cr_assert(ibc_has_order_q(&w, &parameters, &of_q));

    static const mp_limb_t small[] = {2, 3, 4, 6, 12};
    for (size_t i = 0; i < sizeof small / sizeof small[0]; i++) {
        mp_limb_t rest[PDM_IBC_LIMBS];
        mpn_add_1(rest, f->p, f->limbs, 1);
        cr_assert_eq(mpn_divrem_1(rest, 0, rest, f->limbs, small[i]), 0);
        if (!ibc_point_multiply(&w, &other, &all, rest, f->limbs))
            continue; /* this one's order lacks that factor */
        cr_assert(ibc_on_curve(&w, &other));
        cr_assert(!ibc_has_order_q(&w, &parameters, &other), "%lu", small[i]);
        cr_assert(!ibc_pairing(&w, &parameters, &other, p, &base), "%lu", small[i]);
    }
    memset(&other, 0, sizeof other);
    ibc_negate(&w, &other.x, &f->one);
    cr_assert(ibc_on_curve(&w, &other) && !ibc_has_order_q(&w, &parameters, &other), "(-1, 0)");
    memset(&other, 0, sizeof other);
    other.y = f->one;
    cr_assert(ibc_on_curve(&w, &other) && !ibc_has_order_q(&w, &parameters, &other), "(0, 1)");
    cr_assert(!ibc_pairing(&w, &parameters, p, &other, &base), "e'(P, (0, 1)) is 1");
}
