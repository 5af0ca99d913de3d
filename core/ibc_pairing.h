/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The modified Tate pairing e'(A, B) = e(A, phi(B)) of RFC 5091 section 4.5 with
 * phi(x, y) = (zeta x, y), zeta = ((p - 1)/2, -3^((p + 1)/4)/2): with this sign of the second part,
 * and not the one printed in section 4.5.2, the RFC's own test data come out.
 * Thread and signal safety as in core/ibc_field.h. Time does not depend on points and exponents,
 * but for the refusal of those that are no points of order q.
 */
#ifndef PDM_CORE_IBC_PAIRING_H
#define PDM_CORE_IBC_PAIRING_H

#include "core/ibc_curve.h"
#include "core/ibc_parameters.h"

/* An element of F_p^2 of norm 1, with 1/im, which powers are computed with. */
struct ibc_unitary {
    struct ibc_fp2 value;
    struct ibc_fp im_inverse;
};

/* Is [q]A infinity? A is on the curve and public. */
bool ibc_has_order_q(struct ibc_work *w, const struct pdm_ibc_parameters *parameters,
                     const struct ibc_point *a);

/*
 * r^12r = e'(A, B)^2; B only has to be on the curve, and counts without its part of an order that
 * divides 12r. False if A is not of order q, or the pairing would be 1.
 */
bool ibc_pairing(struct ibc_work *w, const struct pdm_ibc_parameters *parameters,
                 const struct ibc_point *a, const struct ibc_point *b, struct ibc_unitary *r);

/* Completes R, whose value is set; false if its im is 0. */
bool ibc_unitary_init(struct ibc_work *w, struct ibc_unitary *r);
/* BITS of the exponent, which may be secret, in LIMBS words. */
void ibc_unitary_power(struct ibc_work *w, struct ibc_fp2 *r, const struct ibc_unitary *a,
                       const mp_limb_t *exponent, mp_size_t limbs, size_t bits);

#endif
