/* SPDX-License-Identifier: BSD-2-Clause */
/* The store: what a list has of a prefix. */
#include "keyagent/primary/store_spot.h"

#include <stdlib.h>

#include "keyagent/primary/store_lists.h"

/* What was said by hand comes before what a file says. */
bool store_spot_view(const struct store_spot *spot, struct store_entry *view)
{
    static const uint8_t order[] = {STORE_SOURCE_COMMAND, STORE_SOURCE_FILE, STORE_SOURCE_PEER};

    for (size_t i = 0; i < sizeof order; i++) {
        uint8_t source = order[i];
        if (spot->has[source]) {
            *view = (struct store_entry){spot->prefix, spot->group[source], source};
            return true;
        }
    }
    return false;
}

bool store_spot_change(struct store_spot *spot, uint8_t source, bool put, uint16_t group,
                       struct store_edit *edit)
{
    struct store_entry before, after;

    if (spot->has[source] == put && (!put || spot->group[source] == group))
        return false;
    bool was = store_spot_view(spot, &before);
    *edit = (struct store_edit){.entry = {spot->prefix, group, source}, .put = put};
    spot->has[source] = put;
    spot->group[source] = group;
    edit->add = store_spot_view(spot, &after);
    edit->view = edit->add ? after : before;
    edit->seen = was != edit->add || (was && before.group != after.group);
    return true;
}

static void put_there(struct store_spot *spot, const struct store_entry *entry)
{
    spot->has[entry->source] = true;
    spot->group[entry->source] = entry->group;
}

bool store_entry_of(const struct db_value *column, struct store_entry *entry)
{
    entry->prefix.len = (uint8_t)column[1].number;
    entry->source = (uint8_t)column[2].number;
    entry->group = (uint16_t)column[3].number;
    return store_octets(&column[0], entry->prefix.addr, sizeof entry->prefix.addr) &&
           store_range(&column[1], 8 * PDM_ADDR_LEN) &&
           store_range(&column[2], STORE_SOURCES - 1) && store_range(&column[3], UINT16_MAX);
}

static bool spot_each(void *arg, const struct db_value *column)
{
    struct store_entry e;

    if (!store_entry_of(column, &e))
        return false;
    put_there(arg, &e);
    return true;
}

bool store_spot_read(const struct store_list *l, const struct pdm_prefix *prefix,
                     struct store_spot *spot)
{
    *spot = (struct store_spot){.prefix = *prefix};
    return store_read(
        l->store, LIST_PREFIX,
        VALUES(l->pair, l->side, db_octets(prefix->addr, PDM_ADDR_LEN), db_number(prefix->len)),
        spot_each, spot);
}

/* A page at a time, so that neither end holds a list of a million at once. */

static bool page_each(void *arg, const struct db_value *column)
{
    struct store_spots *s = arg;

    return s->count < STORE_PAGE && store_entry_of(column, &s->entry[s->count++]);
}

static bool turn_page(struct store_spots *s)
{
    struct db_value addr = db_octets("", 0), len = db_number(-1), source = db_number(-1);
    struct store_entry last;

    if (s->count > 0) {
        last = s->entry[s->count - 1];
        addr = db_octets(last.prefix.addr, PDM_ADDR_LEN);
        len = db_number(last.prefix.len);
        source = db_number(last.source);
    }
    s->at = s->count = 0;
    if (!store_read(s->list->store, LIST_PAGE,
                    VALUES(s->list->pair, s->list->side, addr, len, source, db_number(STORE_PAGE)),
                    page_each, s))
        return false;
    s->end = s->count < STORE_PAGE;
    return true;
}

bool store_spots_begin(struct store_spots *s, const struct store_list *list)
{
    *s = (struct store_spots){.list = list, .entry = calloc(STORE_PAGE, sizeof *s->entry)};
    return s->entry != NULL ? turn_page(s) : store_no_memory(list->store);
}

bool store_spots_next(struct store_spots *s, struct store_spot *spot, bool *any)
{
    *spot = (struct store_spot){.has = {false}};
    *any = false;
    for (;;) {
        if (s->at == s->count && (s->end || !turn_page(s) || s->count == 0))
            return s->end;
        const struct store_entry *e = &s->entry[s->at];
        if (*any && pdm_prefix_compare(&e->prefix, &spot->prefix) != 0)
            return true;
        spot->prefix = e->prefix;
        put_there(spot, e);
        *any = true;
        s->at++;
    }
}

void store_spots_end(struct store_spots *s)
{
    free(s->entry);
    s->entry = NULL;
}
