/* SPDX-License-Identifier: BSD-2-Clause */
/* What a peer says of its own secondaries. */
#include "keyagent/primary/claims.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/value.h"
#include "core/tuple.h"

#define ROOM_FIRST 64U

void claim_free(struct claim *c)
{
    free(c->change);
    memset(c, 0, sizeof *c);
}

static bool refuse(char why[static PRIMARY_WHY_MAX], const char *what)
{
    snprintf(why, PRIMARY_WHY_MAX, "%s", what);
    return false;
}

static bool is_allowed(const struct claim_bounds *bounds, const struct pdm_prefix *prefix)
{
    for (size_t i = 0; i < bounds->allowed_count; i++)
        if (prefix->len >= bounds->allowed[i].len &&
            pdm_prefix_contains(&bounds->allowed[i], prefix->addr))
            return true;
    return false;
}

static bool is_ours(const struct claim_bounds *bounds, const struct pdm_prefix *prefix)
{
    for (size_t side = 0; side < PDM_SIDES; side++)
        if (list_overlap(&bounds->own[side], prefix) != NULL)
            return true;
    return false;
}

static bool check(const struct claim_bounds *bounds, const struct list_change *change,
                  char why[static PRIMARY_WHY_MAX])
{
    const struct pdm_prefix *prefix = &change->entry.prefix;
    char text[CONFIG_PREFIX_TEXT];
    const char *wrong = NULL;

    if (!pdm_prefix_valid(prefix))
        return refuse(why, "sent what is no prefix");
    if (!change->add)
        return true;
    if (is_ours(bounds, prefix))
        wrong = "which is ours";
    else if (!is_allowed(bounds, prefix))
        wrong = "which is outside of its addresses";
    else if (prefix->len == PDM_PREFIX_LENGTHS - 1 && !pdm_addr_takes_part(prefix->addr))
        wrong = "which cannot take part";
    else if (bounds->peer->side == PDM_SIDE_CLIENT && change->entry.group != 0)
        wrong = "a client in a group";
    if (wrong == NULL)
        return true;
    config_prefix_text(prefix, text);
    snprintf(why, PRIMARY_WHY_MAX, "claims %s, %s", text, wrong);
    return false;
}

static bool add(struct claim *c, const struct claim_bounds *bounds,
                const struct list_change *change, char why[static PRIMARY_WHY_MAX])
{
    if (!check(bounds, change, why))
        return false;
    if (c->changes == PDM_REGISTRATION_ENTRIES_MAX)
        return refuse(why, "sent a list that is too long");
    if (c->changes == c->room) {
        size_t room = c->room > 0 ? 2 * c->room : ROOM_FIRST;
        struct list_change *grown = reallocarray(c->change, room, sizeof *grown);

        if (grown == NULL)
            return refuse(why, "sent a list that there is no memory for");
        c->change = grown;
        c->room = room;
    }
    c->change[c->changes++] = *change;
    return true;
}

/* Of what is there already and what is added, as if nothing were taken off. */
static bool is_bounded(const struct claim *c, const struct claim_bounds *bounds,
                       char why[static PRIMARY_WHY_MAX])
{
    uint8_t seen[(UINT16_MAX + 1) / 8] = {0};
    size_t groups = c->whole ? 0 : bounds->peer->groups;
    size_t count = c->whole ? 0 : bounds->peer->count;

    for (size_t i = 0; !c->whole && i < bounds->peer->groups; i++)
        seen[bounds->peer->group[i] / 8] |= (uint8_t)(1U << bounds->peer->group[i] % 8);
    for (size_t i = 0; i < c->changes; i++) {
        uint16_t group = c->change[i].entry.group;

        if (!c->change[i].add)
            continue;
        count++;
        groups += (seen[group / 8] & 1U << group % 8) == 0;
        seen[group / 8] |= (uint8_t)(1U << group % 8);
    }
    if (count > PDM_REGISTRATION_ENTRIES_MAX)
        return refuse(why, "has a list that is too long");
    return groups <= LIST_GROUPS_MAX || refuse(why, "has servers in too many groups");
}

