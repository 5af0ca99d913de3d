/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A list of secondaries in memory, as the store has it: the longest prefix that an address is in,
 * what overlaps a prefix, the groups. An array in the order of prefixes; every change makes it
 * anew, so changes come many at a time. And the LIST messages that tell others of it. Single
 * thread.
 */
#ifndef PDM_KEYAGENT_PRIMARY_LISTS_H
#define PDM_KEYAGENT_PRIMARY_LISTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/limits.h"
#include "core/prefix.h"
#include "core/registration.h"
#include "keyagent/primary/parcel.h"
#include "keyagent/primary/store.h"

struct list_entry {
    struct pdm_prefix prefix;
    uint8_t source; /* enum store_source */
    uint16_t group;
};

struct list_change {
    struct list_entry entry;
    bool add;
    uint32_t order; /* for list_apply */
};

struct list {
    uint32_t pair; /* 0: our own */
    uint8_t side;  /* enum pdm_side: of those on it */
    uint64_t version;
    struct list_entry *entry;
    size_t count;
    uint32_t of_length[PDM_PREFIX_LENGTHS]; /* entries */
    uint16_t *group;                        /* distinct ones, ascending */
    size_t groups;
};

void list_free(struct list *l);
/*
 * Applies CHANGES, the last of several for one prefix, whose order it changes. False: no memory,
 * which was told, and nothing changed.
 */
bool list_apply(struct list *l, struct list_change *change, size_t changes);

/* The entry with the longest prefix that ADDR is in, or NULL. */
const struct list_entry *list_find(const struct list *l, const uint8_t addr[static PDM_ADDR_LEN]);
const struct list_entry *list_exact(const struct list *l, const struct pdm_prefix *prefix);
/* An entry that PREFIX lies in or that lies in PREFIX, or NULL. */
const struct list_entry *list_overlap(const struct list *l, const struct pdm_prefix *prefix);

/* Makes of L what STORE has. False if the store could not tell, or there is no memory. */
bool list_sync(struct list *l, struct store *store);

/* Octets of a list's entries, as a SETUP has them. */
size_t list_octets(const struct list *l);
void list_put(const struct list *l, struct pdm_writer *w);
/*
 * LIST requests that make version FROM of L what it is now: changes if STORE has them all, else the
 * whole list. HEAD: what all of them begin with. NULL: no memory, or the store could not tell.
 */
struct parcel *list_parcel(const struct list *l, struct store *store, uint64_t from,
                           const struct pdm_list_request *head);

#endif
