/* SPDX-License-Identifier: BSD-2-Clause */
/* The store: the secondaries seen, and those barred. */
#include "keyagent/primary/store_inside.h"

#include <stdlib.h>

bool store_secondary_seen(struct store *store, const uint8_t addr[static PDM_ADDR_LEN],
                          uint8_t side, int64_t now, bool *barred)
{
    struct store_number n = {.found = false};

    if (!store_write(store, SECONDARY_SEEN,
                     VALUES(db_octets(addr, PDM_ADDR_LEN), db_number(side), db_number(now)),
                     store_number_each, &n))
        return false;
    *barred = n.number != 0;
    return n.found;
}

bool store_secondary_bar(struct store *store, const uint8_t addr[static PDM_ADDR_LEN], bool bar)
{
    store->changed = true;
    return store_write(store, SECONDARY_BAR, VALUES(db_octets(addr, PDM_ADDR_LEN), db_number(bar)),
                       NULL, NULL);
}

struct page {
    struct store_secondary *secondary;
    size_t count;
};

static bool page_each(void *arg, const struct db_value *column)
{
    struct page *p = arg;

    if (p->count == STORE_PAGE)
        return false;
    struct store_secondary *s = &p->secondary[p->count++];
    s->side = (uint8_t)column[1].number;
    s->barred = column[2].number != 0;
    s->seen_at = column[3].number;
    return store_octets(&column[0], s->addr, sizeof s->addr) &&
           store_range(&column[1], UINT8_MAX) && store_range(&column[2], 1) &&
           store_range(&column[3], INT64_MAX);
}

bool store_secondaries(struct store *store, uint32_t start,
                       bool (*each)(void *arg, const struct store_secondary *s), void *arg)
{
    struct page page = {.secondary = calloc(STORE_PAGE, sizeof *page.secondary)};
    struct db_value after = db_octets("", 0); /* before all */
    struct db_value skipped = db_number(start);
    uint8_t last[PDM_ADDR_LEN];
    bool done = page.secondary != NULL || store_no_memory(store), more = true;

    while (done && more) {
        page.count = 0;
        done = store_read(store, SECONDARY_PAGE, VALUES(after, db_number(STORE_PAGE), skipped),
                          page_each, &page);
        for (size_t i = 0; i < page.count && done && more; i++)
            more = each(arg, &page.secondary[i]);
        if (page.count < STORE_PAGE)
            break;
        memcpy(last, page.secondary[page.count - 1].addr, sizeof last);
        after = db_octets(last, sizeof last);
        skipped = db_number(0);
    }
    free(page.secondary);
    return done;
}
