/* SPDX-License-Identifier: BSD-2-Clause */
/* Points of type-1 curves (RFC 5091 section 3), with a = 0 made use of. */
#include "core/ibc_curve.h"

#include <sodium.h>
#include <string.h>

void ibc_jacobian(const struct ibc_work *w, struct ibc_jacobian *r, const struct ibc_point *a)
{
    r->x = a->x;
    r->y = a->y;
    r->z = w->field->one;
}

bool ibc_affine(struct ibc_work *w, struct ibc_point *r, const struct ibc_jacobian *a)
{
    struct ibc_fp inverse;
    struct ibc_fp power;

    if (!ibc_invert(w, &inverse, &a->z))
        return false;
    ibc_square(w, &power, &inverse);
    ibc_multiply(w, &r->x, &a->x, &power);
    ibc_multiply(w, &power, &power, &inverse);
    ibc_multiply(w, &r->y, &a->y, &power);
    sodium_memzero(&inverse, sizeof(inverse));
    sodium_memzero(&power, sizeof(power));
    return true;
}

bool ibc_same_point(struct ibc_work *w, const struct ibc_jacobian *a, const struct ibc_point *b)
{
    struct ibc_fp power;
    struct ibc_fp scaled;

    ibc_square(w, &power, &a->z);
    ibc_multiply(w, &scaled, &b->x, &power);
    bool same = ibc_equal(w, &scaled, &a->x);
    ibc_multiply(w, &power, &power, &a->z);
    ibc_multiply(w, &scaled, &b->y, &power);
    same &= ibc_equal(w, &scaled, &a->y);
    same &= !ibc_is_zero(w, &a->z);
    sodium_memzero(&power, sizeof(power));
    sodium_memzero(&scaled, sizeof(scaled));
    return same;
}

/* slope = 3x^2; x' = slope^2 - 8xy^2; y' = slope(4xy^2 - x') - 8y^4; z' = 2yz */
void ibc_point_double(struct ibc_work *w, struct ibc_step *s, struct ibc_jacobian *a)
{
    ibc_square(w, &s->a, &a->x);
    ibc_double(w, &s->slope, &s->a);
    ibc_add(w, &s->slope, &s->slope, &s->a);
    ibc_multiply(w, &a->z, &a->y, &a->z);
    ibc_double(w, &a->z, &a->z);
    ibc_square(w, &s->a, &a->y);
    ibc_double(w, &s->y2, &s->a);
    ibc_double(w, &s->b, &s->y2);
    ibc_multiply(w, &s->c, &a->x, &s->b);
    ibc_square(w, &a->x, &s->slope);
    ibc_sub(w, &a->x, &a->x, &s->c);
    ibc_sub(w, &a->x, &a->x, &s->c);
    ibc_sub(w, &s->c, &s->c, &a->x);
    ibc_multiply_sub(w, &a->y, &s->slope, &s->c, &s->b, &s->y2);
}

/*
 * h = x_b z^2 - x; slope = y_b z^3 - y; x' = slope^2 - h^3 - 2xh^2; y' = slope(xh^2 - x') - yh^3;
 * z' = zh
 */
void ibc_point_add(struct ibc_work *w, struct ibc_step *s, struct ibc_jacobian *a,
                   const struct ibc_point *b)
{
    ibc_square(w, &s->a, &a->z);
    ibc_multiply(w, &s->b, &b->x, &s->a);
    ibc_sub(w, &s->b, &s->b, &a->x);
    ibc_multiply(w, &s->a, &s->a, &a->z);
    ibc_multiply(w, &s->slope, &b->y, &s->a);
    ibc_sub(w, &s->slope, &s->slope, &a->y);
    ibc_multiply(w, &a->z, &a->z, &s->b);

    ibc_square(w, &s->a, &s->b);
    ibc_multiply(w, &s->b, &s->b, &s->a);
    ibc_multiply(w, &s->c, &a->x, &s->a);
    ibc_square(w, &a->x, &s->slope);
    ibc_sub(w, &a->x, &a->x, &s->b);
    ibc_sub(w, &a->x, &a->x, &s->c);
    ibc_sub(w, &a->x, &a->x, &s->c);
    ibc_sub(w, &s->c, &s->c, &a->x);
    ibc_multiply_sub(w, &a->y, &s->c, &s->slope, &s->b, &a->y);
}

bool ibc_on_curve(struct ibc_work *w, const struct ibc_point *a)
{
    struct ibc_fp left;
    struct ibc_fp right;

    ibc_square(w, &left, &a->y);
    ibc_square(w, &right, &a->x);
    ibc_multiply(w, &right, &right, &a->x);
    ibc_add(w, &right, &right, &w->field->one);
    bool on_curve = ibc_equal(w, &left, &right);
    sodium_memzero(&left, sizeof(left));
    sodium_memzero(&right, sizeof(right));
    return on_curve;
}

bool ibc_point_read(struct ibc_work *w, struct ibc_point *r, const uint8_t *octets)
{
    return ibc_fp_read(w, &r->x, octets) && ibc_fp_read(w, &r->y, octets + w->field->octets) &&
           ibc_on_curve(w, r);
}

void ibc_point_write(struct ibc_work *w, const struct ibc_point *a, uint8_t *octets)
{
    ibc_fp_write(w, &a->x, octets);
    ibc_fp_write(w, &a->y, octets + w->field->octets);
}

