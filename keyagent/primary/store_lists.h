/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A list of secondaries in the store, for those who change it: store_list_lock(), edits,
 * store_list_finish(), all in one transaction. Functions that return bool return false if it could
 * not be done, after telling why; the transaction has failed then. What others use is in store.h.
 * Single thread.
 */
#ifndef PDM_KEYAGENT_PRIMARY_STORE_LISTS_H
#define PDM_KEYAGENT_PRIMARY_STORE_LISTS_H

#include "keyagent/primary/store_inside.h"
#include "keyagent/primary/store_spot.h"

struct store_list {
    struct store *store;
    struct db_value pair; /* with SIDE, its key */
    struct db_value side;
    uint64_t before; /* its version when it was locked */
    uint64_t version;
};

struct store_list store_list_of(struct store *store, uint32_t pair, uint8_t side);
/* Whether PREFIX from SOURCE may be on a list. */
bool store_list_takes(struct store *store, const struct pdm_prefix *prefix, uint8_t source);
/* Keeps other primaries' changes of the list out until the transaction ends. */
bool store_list_lock(struct store_list *l);
/* Writes EDITS and counts those that are seen. It may be known only at the commit that it failed.
 */
bool store_list_edit(struct store_list *l, const struct store_edit *edit, size_t edits);
/* Keeps the version, if there is another now. */
bool store_list_finish(const struct store_list *l);

#endif
