/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The 5-tuple (RFC 8250 section 3.2) as seen by the packet's sender, as 37 octets:
 * SADDR(16) SPORT(2) DADDR(16) DPORT(2) PROTO(1), big-endian. Pure functions, signal-safe.
 */
#ifndef PDM_CORE_TUPLE_H
#define PDM_CORE_TUPLE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/limits.h"

struct pdm_tuple {
    uint8_t saddr[PDM_ADDR_LEN];
    uint8_t daddr[PDM_ADDR_LEN];
    uint16_t sport; /* host byte order */
    uint16_t dport;
    uint8_t proto;
};

/* Source address types of the Global Pointer (draft-ietf-ippm-encrypted-pdmv2 section 6.2). */
enum pdm_saddr_type { PDM_SADDR_LINK_LOCAL, PDM_SADDR_GLOBAL, PDM_SADDR_TYPES };

void pdm_tuple_bytes(const struct pdm_tuple *t, uint8_t out[static PDM_TUPLE_LEN]);
struct pdm_tuple pdm_tuple_from_bytes(const uint8_t in[static PDM_TUPLE_LEN]);
/* The same flow seen from the other side. */
struct pdm_tuple pdm_tuple_reverse(const struct pdm_tuple *t);
bool pdm_tuple_equal(const struct pdm_tuple *a, const struct pdm_tuple *b);
/* A hash for tables; SEED keeps remote parties from choosing collisions. */
uint64_t pdm_tuple_hash(const struct pdm_tuple *t, uint64_t seed);

/* fe80::/10 and ::1 are link-local, all else global. */
enum pdm_saddr_type pdm_saddr_type(const uint8_t addr[static PDM_ADDR_LEN]);
/* False for multicast, unspecified and IPv4-mapped addresses: those never take part. */
bool pdm_addr_takes_part(const uint8_t addr[static PDM_ADDR_LEN]);

#endif
