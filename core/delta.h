/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Time differences on the wire: the 16 most significant bits of a number of attoseconds and the
 * number of bits dropped (RFC 8250 section 3.2.2 and appendix B). Pure functions, signal-safe.
 */
#ifndef PDM_CORE_DELTA_H
#define PDM_CORE_DELTA_H

#include <stdint.h>

struct pdm_delta {
    uint16_t value;
    uint8_t scale; /* bits dropped; 0 when the value fits */
};

/* From nanoseconds; any uint64_t is representable. */
struct pdm_delta pdm_delta_from_ns(uint64_t ns);
/* To nanoseconds, rounded down; INT64_MAX for what a peer claims beyond 292 years. */
int64_t pdm_delta_to_ns(struct pdm_delta d);
/* The time that one step of the value stands for, 2^scale attoseconds, in nanoseconds rounded up;
 * saturates like above. */
int64_t pdm_delta_step_ns(struct pdm_delta d);

#endif
