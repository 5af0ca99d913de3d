/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Points of y^2 = x^3 + 1 over F_p (RFC 5091 section 3), in Jacobian coordinates while they are
 * computed with. The formulas do not know the constant 1, so they hold on every y^2 = x^3 + b.
 * Thread and signal safety as in core/ibc_field.h.
 *
 * Jacobian arithmetic has no branches. Where a formula would need another case (the same point
 * twice, a point and its opposite) it gives z = 0, and z stays 0 from there on: a z that is not 0
 * says that every step was right, and whoever multiplies looks at it in the end.
 */
#ifndef PDM_CORE_IBC_CURVE_H
#define PDM_CORE_IBC_CURVE_H

#include "core/ibc_field.h"

struct ibc_point {
    struct ibc_fp x;
    struct ibc_fp y;
};

/* (x / z^2, y / z^3), or infinity where z is 0. */
struct ibc_jacobian {
    struct ibc_fp x;
    struct ibc_fp y;
    struct ibc_fp z;
};

/*
 * What a doubling or an addition computed on its way to the sum: the slope is SLOPE / z of the sum,
 * and Y2 twice the square of the doubled point's y. The rest is scratch.
 */
struct ibc_step {
    struct ibc_fp slope;
    struct ibc_fp y2;
    struct ibc_fp a;
    struct ibc_fp b;
    struct ibc_fp c;
};

/*
 * [m]P for any m and one P: all sums of P times 1, 2^spacing, 2^(2 spacing), ..., so that each
 * doubling serves a bit of every part of m.
 */
#define IBC_COMB_TEETH 5
#define IBC_COMB_POINTS (1 << IBC_COMB_TEETH)

struct ibc_comb {
    size_t spacing;
    struct ibc_point sum[IBC_COMB_POINTS]; /* that of no bits is not used */
};

void ibc_jacobian(const struct ibc_work *w, struct ibc_jacobian *r, const struct ibc_point *a);
/* False if A is infinity. */
bool ibc_affine(struct ibc_work *w, struct ibc_point *r, const struct ibc_jacobian *a);
/* False, and so for infinity, if they differ. */
bool ibc_same_point(struct ibc_work *w, const struct ibc_jacobian *a, const struct ibc_point *b);

void ibc_point_double(struct ibc_work *w, struct ibc_step *s, struct ibc_jacobian *a);
void ibc_point_add(struct ibc_work *w, struct ibc_step *s, struct ibc_jacobian *a,
                   const struct ibc_point *b);

bool ibc_on_curve(struct ibc_work *w, const struct ibc_point *a);
/* x and y, the field's octets each. False if one is not below p or the point is off the curve. */
bool ibc_point_read(struct ibc_work *w, struct ibc_point *r, const uint8_t *octets);
void ibc_point_write(struct ibc_work *w, const struct ibc_point *a, uint8_t *octets);

/* [M]A, both public; false if it is infinity. */
bool ibc_point_multiply(struct ibc_work *w, struct ibc_point *r, const struct ibc_point *a,
                        const mp_limb_t *m, mp_size_t limbs);

/* For multipliers of up to BITS bits, below the order of A, which is public. */
bool ibc_comb_init(struct ibc_work *w, struct ibc_comb *comb, const struct ibc_point *a,
                   size_t bits);
/* The multiplier M may be secret; of 0 z is 0. */
void ibc_comb_multiply(struct ibc_work *w, struct ibc_jacobian *r, const struct ibc_comb *comb,
                       const mp_limb_t *m, mp_size_t limbs);

#endif
