/* SPDX-License-Identifier: BSD-2-Clause */
/* Prefixes of IPv6 addresses. Pure, signal-safe. */
#ifndef PDM_CORE_PREFIX_H
#define PDM_CORE_PREFIX_H

#include <stdbool.h>
#include <stdint.h>

#include "core/limits.h"

#define PDM_PREFIX_LENGTHS 129

struct pdm_prefix {
    uint8_t addr[PDM_ADDR_LEN]; /* octets and bits beyond len are 0 */
    uint8_t len;                /* 0..128 */
};

/* ADDR cut to LEN bits. */
struct pdm_prefix pdm_prefix_of(const uint8_t addr[static PDM_ADDR_LEN], uint8_t len);
bool pdm_prefix_contains(const struct pdm_prefix *prefix, const uint8_t addr[static PDM_ADDR_LEN]);
bool pdm_prefix_equal(const struct pdm_prefix *a, const struct pdm_prefix *b);
/* By address, then by length: below, equal to or above 0 as A comes before B, is B, comes after. */
int pdm_prefix_compare(const struct pdm_prefix *a, const struct pdm_prefix *b);
/* Whether it is what the structure says, where others have filled it. */
bool pdm_prefix_valid(const struct pdm_prefix *prefix);

#endif
