/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The secrets that two addresses have in common by an association: a pre-shared key's, or, of a
 * primary's, one or two; two while they are renegotiated. One of them is sent under; the peer may
 * send under either.
 */
#ifndef PDM_KEYAGENT_KEYING_H
#define PDM_KEYAGENT_KEYING_H

#include <stdint.h>

#include "core/limits.h"
#include "core/message.h"
#include "core/suite.h"
#include "keyagent/association.h"

struct keying_secret {
    struct pdm_suite suite;
    uint32_t ledger;            /* its number there */
    uint32_t serial;            /* never stands for another secret of the same two addresses */
    uint8_t shared[PDM_NH_MAX]; /* pdm_suite_nh(suite) octets */
};

struct keying {
    struct keying_secret of[PDM_PEER_SECRETS]; /* older first */
    unsigned count;                            /* at least 1 */
    unsigned send;                             /* the one to send under */
};

/*
 * Those between OWN and PEER, which A of SET names; PEER is in GROUP of its list. What is not
 * PDM_STATUS_OK is as of enrolment_secrets(). Wipe K in any case.
 */
enum pdm_status keying_of(const struct associations *set, const struct association *a,
                          const uint8_t own[static PDM_ADDR_LEN],
                          const uint8_t peer[static PDM_ADDR_LEN], uint16_t group, int64_t now,
                          struct keying *k);
void keying_wipe(struct keying *k);
/* The one with SERIAL, or NULL. */
const struct keying_secret *keying_find(const struct keying *k, uint32_t serial);

#endif
