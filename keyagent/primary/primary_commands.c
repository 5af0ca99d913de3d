/* SPDX-License-Identifier: BSD-2-Clause */
/* The primary: what pdmctl asks it to do. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "keyagent/log.h"
#include "keyagent/primary/members.h"
#include "keyagent/primary/partners.h"
#include "keyagent/primary/primary_inside.h"

static bool no(char why[static ADMIN_WHY_MAX], const char *what)
{
    snprintf(why, ADMIN_WHY_MAX, "%s", what);
    return false;
}

static const char not_now[] = "the store cannot be written to now; try again";

bool primary_renegotiate(struct primary *primary, const char *peer, char why[static ADMIN_WHY_MAX])
{
    struct pair *asked[PDM_SIDES];
    size_t count = 0;

    for (size_t i = 0; i < primary->pairs && count < PDM_SIDES; i++)
        if (strcmp(primary->pair[i]->peer->name, peer) == 0)
            asked[count++] = primary->pair[i];
    if (count == 0) {
        snprintf(why, ADMIN_WHY_MAX, "%s: no such peer", peer);
        return false;
    }
    outbox_settle(&primary->outbox);
    bool made = outbox_begin(&primary->outbox);
    for (size_t i = 0; i < count && made; i++)
        made = store_pair_renew(primary->store, asked[i]->row.pair, 0);
    if (!outbox_settle(&primary->outbox) || !made)
        return no(why, not_now);
    for (size_t i = 0; i < count; i++)
        partners_negotiate(primary, asked[i]);
    return true;
}

/* Takes ADDR off our lists where it is an entry by itself; peers hear of it by that. */
static bool unlist(struct primary *primary, const struct pdm_prefix *addr)
{
    const struct store_change change = {.entry = {*addr, 0, STORE_SOURCE_FILE}};

    for (unsigned side = 0; side < PDM_SIDES; side++)
        if (!store_list_change(primary->store, 0, (uint8_t)side, &change, 1) ||
            !store_list_move(primary->store, (uint8_t)side, addr, STORE_SOURCE_COMMAND,
                             STORE_SOURCE_ASIDE))
            return false;
    return true;
}

/* What files and commands said of ADDR counts again. */
static bool relist(struct primary *primary, const struct pdm_prefix *addr)
{
    struct list_change change = {.entry.prefix = *addr};

    for (unsigned side = 0; side < PDM_SIDES; side++)
        if (!store_list_move(primary->store, (uint8_t)side, addr, STORE_SOURCE_ASIDE,
                             STORE_SOURCE_COMMAND))
            return false;
    return list_apply(&primary->barred, &change, 1) && primary_store_members(primary);
}

/* Whoever is revoked has what it was given: it is replaced for everybody else, in the same
 * transaction, so that it is whatever happens to this program. */
static bool revoke(struct primary *primary, const struct pdm_prefix *addr,
                   const bool side[static PDM_SIDES])
{
    for (unsigned s = 0; s < PDM_SIDES; s++)
        if (side[s] && !store_side_renew(primary->store, (uint8_t)s))
            return false;
    return store_secondary_bar(primary->store, addr->addr, true) && unlist(primary, addr);
}

static bool admit_again(struct primary *primary, const struct pdm_prefix *addr)
{
    return store_secondary_bar(primary->store, addr->addr, false) && relist(primary, addr);
}

/* Changes to our own lists or to who is revoked, if they are made: durable, in memory, and told. If
 * they are not, perhaps for want of what is not the store's, nothing of them is kept. */
static bool finish(struct primary *primary, bool made, char why[static ADMIN_WHY_MAX])
{
    if (!made)
        store_rollback(primary->store);
    if (!outbox_settle(&primary->outbox) || !made)
        return no(why, not_now);
    return primary_take_own(primary) || no(why, not_now);
}

bool primary_revoke(struct primary *primary, const uint8_t addr[static PDM_ADDR_LEN], bool admit,
                    char why[static ADMIN_WHY_MAX])
{
    const struct pdm_prefix prefix = pdm_prefix_of(addr, 8 * PDM_ADDR_LEN);
    bool side[PDM_SIDES];
    char text[INET6_ADDRSTRLEN];

    if (primary_is_barred(primary, addr) != admit)
        return no(why, admit ? "that address is not revoked" : "that address is revoked already");
    for (size_t s = 0; s < PDM_SIDES; s++)
        side[s] = list_find(&primary->own[s], addr) != NULL;
    outbox_settle(&primary->outbox);
    bool made = outbox_begin(&primary->outbox) &&
                (admit ? admit_again(primary, &prefix) : revoke(primary, &prefix, side));
    if (!finish(primary, made, why))
        return false;
    log_info("secondary %s: %s", inet_ntop(AF_INET6, addr, text, sizeof text),
             admit ? "admitted again" : "revoked");
    for (size_t i = 0; i < primary->pairs && !admit; i++)
        if (side[primary->pair[i]->row.side])
            partners_negotiate(primary, primary->pair[i]);
    return true;
}

static bool may_change(const struct primary *primary, uint8_t side, const struct pdm_prefix *prefix,
                       uint16_t group, bool add, char why[static ADMIN_WHY_MAX])
{
    const struct list *own = &primary->own[side];
    const struct list_entry *there = list_exact(own, prefix);
    const struct primary_peer *owner = members_owner(&primary->config, prefix);

    if (!add)
        return there != NULL || no(why, "that prefix is not on the list");
    if (there != NULL && there->group == group)
        return no(why, "that prefix is on the list already");
    if (own->count >= PDM_REGISTRATION_ENTRIES_MAX)
        return no(why, "the list is full");
    if (side == PDM_SIDE_CLIENT && group != 0)
        return no(why, "clients are in no group");
    if (side == PDM_SIDE_SERVER && group == 0)
        return no(why, "servers are in a group of 1 to 65535");
    if (owner != NULL)
        snprintf(why, ADMIN_WHY_MAX, "that prefix overlaps the addresses of peer %s", owner->name);
    return owner == NULL;
}

bool primary_list_change(struct primary *primary, uint8_t side, const struct pdm_prefix *prefix,
                         uint16_t group, bool add, char why[static ADMIN_WHY_MAX])
{
    const struct store_change change = {.add = add,
                                        .entry = {*prefix, group, STORE_SOURCE_COMMAND}};

    if (side >= PDM_SIDES || prefix->len >= PDM_PREFIX_LENGTHS)
        return no(why, "that is no prefix of clients or servers");
    if (!may_change(primary, side, prefix, group, add, why))
        return false;
    outbox_settle(&primary->outbox);
    bool made =
        outbox_begin(&primary->outbox) && store_list_change(primary->store, 0, side, &change, 1);
    if (!finish(primary, made, why))
        return false;
    if (!add && list_exact(&primary->own[side], prefix) != NULL)
        return no(why, "that prefix is in the configuration: take it out there, and reload");
    return true;
}
