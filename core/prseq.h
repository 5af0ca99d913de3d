/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PRSEQ (draft-ietf-ippm-encrypted-pdmv2-02 section 4.4): a keyed permutation of 1..2^15-1. Each
 * index gives another value; the key is PDM_PRSEQ_KEY_LEN fresh random octets. Pure, signal-safe.
 */
#ifndef PDM_CORE_PRSEQ_H
#define PDM_CORE_PRSEQ_H

#include <stdint.h>

#include "core/limits.h"

#define PDM_PRSEQ_ROUNDS 8
#define PDM_PRSEQ_KEY_LEN (sizeof(uint32_t) * PDM_PRSEQ_ROUNDS)

struct pdm_prseq {
    uint32_t round_key[PDM_PRSEQ_ROUNDS];
};

void pdm_prseq_key(struct pdm_prseq *p, const uint8_t key[static PDM_PRSEQ_KEY_LEN]);
/* INDEX 0..PDM_PRSEQ_MAX-1 gives a value 1..PDM_PRSEQ_MAX; a bijection. */
uint16_t pdm_prseq_at(const struct pdm_prseq *p, uint32_t index);

#endif
