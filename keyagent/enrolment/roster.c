/* SPDX-License-Identifier: BSD-2-Clause */
/* The list of peers: a hash table at most three quarters full. */
#include "keyagent/enrolment/roster.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"

#define PLACES_FIRST 16U

_Static_assert(ROSTER_KEY_LEN == crypto_shorthash_KEYBYTES, "key");

void roster_free(struct roster *r)
{
    free(r->entry);
    *r = (struct roster){0};
}

static uint32_t place_of(const struct roster *r, const struct pdm_prefix *peer)
{
    uint8_t text[PDM_ADDR_LEN + 1];
    uint64_t hash;

    _Static_assert(sizeof hash == crypto_shorthash_BYTES, "hash");
    memcpy(text, peer->addr, PDM_ADDR_LEN);
    text[PDM_ADDR_LEN] = peer->len;
    crypto_shorthash((uint8_t *)&hash, text, sizeof text, r->key);
    return (uint32_t)hash & (r->places - 1);
}

static uint32_t next_place(const struct roster *r, uint32_t place)
{
    return (place + 1) & (r->places - 1);
}

/* PEER's place, or the unused one where it would stand. */
static struct roster_entry *stand(const struct roster *r, const struct pdm_prefix *peer)
{
    uint32_t place = place_of(r, peer);

    while (r->entry[place].used && !pdm_prefix_equal(&r->entry[place].peer, peer))
        place = next_place(r, place);
    return &r->entry[place];
}

static bool grow(struct roster *r)
{
    struct roster grown = {.places = r->places == 0 ? PLACES_FIRST : 2 * r->places,
                           .used = r->used};

    grown.entry = calloc(grown.places, sizeof *grown.entry);
    if (grown.entry == NULL)
        return false;
    randombytes_buf(grown.key, sizeof grown.key);
    for (uint32_t i = 0; i < r->places; i++)
        if (r->entry[i].used)
            *stand(&grown, &r->entry[i].peer) = r->entry[i];
    free(r->entry);
    *r = grown;
    return true;
}

const struct roster_entry *roster_find(const struct roster *r, const struct pdm_prefix *peer)
{
    if (r->places == 0)
        return NULL;
    const struct roster_entry *entry = stand(r, peer);

    return entry->used ? entry : NULL;
}

bool roster_add(struct roster *r, const struct pdm_prefix *peer, uint16_t group)
{
    bool known = roster_find(r, peer) != NULL;

    if (!known && r->used == PDM_REGISTRATION_ENTRIES_MAX)
        return false;
    if (!known && r->used + 1 > r->places / 4 * 3 && !grow(r))
        return false;
    *stand(r, peer) = (struct roster_entry){.peer = *peer, .used = true, .group = group};
    r->used += !known;
    return true;
}

/* Those behind it move up, so that none is cut off from the place where its search begins. */
void roster_remove(struct roster *r, const struct pdm_prefix *peer)
{
    const struct roster_entry *found = roster_find(r, peer);

    if (found == NULL)
        return;
    uint32_t hole = (uint32_t)(found - r->entry);

    for (uint32_t at = next_place(r, hole); r->entry[at].used; at = next_place(r, at)) {
        uint32_t begins = place_of(r, &r->entry[at].peer);
        uint32_t mask = r->places - 1;

        if (((at - begins) & mask) < ((at - hole) & mask))
            continue;
        r->entry[hole] = r->entry[at];
        hole = at;
    }
    r->entry[hole].used = false;
    r->used--;
}

const struct roster_entry *roster_next(const struct roster *r, uint32_t *at)
{
    while (*at < r->places) {
        const struct roster_entry *entry = &r->entry[(*at)++];

        if (entry->used)
            return entry;
    }
    return NULL;
}
