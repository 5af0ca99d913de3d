/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PRSEQ: an alternating Feistel network over 15 bits, halves of 8 and 7 bits, whatever the round
 * function a bijection. It hides the order of packets from who only sees them; the secrecy of
 * what is sealed does not rest on it, so it is made for speed.
 */
#include "core/prseq.h"

#include "core/cursor.h"

#define WIDE_BITS 8
#define NARROW_BITS 7
#define WIDE_MASK ((1U << WIDE_BITS) - 1)
#define NARROW_MASK ((1U << NARROW_BITS) - 1)

void pdm_prseq_key(struct pdm_prseq *p, const uint8_t key[static PDM_PRSEQ_KEY_LEN])
{
    struct pdm_reader r = pdm_reader(key, PDM_PRSEQ_KEY_LEN);
    for (unsigned i = 0; i < PDM_PRSEQ_ROUNDS; i++) {
        p->round_key[i] = pdm_read_u32(&r);
    }
}

/*
 * A product of which both factors are keyed, from its middle. The second factor does not depend on
 * the round before, so it is ready when the half is: a round takes one multiplication's time.
 */
static uint32_t mix(uint32_t half, uint32_t round_key)
{
    uint64_t factor = round_key * 0x9e3779b97f4a7c15U;
    return (uint32_t)((half ^ round_key) * factor >> 32);
}

static uint32_t permute(const struct pdm_prseq *p, uint32_t v)
{
    uint32_t wide = v >> NARROW_BITS;
    uint32_t narrow = v & NARROW_MASK;
    for (unsigned i = 0; i < PDM_PRSEQ_ROUNDS; i += 2) {
        wide ^= mix(narrow, p->round_key[i]) & WIDE_MASK;
        narrow ^= mix(wide, p->round_key[i + 1]) & NARROW_MASK;
    }
    return wide << NARROW_BITS | narrow;
}

uint16_t pdm_prseq_at(const struct pdm_prseq *p, uint32_t index)
{
    /* 0 is no PRSEQ: what would become 0 takes the place that 0 would have had instead. */
    uint32_t v = permute(p, index + 1);
    if (v == 0) {
        v = permute(p, 0);
    }
    return (uint16_t)v;
}
