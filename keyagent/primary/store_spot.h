/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a list in the store has of one prefix: an entry from each of several sources at most. What
 * others see of them, the view, is one entry or none; a change of a source's entry is a change of
 * the list only if it changes the view. Single thread.
 */
#ifndef PDM_KEYAGENT_PRIMARY_STORE_SPOT_H
#define PDM_KEYAGENT_PRIMARY_STORE_SPOT_H

#include "keyagent/primary/db.h"
#include "keyagent/primary/store.h"

#define STORE_SOURCES 4 /* of enum store_source */

struct store_list;

struct store_spot {
    struct pdm_prefix prefix;
    bool has[STORE_SOURCES];
    uint16_t group[STORE_SOURCES];
};

/* A change of one source's entry, and what others see of it. */
struct store_edit {
    struct store_entry entry; /* to be put or dropped */
    bool put;
    bool seen; /* VIEW is another change of the list */
    bool add;
    struct store_entry view;
};

/* False: nothing is seen of SPOT. */
bool store_spot_view(const struct store_spot *spot, struct store_entry *view);
/* Changes SPOT as asked for and says in EDIT what that does. False: it is so already. */
bool store_spot_change(struct store_spot *spot, uint8_t source, bool put, uint16_t group,
                       struct store_edit *edit);
/* What LIST has of PREFIX, if anything. False if the database could not tell, after telling why. */
bool store_spot_read(const struct store_list *list, const struct pdm_prefix *prefix,
                     struct store_spot *spot);

/* Columns addr, len, source, grp. False if they cannot be. */
bool store_entry_of(const struct db_value *column, struct store_entry *entry);

/* All spots of a list, in the order of their prefixes, a page of entries at a time. */
struct store_spots {
    const struct store_list *list;
    struct store_entry *entry; /* STORE_PAGE of them, of all sources */
    size_t count;
    size_t at;
    bool end; /* there are no more pages */
};

/* Both return false if it could not be done, after telling why; store_spots_end() frees either way.
 * The list stays where it is until then. */
bool store_spots_begin(struct store_spots *s, const struct store_list *list);
/* The next; not *ANY at the end. */
bool store_spots_next(struct store_spots *s, struct store_spot *spot, bool *any);
void store_spots_end(struct store_spots *s);

#endif
