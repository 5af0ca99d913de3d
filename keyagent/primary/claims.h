/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a peer says of its own secondaries: a list, or a change of it, in one message or in parts.
 * Every entry must lie within the addresses that the peer may have and apart from all of ours; if
 * one does not, nothing is taken of any. Single thread.
 */
#ifndef PDM_KEYAGENT_PRIMARY_CLAIMS_H
#define PDM_KEYAGENT_PRIMARY_CLAIMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/registration.h"
#include "keyagent/primary/lists.h"
#include "keyagent/primary/store.h"

struct claim_bounds {
    const struct pdm_prefix *allowed;
    size_t allowed_count;
    const struct list *own;  /* PDM_SIDES lists */
    const struct list *peer; /* what is known of its list */
};

/* All zeros: nothing was claimed. */
struct claim {
    bool open;  /* parts are still to come */
    bool whole; /* else a change of version FROM */
    uint64_t from;
    uint64_t to;
    struct list_change *change;
    size_t changes;
    size_t room;
};

void claim_free(struct claim *c);
/* The whole list, in version TO, of ENTRIES entries that BODY ends with. False: WHY says what is
 * wrong. */
bool claim_list(struct claim *c, const struct claim_bounds *bounds, struct pdm_reader *body,
                uint32_t entries, uint64_t to, char why[static PRIMARY_WHY_MAX]);
/* The same for one LIST request, which HEAD begins; C->open: further ones must follow. */
bool claim_part(struct claim *c, const struct claim_bounds *bounds, struct pdm_reader *body,
                const struct pdm_list_request *head, char why[static PRIMARY_WHY_MAX]);
/* Makes it durable with the transaction that is open. */
bool claim_store(const struct claim *c, struct store *store, uint32_t pair);

#endif
