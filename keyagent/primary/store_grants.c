/* SPDX-License-Identifier: BSD-2-Clause */
/* The store: generations granted under a secret. */
#include "keyagent/primary/store_inside.h"

struct bound {
    bool found;
    uint8_t addr[PDM_ADDR_LEN];
};

static bool bound_each(void *arg, const struct db_value *column)
{
    struct bound *b = arg;

    b->found = true;
    return store_octets(column, b->addr, sizeof b->addr);
}

/* Page by page, since all at once may take longer than a statement may. */
bool store_grants_forget(struct store *store, uint32_t pair, uint64_t epoch)
{
    const struct db_value number = db_number(pair), at = db_number((int64_t)epoch);
    struct db_value from = db_octets("", 0); /* before all */
    struct bound last, next = {.found = true};

    while (next.found) {
        next.found = false;
        if (!store_read(store, GRANTS_PAGE, VALUES(number, at, from, db_number(STORE_PAGE)),
                        bound_each, &next) ||
            (next.found &&
             !store_write(store, GRANTS_FORGET,
                          VALUES(number, at, from, db_octets(next.addr, sizeof next.addr)), NULL,
                          NULL)))
            return false;
        last = next;
        from = db_octets(last.addr, sizeof last.addr);
    }
    return true;
}

/*
 * One statement takes the block. It gives no row if the secret is not there, if there is nothing
 * left of 2^32, or if the number that is kept is not above KNOWN: then this is an older store. With
 * KNOWN, there must be a number already.
 */
bool store_grant(struct store *store, uint32_t pair, uint64_t epoch,
                 const uint8_t addr[static PDM_ADDR_LEN], const uint32_t *known, uint32_t count,
                 uint32_t *first, bool *old)
{
    const struct db_value number = db_number(pair), at = db_number((int64_t)epoch);
    const struct db_value who = db_octets(addr, PDM_ADDR_LEN), many = db_number(count);
    struct store_number next = {.found = false};

    *old = false;
    bool done = known == NULL ? store_write(store, GRANT_FIRST, VALUES(number, at, who, many),
                                            store_number_each, &next)
                              : store_write(store, GRANT_NEXT,
                                            VALUES(number, at, who, many, db_number(*known)),
                                            store_number_each, &next);
    if (!done)
        return false;
    *old = !next.found;
    if (next.found)
        *first = (uint32_t)(next.number - count);
    return true;
}

bool store_granted(struct store *store, uint32_t pair, uint64_t epoch,
                   const uint8_t addr[static PDM_ADDR_LEN], uint32_t *next)
{
    struct store_number n = {.found = false};

    if (!store_read(
            store, GRANTED,
            VALUES(db_number(pair), db_number((int64_t)epoch), db_octets(addr, PDM_ADDR_LEN)),
            store_number_each, &n))
        return false;
    *next = (uint32_t)(n.number < UINT32_MAX ? n.number : UINT32_MAX);
    return true;
}
