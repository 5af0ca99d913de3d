/* SPDX-License-Identifier: BSD-2-Clause */
/* The store: lists of secondaries. */
#include "keyagent/primary/store_lists.h"

#include "keyagent/log.h"
#include "keyagent/primary/store_log.h"

struct store_list store_list_of(struct store *store, uint32_t pair, uint8_t side)
{
    return (struct store_list){
        .store = store, .pair = db_number(pair), .side = db_number(pair == 0 ? side : 0)};
}

bool store_list_version(struct store *store, uint32_t pair, uint8_t side, uint64_t *version)
{
    const struct store_list l = store_list_of(store, pair, side);
    struct store_number n = {.found = false};

    if (!store_read(store, LIST_VERSION, VALUES(l.pair, l.side), store_number_each, &n))
        return false;
    *version = (uint64_t)n.number;
    return true;
}

bool store_list(struct store *store, uint32_t pair, uint8_t side,
                bool (*each)(void *arg, const struct store_entry *entry), void *arg)
{
    const struct store_list l = store_list_of(store, pair, side);
    struct store_spots s;
    struct store_spot spot;
    struct store_entry view;
    bool any = true;
    bool done = store_spots_begin(&s, &l);

    while (done && (done = store_spots_next(&s, &spot, &any)) && any)
        if (store_spot_view(&spot, &view) && !each(arg, &view))
            break;
    store_spots_end(&s);
    return done;
}

/* Changing. */

/* Two ways to write one prefix would be two entries. */
bool store_list_takes(struct store *store, const struct pdm_prefix *prefix, uint8_t source)
{
    if (pdm_prefix_valid(prefix) && source < STORE_SOURCES)
        return true;
    log_error("store %s: an entry of a list that cannot be (length %u, source %u)",
              store->db->label, prefix->len, source);
    return store_refuse(store);
}

bool store_list_lock(struct store_list *l)
{
    struct store_number n = {.found = false};

    if (!store_write(l->store, LIST_LOCK, VALUES(l->pair, l->side), store_number_each, &n))
        return false;
    l->before = l->version = (uint64_t)n.number;
    return true;
}

static bool write_entry(const struct store_list *l, const struct store_edit *e)
{
    const struct db_value addr = db_octets(e->entry.prefix.addr, PDM_ADDR_LEN);
    const struct db_value len = db_number(e->entry.prefix.len);
    const struct db_value source = db_number(e->entry.source);

    if (!e->put)
        return store_write_later(l->store, LIST_DROP, VALUES(l->pair, l->side, addr, len, source));
    return store_write_later(
        l->store, LIST_PUT, VALUES(l->pair, l->side, addr, len, source, db_number(e->entry.group)));
}

/* Of the changes, only those are written that are kept. */
bool store_list_edit(struct store_list *l, const struct store_edit *edit, size_t edits)
{
    size_t seen = 0;

    for (size_t i = 0; i < edits; i++)
        seen += edit[i].seen;
    uint64_t gone = store_log_gone(l->version + seen);
    for (size_t i = 0; i < edits; i++) {
        if (!write_entry(l, &edit[i]))
            return false;
        if (edit[i].seen && ++l->version > gone && !store_log_put(l, &edit[i]))
            return false;
    }
    return true;
}

bool store_list_finish(const struct store_list *l)
{
    if (l->version == l->before)
        return true;
    l->store->changed = true;
    return store_log_trim(l) &&
           store_write(l->store, LIST_ADVANCE,
                       VALUES(l->pair, l->side, db_number((int64_t)l->version)), NULL, NULL);
}

static bool edit_spot(struct store_list *l, struct store_spot *spot, uint8_t source, bool put,
                      uint16_t group)
{
    struct store_edit edit;

    return !store_spot_change(spot, source, put, group, &edit) || store_list_edit(l, &edit, 1);
}

static bool change_one(struct store_list *l, const struct store_change *change)
{
    const struct store_entry *e = &change->entry;
    struct store_spot spot;

    return store_list_takes(l->store, &e->prefix, e->source) &&
           store_spot_read(l, &e->prefix, &spot) &&
           edit_spot(l, &spot, e->source, change->add, e->group);
}

bool store_list_change(struct store *store, uint32_t pair, uint8_t side,
                       const struct store_change *change, size_t count)
{
    struct store_list l = store_list_of(store, pair, side);

    if (!store_list_lock(&l))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!change_one(&l, &change[i]))
            return false;
    return store_list_finish(&l);
}

bool store_list_move(struct store *store, uint8_t side, const struct pdm_prefix *prefix,
                     uint8_t from, uint8_t to)
{
    struct store_list l = store_list_of(store, 0, side);
    struct store_spot spot;

    if (!store_list_takes(store, prefix, from) || !store_list_lock(&l) ||
        !store_spot_read(&l, prefix, &spot))
        return false;
    if (!spot.has[from])
        return true;
    return (spot.has[to] || edit_spot(&l, &spot, to, true, spot.group[from])) &&
           edit_spot(&l, &spot, from, false, 0) && store_list_finish(&l);
}