bool claim_list(struct claim *c, const struct claim_bounds *bounds, struct pdm_reader *body,
                uint32_t entries, uint64_t to, char why[static PRIMARY_WHY_MAX])
{
    claim_free(c);
    c->whole = true;
    c->to = to;
    for (uint32_t i = 0; i < entries; i++) {
        struct list_change change = {.add = true};
        struct pdm_list_entry e;

        pdm_get_list_entry(body, &e);
        if (body->bad)
            return refuse(why, "sent a list that is too short");
        memcpy(change.entry.prefix.addr, e.addr, sizeof e.addr);
        change.entry.prefix.len = e.len;
        change.entry.group = e.group;
        if (!add(c, bounds, &change, why))
            return false;
    }
    if (body->bad || body->left > 0)
        return refuse(why, "sent a list of another length than it says");
    return is_bounded(c, bounds, why);
}

static bool take_changes(struct claim *c, const struct claim_bounds *bounds,
                         struct pdm_reader *body, uint32_t changes,
                         char why[static PRIMARY_WHY_MAX])
{
    for (uint32_t i = 0; i < changes; i++) {
        struct list_change change = {.add = false};
        struct pdm_list_change e;

        pdm_get_list_change(body, &e);
        if (body->bad)
            return refuse(why, "sent a list that is too short");
        memcpy(change.entry.prefix.addr, e.addr, sizeof e.addr);
        change.entry.prefix.len = e.len;
        change.entry.group = e.group;
        change.add = e.add == PDM_LIST_ADD;
        if (e.add > PDM_LIST_ADD || (c->whole && !change.add))
            return refuse(why, "sent a change that is none");
        if (!add(c, bounds, &change, why))
            return false;
    }
    return (!body->bad && body->left == 0) ||
           refuse(why, "sent a list of another length than it says");
}

bool claim_part(struct claim *c, const struct claim_bounds *bounds, struct pdm_reader *body,
                const struct pdm_list_request *head, char why[static PRIMARY_WHY_MAX])
{
    if (c->open && (head->from != c->from || head->to != c->to))
        return refuse(why, "sent parts of different lists");
    if (!c->open) {
        claim_free(c);
        c->whole = head->from == 0;
        c->from = head->from;
        c->to = head->to;
    }
    c->open = head->more != 0;
    if (!c->whole && c->to < c->from)
        return refuse(why, "sent a change that goes back");
    if (c->open && head->changes == 0)
        return refuse(why, "sent an empty part of a list");
    return take_changes(c, bounds, body, head->changes, why) && is_bounded(c, bounds, why);
}

static bool store_whole(const struct claim *c, struct store *store, uint32_t pair)
{
    struct store_entry *entry = calloc(c->changes + 1, sizeof *entry);
    size_t changed;

    if (entry == NULL)
        return false;
    for (size_t i = 0; i < c->changes; i++)
        entry[i] = (struct store_entry){c->change[i].entry.prefix, c->change[i].entry.group,
                                        STORE_SOURCE_PEER};
    bool done = store_list_replace(store, pair, 0, STORE_SOURCE_PEER, entry, c->changes, &changed);
    free(entry);
    return done;
}

static bool store_change(const struct claim *c, struct store *store, uint32_t pair)
{
    struct store_change *change = calloc(c->changes + 1, sizeof *change);

    if (change == NULL)
        return false;
    for (size_t i = 0; i < c->changes; i++)
        change[i] = (struct store_change){
            .add = c->change[i].add,
            .entry = {c->change[i].entry.prefix, c->change[i].entry.group, STORE_SOURCE_PEER}};
    bool done = store_list_change(store, pair, 0, change, c->changes);
    free(change);
    return done;
}

bool claim_store(const struct claim *c, struct store *store, uint32_t pair)
{
    return (c->whole ? store_whole(c, store, pair) : store_change(c, store, pair)) &&
           store_pair_list_version(store, pair, c->to);
}
