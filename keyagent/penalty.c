/* SPDX-License-Identifier: BSD-2-Clause */
/* Peers for whose options nothing is searched for a while. */
#include "keyagent/penalty.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

bool penalties_init(struct penalties *p)
{
    p->item = calloc(AGENT_PENALTIES, sizeof *p->item);
    randombytes_buf(p->key, sizeof p->key);
    return p->item != NULL;
}

void penalties_free(struct penalties *p)
{
    free(p->item);
    *p = (struct penalties){0};
}

void penalties_reset(struct penalties *p)
{
    memset(p->item, 0, AGENT_PENALTIES * sizeof *p->item);
}

static uint64_t hash_of(const struct penalties *p, const struct penalty_peer *peer)
{
    uint8_t text[sizeof peer->association + sizeof peer->serial + PDM_ADDR_LEN];
    uint64_t hash;

    _Static_assert(sizeof p->key == crypto_shorthash_KEYBYTES, "key");
    _Static_assert(sizeof hash == crypto_shorthash_BYTES, "hash");
    memcpy(text, &peer->association, sizeof peer->association);
    memcpy(text + sizeof peer->association, &peer->serial, sizeof peer->serial);
    memcpy(text + sizeof text - PDM_ADDR_LEN, peer->addr, PDM_ADDR_LEN);
    crypto_shorthash((uint8_t *)&hash, text, sizeof text, p->key);
    return hash;
}

void penalties_impose(struct penalties *p, const struct penalty_peer *peer, int64_t until)
{
    uint64_t hash = hash_of(p, peer);

    p->item[hash % AGENT_PENALTIES] = (struct penalty){.hash = hash, .until = until};
}

int64_t penalties_left(const struct penalties *p, const struct penalty_peer *peer, int64_t now)
{
    uint64_t hash = hash_of(p, peer);
    const struct penalty *penalty = &p->item[hash % AGENT_PENALTIES];

    return penalty->hash == hash && penalty->until > now ? penalty->until - now : 0;
}
