/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The list of peers that a primary gave for one pair of organisations: prefixes, each with the
 * group that it is in. Grows with what is in it. Single thread.
 */
#ifndef PDM_KEYAGENT_ROSTER_H
#define PDM_KEYAGENT_ROSTER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/prefix.h"

#define ROSTER_KEY_LEN 16

struct roster_entry {
    struct pdm_prefix peer;
    bool used;
    uint16_t group;
};

/* All zeros: an empty one. */
struct roster {
    struct roster_entry *entry; /* open addressing by prefix */
    uint32_t places;            /* a power of two, or 0 */
    uint32_t used;
    uint8_t key[ROSTER_KEY_LEN]; /* of the hash: other organisations choose the prefixes */
};

void roster_free(struct roster *r);
/* PEER is in GROUP from now on, whether it was in the list or not. False: no room. */
bool roster_add(struct roster *r, const struct pdm_prefix *peer, uint16_t group);
void roster_remove(struct roster *r, const struct pdm_prefix *peer);
/* The entry for just this prefix, or NULL. */
const struct roster_entry *roster_find(const struct roster *r, const struct pdm_prefix *peer);
/* The entries one by one, *AT being 0 at first; NULL after the last. */
const struct roster_entry *roster_next(const struct roster *r, uint32_t *at);

#endif
