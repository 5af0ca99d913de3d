/* SPDX-License-Identifier: BSD-2-Clause */
/* The store: the log of a list's changes. */
#include "keyagent/primary/store_log.h"

#include <stdlib.h>

uint64_t store_log_gone(uint64_t version)
{
    return version > STORE_CHANGES_KEPT ? version - STORE_CHANGES_KEPT : 0;
}

bool store_log_put(const struct store_list *l, const struct store_edit *e)
{
    return store_write_later(l->store, LOG_PUT,
                             VALUES(l->pair, l->side, db_number((int64_t)l->version),
                                    db_number(e->add), db_octets(e->view.prefix.addr, PDM_ADDR_LEN),
                                    db_number(e->view.prefix.len), db_number(e->view.source),
                                    db_number(e->view.group)));
}

bool store_log_trim(const struct store_list *l)
{
    return store_write(l->store, LOG_TRIM,
                       VALUES(l->pair, l->side, db_number((int64_t)store_log_gone(l->version))),
                       NULL, NULL);
}

struct log_page {
    struct store_change *change;
    size_t count;
};

static bool log_each(void *arg, const struct db_value *column)
{
    struct log_page *p = arg;

    if (p->count == STORE_PAGE)
        return false;
    struct store_change *c = &p->change[p->count++];
    c->version = (uint64_t)column[0].number;
    c->add = column[1].number != 0;
    return store_range(&column[0], INT64_MAX) && store_range(&column[1], 1) &&
           store_entry_of(&column[2], &c->entry);
}

/* Those after FROM up to TO, each one more than the one before: else another primary has dropped
 * some meanwhile. */
static bool tell_changes(const struct store_list *l, uint64_t from, uint64_t to,
                         bool (*each)(void *arg, const struct store_change *change), void *arg,
                         bool *whole)
{
    struct log_page page = {.change = calloc(STORE_PAGE, sizeof *page.change)};
    bool done = page.change != NULL || store_no_memory(l->store);

    while (done && from < to && !*whole) {
        page.count = 0;
        done = store_read(l->store, LOG_PAGE,
                          VALUES(l->pair, l->side, db_number((int64_t)from), db_number((int64_t)to),
                                 db_number(STORE_PAGE)),
                          log_each, &page);
        *whole = done && page.count == 0;
        for (size_t i = 0; i < page.count && done && !*whole; i++) {
            *whole = page.change[i].version != from + 1;
            if (!*whole && !each(arg, &page.change[i])) {
                from = to;
                break;
            }
            from += !*whole;
        }
    }
    free(page.change);
    return done;
}

bool store_list_changes(struct store *store, uint32_t pair, uint8_t side, uint64_t from,
                        bool (*each)(void *arg, const struct store_change *change), void *arg,
                        bool *whole)
{
    const struct store_list l = store_list_of(store, pair, side);
    uint64_t version;

    *whole = false;
    if (!store_list_version(store, pair, side, &version))
        return false;
    *whole = from > version;
    return *whole || tell_changes(&l, from, version, each, arg, whole);
}
