/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The generations seen of peers, by secret and address: where a search begins, and what is
 * replay. Kept in a file, so that a restarted agent need not search from the start.
 */
#ifndef PDM_KEYAGENT_PEERS_H
#define PDM_KEYAGENT_PEERS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/limits.h"
#include "keyagent/bucket.h"
#include "keyagent/ledger.h"

struct peer {
    uint8_t id[LEDGER_ID_LEN];
    uint8_t addr[PDM_ADDR_LEN];
    uint32_t highest; /* generation */
    /*
     * The latest seen, latest first: a host may have several agents, whose generations are in use
     * side by side.
     */
    uint32_t seen[PDM_SEARCH_GENERATIONS];
    uint32_t seen_count; /* 0: unused */
    uint64_t used_at;    /* turn of the last use */
    struct bucket known_tuples;
    struct bucket new_tuples;
};

struct peers {
    struct table table;
    struct peer *item;
    uint64_t seed;
    uint64_t turn;
    char *file; /* NULL: kept nowhere */
    bool changed;
};

/* DIRECTORY (made if missing; NULL: none) holds the file, which is read. False: out of memory. */
bool peers_init(struct peers *p, const char *directory, uint64_t seed);
void peers_free(struct peers *p);
/* Writes the file if anything changed. */
void peers_save(struct peers *p);

/* NULL: nothing was seen of it. */
struct peer *peers_find(struct peers *p, const uint8_t id[static LEDGER_ID_LEN],
                        const uint8_t addr[static PDM_ADDR_LEN]);
/* GENERATION was seen: an option under it had a good tag. */
void peers_saw(struct peers *p, const uint8_t id[static LEDGER_ID_LEN],
               const uint8_t addr[static PDM_ADDR_LEN], uint32_t generation);

/* GENERATION was seen, as far as PEER alone is concerned. */
void peer_saw(struct peer *peer, uint32_t generation);
/*
 * The generations in which PEER may open flows: the latest seen, filled up from the highest
 * downwards. Returns how many.
 */
uint32_t peer_latest(const struct peer *peer, uint32_t latest[static PDM_SEARCH_GENERATIONS]);
/* GENERATION is neither one of the latest nor a later one. */
bool peer_is_past(const struct peer *peer, uint32_t generation);

#endif
