/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of paths. */
#include "keyagent/path_table.h"

#include <stdlib.h>
#include <string.h>

#include "core/tuple.h"

static uint64_t hash_of(const struct path_table *t, const uint8_t *local, const uint8_t *peer)
{
    struct pdm_tuple key = {0};

    memcpy(key.saddr, local, PDM_ADDR_LEN);
    memcpy(key.daddr, peer, PDM_ADDR_LEN);
    return pdm_tuple_hash(&key, t->seed);
}

bool path_table_init(struct path_table *t, uint64_t seed)
{
    *t = (struct path_table){.seed = seed};
    t->item = calloc(AGENT_PATHS_MAX, sizeof *t->item);
    return t->item != NULL && table_init(&t->index, AGENT_PATHS_MAX);
}

void path_table_free(struct path_table *t)
{
    free(t->item);
    table_free(&t->index);
    *t = (struct path_table){0};
}

uint32_t path_table_find(const struct path_table *t, const uint8_t local[static PDM_ADDR_LEN],
                         const uint8_t peer[static PDM_ADDR_LEN])
{
    uint32_t i = table_first(&t->index, hash_of(t, local, peer));

    while (i != TABLE_NONE && (memcmp(t->item[i].local, local, PDM_ADDR_LEN) != 0 ||
                               memcmp(t->item[i].peer, peer, PDM_ADDR_LEN) != 0))
        i = table_next(&t->index, i);
    return i;
}

/* The table is full: one makes room that has no flows and was not used since the last look at it.
 */
static void make_room(struct path_table *t)
{
    for (uint32_t n = 0; n < AGENT_PATH_LOOKS; n++) {
        uint32_t i = t->hand;
        struct path *path = &t->item[i];

        t->hand = (i + 1) % AGENT_PATHS_MAX;
        if (path->flows == 0 && !path->queued && !path->lately) {
            table_remove(&t->index, hash_of(t, path->local, path->peer), i);
            path->used = false;
            return;
        }
        path->lately = false;
    }
}

uint32_t path_table_add(struct path_table *t, const uint8_t local[static PDM_ADDR_LEN],
                        const uint8_t peer[static PDM_ADDR_LEN])
{
    if (t->index.used == AGENT_PATHS_MAX)
        make_room(t);
    uint32_t i = table_add(&t->index, hash_of(t, local, peer));

    if (i == TABLE_NONE)
        return PATHS_NONE;
    t->item[i] = (struct path){.used = true};
    memcpy(t->item[i].local, local, PDM_ADDR_LEN);
    memcpy(t->item[i].peer, peer, PDM_ADDR_LEN);
    return i;
}
