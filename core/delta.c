/* SPDX-License-Identifier: BSD-2-Clause */
/* Time differences on the wire (RFC 8250 appendix B). */
#include "core/delta.h"

__extension__ typedef unsigned __int128 wide;

#define ASEC_PER_NSEC 1000000000U
#define VALUE_BITS 16
#define WORD_BITS 64
#define NSEC_MAX_BITS 93 /* INT64_MAX nanoseconds are below 2^93 attoseconds */

static unsigned bit_length(wide v)
{
    uint64_t high = (uint64_t)(v >> WORD_BITS);
    uint64_t low = (uint64_t)v;
    if (high != 0) {
        return 2 * WORD_BITS - (unsigned)__builtin_clzll(high);
    }
    return low != 0 ? WORD_BITS - (unsigned)__builtin_clzll(low) : 0;
}

static int64_t saturated(wide ns)
{
    return ns > INT64_MAX ? INT64_MAX : (int64_t)ns;
}

struct pdm_delta pdm_delta_from_ns(uint64_t ns)
{
    wide asec = (wide)ns * ASEC_PER_NSEC;
    unsigned bits = bit_length(asec);
    unsigned scale = bits > VALUE_BITS ? bits - VALUE_BITS : 0;
    return (struct pdm_delta){.value = (uint16_t)(asec >> scale), .scale = (uint8_t)scale};
}

int64_t pdm_delta_to_ns(struct pdm_delta d)
{
    if (d.scale <= WORD_BITS - VALUE_BITS) { /* up to 18 s: no division of 128 bits */
        return (int64_t)(((uint64_t)d.value << d.scale) / ASEC_PER_NSEC);
    }
    if (d.value == 0) {
        return 0;
    }
    if (bit_length(d.value) + d.scale > NSEC_MAX_BITS) {
        return INT64_MAX;
    }
    return saturated(((wide)d.value << d.scale) / ASEC_PER_NSEC);
}

int64_t pdm_delta_step_ns(struct pdm_delta d)
{
    if (d.scale >= NSEC_MAX_BITS) {
        return INT64_MAX;
    }
    return saturated((((wide)1 << d.scale) + ASEC_PER_NSEC - 1) / ASEC_PER_NSEC);
}
