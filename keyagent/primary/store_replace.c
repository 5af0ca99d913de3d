/* SPDX-License-Identifier: BSD-2-Clause */
/* The store: a list made anew, of which what differs is written alone. */
#include <stdlib.h>

#include "keyagent/primary/store_lists.h"

struct edits {
    struct store_edit *edit;
    size_t count;
    size_t room;
};

static bool append(struct store *store, struct edits *edits, const struct store_edit *edit)
{
    if (edits->count == edits->room) {
        size_t room = edits->room > 0 ? 2 * edits->room : STORE_PAGE;
        struct store_edit *grown = reallocarray(edits->edit, room, sizeof *grown);

        if (grown == NULL)
            return store_no_memory(store);
        edits->edit = grown;
        edits->room = room;
    }
    edits->edit[edits->count++] = *edit;
    return true;
}

/* Of what is given twice, the last counts: it comes first then. */
static int compare_given(const void *a, const void *b)
{
    const struct store_entry *x = *(const struct store_entry *const *)a;
    const struct store_entry *y = *(const struct store_entry *const *)b;
    int order = pdm_prefix_compare(&x->prefix, &y->prefix);

    return order != 0 ? order : (x < y) - (x > y);
}

/* ENTRY in order, without what is given twice. NULL after telling why. */
static const struct store_entry **in_order(struct store *store, const struct store_entry *entry,
                                           size_t *entries)
{
    const struct store_entry **given = calloc(*entries + 1, sizeof(struct store_entry *));
    size_t kept = 0;

    if (given == NULL) {
        store_no_memory(store);
        return NULL;
    }
    for (size_t i = 0; i < *entries; i++)
        given[i] = &entry[i];
    qsort(given, *entries, sizeof(struct store_entry *), compare_given);
    for (size_t i = 0; i < *entries; i++)
        if (kept == 0 || pdm_prefix_compare(&given[i]->prefix, &given[kept - 1]->prefix) != 0)
            given[kept++] = given[i];
    *entries = kept;
    return given;
}

/* What makes of the list as it is one that has the GIVEN from SOURCE: both in order, side by side.
 */
static bool collect(const struct store_list *l, uint8_t source, const struct store_entry **given,
                    size_t entries, struct edits *edits)
{
    struct store_spots s;
    struct store_spot there;
    size_t i = 0;
    bool any;
    bool done = store_spots_begin(&s, l) && store_spots_next(&s, &there, &any);

    while (done && (any || i < entries)) {
        int order = !any           ? 1
                    : i == entries ? -1
                                   : pdm_prefix_compare(&there.prefix, &given[i]->prefix);
        struct store_spot spot = there;
        struct store_edit edit;

        if (order > 0)
            spot = (struct store_spot){.prefix = given[i]->prefix};
        if (store_spot_change(&spot, source, order >= 0, order >= 0 ? given[i]->group : 0, &edit))
            done = append(l->store, edits, &edit);
        i += order >= 0;
        if (done && order <= 0)
            done = store_spots_next(&s, &there, &any);
    }
    store_spots_end(&s);
    return done;
}

bool store_list_replace(struct store *store, uint32_t pair, uint8_t side, uint8_t source,
                        const struct store_entry *entry, size_t entries, size_t *changed)
{
    struct store_list l = store_list_of(store, pair, side);
    struct edits edits = {.edit = NULL};
    const struct store_entry **given = NULL;
    bool done = true;

    for (size_t i = 0; i < entries && done; i++)
        done = store_list_takes(store, &entry[i].prefix, source);
    done = done && store_list_lock(&l) && (given = in_order(store, entry, &entries)) != NULL &&
           collect(&l, source, given, entries, &edits) &&
           store_list_edit(&l, edits.edit, edits.count) && store_list_finish(&l);
    *changed = (size_t)(l.version - l.before);
    free(given);
    free(edits.edit);
    return done;
}
