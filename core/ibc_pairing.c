/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The modified Tate pairing (RFC 5091 sections 3.5 and 4.5), by another way than the text's.
 *
 * phi(B) is not used itself: D = phi(B) - phi^2(B) is, whose x is in F_p and whose y is i times an
 * element of F_p. Then all vertical lines give elements of F_p, which the final exponentiation
 * makes 1, so that none is computed. phi^2(B) = -B - phi(B) and e(A, B) = 1, hence
 * e(A, D) = e'(A, B)^2, and halving is left to the exponent, which has to be applied anyway.
 *
 * With c = 3^((p + 1)/4) x, D is (-(x^3 + 4) / c^2, -i y (x^3 - 8) / c^3). Everything is computed
 * on the curve whose points are (c^2 x, c^3 y) instead, where D has no denominators: the formulas
 * of points do not know the curve's constant. So nothing is inverted that depends on B.
 */
#include "core/ibc_pairing.h"

#include <sodium.h>
#include <string.h>

/* Digit of q: 1, 0 or -1. */
static int digit(const struct pdm_ibc_parameters *parameters, size_t bit)
{
    return (int)ibc_number_bit(parameters->q_plus, PDM_IBC_ORDER_LIMBS, bit) -
           (int)ibc_number_bit(parameters->q_minus, PDM_IBC_ORDER_LIMBS, bit);
}

struct miller {
    struct ibc_point a[2]; /* A and -A */
    struct ibc_point d;    /* D, without i */
    struct ibc_jacobian sum;
    struct ibc_step step;
    struct ibc_fp2 line;
    struct ibc_fp zz;
    struct ibc_fp cube;
    struct ibc_fp2 f;
};

static const struct ibc_point *signed_point(const struct miller *m, int sign)
{
    return &m->a[sign < 0];
}

static void opposite(const struct ibc_work *w, struct miller *m)
{
    m->a[1].x = m->a[0].x;
    ibc_negate(w, &m->a[1].y, &m->a[0].y);
}

/* q's lowest digit is left: [q]A is infinity if the sum is A or -A then. */
static bool ends_at_infinity(struct ibc_work *w, const struct pdm_ibc_parameters *parameters,
                             const struct miller *m)
{
    return ibc_same_point(w, &m->sum, signed_point(m, -digit(parameters, 0)));
}

bool ibc_has_order_q(struct ibc_work *w, const struct pdm_ibc_parameters *parameters,
                     const struct ibc_point *a)
{
    struct miller m;

    m.a[0] = *a;
    opposite(w, &m);
    ibc_jacobian(w, &m.sum, a);
    for (size_t bit = parameters->q_bits - 1; bit-- > 0;) {
        ibc_point_double(w, &m.step, &m.sum);
        if (bit > 0 && digit(parameters, bit) != 0)
            ibc_point_add(w, &m.step, &m.sum, signed_point(&m, digit(parameters, bit)));
    }
    return ends_at_infinity(w, parameters, &m);
}

/* A and D on the curve that B chooses. */
static void place(struct ibc_work *w, const struct pdm_ibc_parameters *parameters, struct miller *m,
                  const struct ibc_point *a, const struct ibc_point *b)
{
    struct ibc_fp *c = &m->zz;
    struct ibc_fp *square = &m->cube;
    struct ibc_fp *small = &m->line.re;

    ibc_multiply(w, c, &parameters->root3, &b->x);
    ibc_square(w, square, c);
    ibc_multiply(w, &m->a[0].x, square, &a->x);
    ibc_multiply(w, square, square, c);
    ibc_multiply(w, &m->a[0].y, square, &a->y);
    opposite(w, m);

    ibc_square(w, &m->cube, &b->x);
    ibc_multiply(w, &m->cube, &m->cube, &b->x);
    ibc_double(w, small, &w->field->one);
    ibc_double(w, small, small);
    ibc_add(w, &m->d.x, &m->cube, small);
    ibc_negate(w, &m->d.x, &m->d.x);
    ibc_double(w, small, small);
    ibc_sub(w, &m->d.y, small, &m->cube);
    ibc_multiply(w, &m->d.y, &m->d.y, &b->y);
}

/* The sum doubled, and its tangent at D times 2yz^3. */
static void double_with_line(struct ibc_work *w, struct miller *m)
{
    ibc_square(w, &m->zz, &m->sum.z);
    ibc_multiply(w, &m->line.re, &m->d.x, &m->zz);
    ibc_sub(w, &m->line.re, &m->sum.x, &m->line.re);
    ibc_point_double(w, &m->step, &m->sum);
    ibc_multiply(w, &m->line.re, &m->line.re, &m->step.slope);
    ibc_sub(w, &m->line.re, &m->line.re, &m->step.y2);
    ibc_multiply(w, &m->line.im, &m->zz, &m->sum.z);
    ibc_multiply(w, &m->line.im, &m->line.im, &m->d.y);
}

