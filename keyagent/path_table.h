/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of paths: what is known of each pair of addresses, bounded by AGENT_PATHS_MAX. A path
 * is spoken of by its number, which stays the same for as long as it has flows or is queued; one
 * that has and is neither may make room for another. Times are of keyagent/clock.h, in nanoseconds.
 * Single thread.
 */
#ifndef PDM_KEYAGENT_PATH_TABLE_H
#define PDM_KEYAGENT_PATH_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/limits.h"
#include "core/metrics.h"
#include "core/option.h"
#include "keyagent/table.h"

#define PATHS_NONE TABLE_NONE

struct path {
    uint8_t local[PDM_ADDR_LEN];
    uint8_t peer[PDM_ADDR_LEN];
    enum pdm_format format; /* what flows attach */
    bool used;
    bool lately;    /* used since it was last looked at to make room */
    bool queued;    /* waits for a probing, or has one */
    bool suspected; /* and that is to be heeded when it is due */
    enum pdm_path verdict;
    uint32_t doubts; /* probings in a row that found it not to carry, and are not enough */
    uint32_t flows;  /* live ones */
    int64_t asked;   /* until then somebody wants to know */
    int64_t due;     /* when to probe again, if there are flows */
    int64_t pause;   /* the last between probings of a path that does not carry */
    int64_t heed_at; /* suspicion is not heeded before */
    int64_t heed_pause;
    uint32_t next; /* in the queue */
};

struct path_table {
    struct table index;
    struct path *item; /* AGENT_PATHS_MAX */
    uint32_t hand;     /* where to look next for room */
    uint64_t seed;
};

/* SEED is random. False: out of memory; path_table_free() is due in any case. */
bool path_table_init(struct path_table *t, uint64_t seed);
void path_table_free(struct path_table *t);

/* The number of the path between the two, or PATHS_NONE. */
uint32_t path_table_find(const struct path_table *t, const uint8_t local[static PDM_ADDR_LEN],
                         const uint8_t peer[static PDM_ADDR_LEN]);
/* A path that is not there yet, all zeros but for its addresses; PATHS_NONE if there is no room. */
uint32_t path_table_add(struct path_table *t, const uint8_t local[static PDM_ADDR_LEN],
                        const uint8_t peer[static PDM_ADDR_LEN]);

/* Has flows, or somebody asked lately. */
static inline bool path_wanted(const struct path *path, int64_t now)
{
    return path->flows > 0 || path->asked > now;
}

#endif
