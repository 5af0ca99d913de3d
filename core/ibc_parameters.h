/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Public parameters of Boneh-Franklin encryption (RFC 5091 section 5.1.2): p = 12rq - 1, a point P
 * of order q, a hash, and what is computed of them once. After that they are only read, by any
 * number of threads.
 */
#ifndef PDM_CORE_IBC_PARAMETERS_H
#define PDM_CORE_IBC_PARAMETERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/ibc_curve.h"
#include "core/ibc_hash.h"

/* As they are published: octets, big-endian, the first of p and q not 0. */
struct pdm_ibc_numbers {
    const uint8_t *p;
    const uint8_t *x; /* of P, as long as p */
    const uint8_t *y;
    size_t p_len;
    const uint8_t *q;
    size_t q_len;
    const struct ibc_hash *hash;
};

struct ibc_exponent {
    mp_limb_t limb[PDM_IBC_LIMBS];
    size_t bits;
};

struct pdm_ibc_parameters {
    struct ibc_field field;
    const struct ibc_hash *hash;
    size_t point_len; /* octets of a point: x and y */
    size_t q_len;     /* octets of the master secret */
    size_t q_bits;
    mp_size_t q_limbs;
    mp_limb_t q[PDM_IBC_ORDER_LIMBS];
    /* q is the first less the second, without two ones beside each other in both */
    mp_limb_t q_plus[PDM_IBC_ORDER_LIMBS];
    mp_limb_t q_minus[PDM_IBC_ORDER_LIMBS];
    mp_limb_t half_cofactor[PDM_IBC_ORDER_LIMBS]; /* 6r modulo q */
    struct ibc_exponent cofactor;                 /* 12r */
    struct ibc_exponent cube_root;                /* (2p - 1) / 3 */
    struct ibc_exponent pairing;                  /* 12r(q + 1) / 2 */
    struct ibc_fp root3;                          /* 3^((p + 1) / 4), a square root of 3 */
    struct ibc_point generator;
    struct ibc_comb comb; /* of P */
};

/* Built in: n = 3072, that is a p of 1536 bits, a q of 256 and SHA-256. */
extern const struct pdm_ibc_numbers pdm_ibc_3072;

/*
 * Several milliseconds. False if the numbers do not fit together: 12q does not divide p + 1, P is
 * not on the curve or not of order q. That p and q are prime is the caller's to know.
 */
bool pdm_ibc_parameters_init(struct pdm_ibc_parameters *parameters,
                             const struct pdm_ibc_numbers *numbers);

#endif
