/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Peers for whose options nothing is searched for a while, since no key opened the last. By
 * association, secret and address: with a new secret a peer begins anew. A fixed number of places;
 * a newcomer replaces whoever is there. Single thread.
 */
#ifndef PDM_KEYAGENT_PENALTY_H
#define PDM_KEYAGENT_PENALTY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/limits.h"

struct penalty_peer {
    uint32_t association; /* its number */
    uint32_t serial;      /* of the newest secret */
    const uint8_t *addr;  /* PDM_ADDR_LEN octets */
};

struct penalty {
    uint64_t hash;
    int64_t until;
};

struct penalties {
    struct penalty *item; /* AGENT_PENALTIES */
    uint8_t key[16];      /* of the hash: nobody can choose whose place to take */
};

/* False: out of memory. */
bool penalties_init(struct penalties *p);
void penalties_free(struct penalties *p);
void penalties_reset(struct penalties *p);

void penalties_impose(struct penalties *p, const struct penalty_peer *peer, int64_t until);
/* Nanoseconds that are left of PEER's; 0: it has none. */
int64_t penalties_left(const struct penalties *p, const struct penalty_peer *peer, int64_t now);

#endif