/* A, [3]A, [5]A, ... */
static bool odd_multiples(struct ibc_work *w, struct ibc_point odd[static IBC_WINDOW_ODD],
                          const struct ibc_point *a)
{
    struct ibc_jacobian sum;
    struct ibc_point twice;
    struct ibc_step step;

    odd[0] = *a;
    ibc_jacobian(w, &sum, a);
    ibc_point_double(w, &step, &sum);
    if (!ibc_affine(w, &twice, &sum))
        return false;
    for (size_t i = 1; i < IBC_WINDOW_ODD; i++) {
        ibc_jacobian(w, &sum, &odd[i - 1]);
        ibc_point_add(w, &step, &sum, &twice);
        if (!ibc_affine(w, &odd[i], &sum))
            return false;
    }
    return true;
}

bool ibc_point_multiply(struct ibc_work *w, struct ibc_point *r, const struct ibc_point *a,
                        const mp_limb_t *m, mp_size_t limbs)
{
    struct ibc_point odd[IBC_WINDOW_ODD];
    struct ibc_jacobian sum;
    struct ibc_step step;
    size_t left = ibc_number_bits(m, limbs);

    if (left == 0 || !odd_multiples(w, odd, a))
        return false;
    struct ibc_window window = ibc_window(m, limbs, left);
    ibc_jacobian(w, &sum, &odd[window.odd / 2]);
    for (left -= window.bits; left > 0; left -= window.bits) {
        window = ibc_window(m, limbs, left);
        for (size_t i = 0; i < window.bits; i++)
            ibc_point_double(w, &step, &sum);
        if (window.odd != 0)
            ibc_point_add(w, &step, &sum, &odd[window.odd / 2]);
    }
    return ibc_affine(w, r, &sum);
}

/* BASE, that of the tooth before, becomes this one's, and joins every sum that there is. */
static bool add_tooth(struct ibc_work *w, struct ibc_comb *comb, size_t tooth,
                      struct ibc_jacobian *base)
{
    struct ibc_point *sum = comb->sum;
    size_t first = (size_t)1 << tooth;
    struct ibc_jacobian next;
    struct ibc_step step;

    for (size_t i = 0; tooth > 0 && i < comb->spacing; i++)
        ibc_point_double(w, &step, base);
    if (!ibc_affine(w, &sum[first], base))
        return false;
    for (size_t i = 1; i < first; i++) {
        ibc_jacobian(w, &next, &sum[i]);
        ibc_point_add(w, &step, &next, &sum[first]);
        if (!ibc_affine(w, &sum[first + i], &next))
            return false;
    }
    return true;
}

bool ibc_comb_init(struct ibc_work *w, struct ibc_comb *comb, const struct ibc_point *a,
                   size_t bits)
{
    struct ibc_jacobian base;
    bool made = true;

    memset(comb, 0, sizeof(*comb));
    comb->spacing = (bits + IBC_COMB_TEETH - 1) / IBC_COMB_TEETH;
    ibc_jacobian(w, &base, a);
    for (size_t tooth = 0; made && tooth < IBC_COMB_TEETH; tooth++)
        made = add_tooth(w, comb, tooth, &base);
    return made;
}

struct comb_state {
    struct ibc_jacobian sum;
    struct ibc_jacobian next;
    struct ibc_point point;
    struct ibc_step step;
};

static void swap_if(const struct ibc_work *w, mp_limb_t condition, struct ibc_jacobian *a,
                    struct ibc_jacobian *b)
{
    mpn_cnd_swap(condition, a->x.limb, b->x.limb, w->field->limbs);
    mpn_cnd_swap(condition, a->y.limb, b->y.limb, w->field->limbs);
    mpn_cnd_swap(condition, a->z.limb, b->z.limb, w->field->limbs);
}

/*
 * Infinity has z = 0, and so has its sum with anything: the first bits that are there replace it.
 * No other sum here meets the same point twice or its opposite, the multiplier being below the
 * order.
 */
void ibc_comb_multiply(struct ibc_work *w, struct ibc_jacobian *r, const struct ibc_comb *comb,
                       const mp_limb_t *m, mp_size_t limbs)
{
    struct comb_state s;
    mp_limb_t nothing = 1;

    memset(&s, 0, sizeof(s));
    for (size_t i = comb->spacing; i-- > 0;) {
        mp_limb_t bits = 0;
        for (size_t tooth = 0; tooth < IBC_COMB_TEETH; tooth++)
            bits |= (mp_limb_t)ibc_number_bit(m, limbs, tooth * comb->spacing + i) << tooth;
        mp_limb_t none = (bits - 1) >> (GMP_NUMB_BITS - 1);
        mpn_sec_tabselect((mp_limb_t *)&s.point, (const mp_limb_t *)comb->sum,
                          sizeof(s.point) / sizeof(mp_limb_t), IBC_COMB_POINTS, (mp_size_t)bits);
        ibc_point_double(w, &s.step, &s.sum);
        s.next = s.sum;
        ibc_point_add(w, &s.step, &s.next, &s.point);
        swap_if(w, none ^ 1, &s.sum, &s.next);
        ibc_jacobian(w, &s.next, &s.point);
        swap_if(w, nothing & (none ^ 1), &s.sum, &s.next);
        nothing &= none;
    }
    *r = s.sum;
    sodium_memzero(&s, sizeof(s));
}
