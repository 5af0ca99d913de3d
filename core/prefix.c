/* SPDX-License-Identifier: BSD-2-Clause */
/* Prefixes of IPv6 addresses. */
#include "core/prefix.h"

#include <stddef.h>
#include <string.h>

struct pdm_prefix pdm_prefix_of(const uint8_t addr[static PDM_ADDR_LEN], uint8_t len)
{
    struct pdm_prefix prefix = {.len = len};
    size_t whole = len / 8;

    memcpy(prefix.addr, addr, whole);
    if (len % 8 != 0)
        prefix.addr[whole] = (uint8_t)(addr[whole] & (0xFF00U >> (len % 8)));
    return prefix;
}

bool pdm_prefix_equal(const struct pdm_prefix *a, const struct pdm_prefix *b)
{
    return a->len == b->len && memcmp(a->addr, b->addr, PDM_ADDR_LEN) == 0;
}

bool pdm_prefix_contains(const struct pdm_prefix *prefix, const uint8_t addr[static PDM_ADDR_LEN])
{
    struct pdm_prefix cut = pdm_prefix_of(addr, prefix->len);

    return pdm_prefix_equal(&cut, prefix);
}

int pdm_prefix_compare(const struct pdm_prefix *a, const struct pdm_prefix *b)
{
    int order = memcmp(a->addr, b->addr, PDM_ADDR_LEN);

    return order != 0 ? order : (int)a->len - (int)b->len;
}

bool pdm_prefix_valid(const struct pdm_prefix *prefix)
{
    return prefix->len < PDM_PREFIX_LENGTHS && pdm_prefix_contains(prefix, prefix->addr);
}
