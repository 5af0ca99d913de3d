/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mode ibc: the private keys of our own secondaries' addresses (draft-ietf-ippm-encrypted-pdmv2-02
 * section 7, RFC 5091 section 5.3). Each costs milliseconds, so the latest are remembered, in
 * locked memory. Single thread.
 */
#ifndef PDM_KEYAGENT_PRIMARY_IDENTITIES_H
#define PDM_KEYAGENT_PRIMARY_IDENTITIES_H

#include <stdbool.h>
#include <stdint.h>

#include "core/limits.h"
#include "keyagent/primary/store.h"

struct identities;

/* NULL after telling why. */
struct identities *identities_new(void);
/* Wipes them; NULL is allowed. */
void identities_free(struct identities *all);
/* The public key of SECRET's pair, and the private key of ADDR by its negotiation. False if there
 * are none, which happens to one secret in 2^255. */
bool identities_get(struct identities *all, const struct store_secret *secret,
                    const uint8_t addr[static PDM_ADDR_LEN],
                    uint8_t p_pub[static PDM_IBC_POINT_LEN],
                    uint8_t s_id[static PDM_IBC_POINT_LEN]);

#endif