/* B added to the sum, and the line through both at D times the new z. */
static void add_with_line(struct ibc_work *w, struct miller *m, const struct ibc_point *b)
{
    ibc_point_add(w, &m->step, &m->sum, b);
    ibc_sub(w, &m->line.re, &b->x, &m->d.x);
    ibc_multiply(w, &m->line.re, &m->line.re, &m->step.slope);
    ibc_multiply(w, &m->zz, &m->sum.z, &b->y);
    ibc_sub(w, &m->line.re, &m->line.re, &m->zz);
    ibc_multiply(w, &m->line.im, &m->sum.z, &m->d.y);
}

/* f of Miller's algorithm, up to factors of F_p. The last digit's line is a vertical one. */
static bool miller_loop(struct ibc_work *w, const struct pdm_ibc_parameters *parameters,
                        struct miller *m)
{
    ibc_jacobian(w, &m->sum, &m->a[0]);
    m->f.re = w->field->one;
    memset(&m->f.im, 0, sizeof(m->f.im));
    for (size_t bit = parameters->q_bits - 1; bit-- > 0;) {
        double_with_line(w, m);
        ibc_square2(w, &m->f, &m->f);
        ibc_multiply2(w, &m->f, &m->f, &m->line);
        int sign = digit(parameters, bit);
        if (bit == 0 || sign == 0)
            continue;
        add_with_line(w, m, signed_point(m, sign));
        ibc_multiply2(w, &m->f, &m->f, &m->line);
    }
    return ends_at_infinity(w, parameters, m);
}

/* f^(p - 1) = conj(f)^2 / norm(f), and 1/im of it, by one inversion. */
static bool unitary_of(struct ibc_work *w, struct ibc_unitary *r, struct ibc_fp2 *f)
{
    struct ibc_fp norm;
    struct ibc_fp inverse;

    ibc_square(w, &norm, &f->re);
    ibc_square(w, &inverse, &f->im);
    ibc_add(w, &norm, &norm, &inverse);
    ibc_negate(w, &f->im, &f->im);
    ibc_square2(w, f, f);
    ibc_multiply(w, &inverse, &norm, &f->im);
    bool inverted = ibc_invert(w, &inverse, &inverse);
    if (inverted) {
        ibc_square(w, &r->im_inverse, &norm);
        ibc_multiply(w, &r->im_inverse, &r->im_inverse, &inverse);
        ibc_multiply(w, &inverse, &inverse, &f->im);
        ibc_multiply(w, &r->value.re, &f->re, &inverse);
        ibc_multiply(w, &r->value.im, &f->im, &inverse);
    }
    sodium_memzero(&norm, sizeof(norm));
    sodium_memzero(&inverse, sizeof(inverse));
    return inverted;
}

bool ibc_pairing(struct ibc_work *w, const struct pdm_ibc_parameters *parameters,
                 const struct ibc_point *a, const struct ibc_point *b, struct ibc_unitary *r)
{
    struct miller m;

    place(w, parameters, &m, a, b);
    bool paired = miller_loop(w, parameters, &m) && unitary_of(w, r, &m.f);
    sodium_memzero(&m, sizeof(m));
    return paired;
}

bool ibc_unitary_init(struct ibc_work *w, struct ibc_unitary *r)
{
    return ibc_invert(w, &r->im_inverse, &r->value.im);
}

/*
 * Lucas sequences: v(k) = a^k + a^-k is twice the real part of a^k, v(2k) = v(k)^2 - 2 and
 * v(2k + 1) = v(k) v(k + 1) - v(1). The imaginary part is (re(a^k) re(a) - re(a^(k + 1))) / im(a).
 */
struct lucas {
    struct ibc_fp low;  /* v(k) */
    struct ibc_fp high; /* v(k + 1) */
    struct ibc_fp first;
    struct ibc_fp two;
};

static void lucas_step(struct ibc_work *w, struct lucas *s, mp_limb_t bit)
{
    mpn_cnd_swap(bit, s->low.limb, s->high.limb, w->field->limbs);
    ibc_multiply(w, &s->high, &s->high, &s->low);
    ibc_sub(w, &s->high, &s->high, &s->first);
    ibc_square(w, &s->low, &s->low);
    ibc_sub(w, &s->low, &s->low, &s->two);
    mpn_cnd_swap(bit, s->low.limb, s->high.limb, w->field->limbs);
}

void ibc_unitary_power(struct ibc_work *w, struct ibc_fp2 *r, const struct ibc_unitary *a,
                       const mp_limb_t *exponent, mp_size_t limbs, size_t bits)
{
    struct lucas s;

    ibc_double(w, &s.two, &w->field->one);
    ibc_double(w, &s.first, &a->value.re);
    s.low = s.two;
    s.high = s.first;
    for (size_t bit = bits; bit-- > 0;)
        lucas_step(w, &s, ibc_number_bit(exponent, limbs, bit));
    ibc_half(w, &s.low, &s.low);
    ibc_half(w, &s.high, &s.high);
    ibc_multiply(w, &s.first, &s.low, &a->value.re);
    ibc_sub(w, &s.first, &s.first, &s.high);
    ibc_multiply(w, &r->im, &s.first, &a->im_inverse);
    r->re = s.low;
    sodium_memzero(&s, sizeof(s));
}
