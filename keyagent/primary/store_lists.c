/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The store: lists of secondaries and their changes. A prefix may be there from several sources at
 * once; what others see of it, its view, is one entry, and only what changes a view counts as a
 * change of the list.
 */
#include <stdlib.h>

#include "keyagent/log.h"
#include "keyagent/primary/store_inside.h"

#define SOURCES 4 /* of enum store_source */

/* The list's own keys. */
struct list {
    struct store *store;
    struct db_value pair;
    struct db_value side;
    uint64_t before; /* its version when it was locked */
    uint64_t version;
};

/* What is there of one prefix. */
struct spot {
    struct pdm_prefix prefix;
    bool has[SOURCES];
    uint16_t group[SOURCES];
};

/* A change of one source's entry, and what others see of it. */
struct edit {
    struct store_entry entry; /* to be put or dropped */
    bool put;
    bool seen; /* VIEW is another change of the list */
    bool add;
    struct store_entry view;
};

static struct list list_of(struct store *store, uint32_t pair, uint8_t side)
{
    return (struct list){
        .store = store, .pair = db_number(pair), .side = db_number(pair == 0 ? side : 0)};
}

static int compare(const struct pdm_prefix *a, const struct pdm_prefix *b)
{
    int order = memcmp(a->addr, b->addr, sizeof a->addr);

    return order != 0 ? order : (int)a->len - (int)b->len;
}

/* What was said by hand comes before what a file says. */
static bool view_of(const struct spot *spot, struct store_entry *view)
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

/* Changes SPOT as asked for and says in EDIT what that does. False: it is so already. */
static bool change_spot(struct spot *spot, uint8_t source, bool put, uint16_t group,
                        struct edit *edit)
{
    struct store_entry before, after;

    if (spot->has[source] == put && (!put || spot->group[source] == group))
        return false;
    bool was = view_of(spot, &before);
    *edit = (struct edit){.entry = {spot->prefix, group, source}, .put = put};
    spot->has[source] = put;
    spot->group[source] = group;
    edit->add = view_of(spot, &after);
    edit->view = edit->add ? after : before;
    edit->seen = was != edit->add || (was && before.group != after.group);
    return true;
}

/* Keeps other primaries' changes of the list out until the transaction ends. */
static bool lock(struct list *l)
{
    struct store_number n = {.found = false};

    if (!store_write(l->store, LIST_LOCK, VALUES(l->pair, l->side), store_number_each, &n))
        return false;
    l->before = l->version = (uint64_t)n.number;
    return true;
}

static bool write_entry(const struct list *l, const struct edit *e)
{
    const struct db_value addr = db_octets(e->entry.prefix.addr, PDM_ADDR_LEN);
    const struct db_value len = db_number(e->entry.prefix.len);
    const struct db_value source = db_number(e->entry.source);

    if (!e->put)
        return store_write_later(l->store, LIST_DROP, VALUES(l->pair, l->side, addr, len, source));
    return store_write_later(
        l->store, LIST_PUT, VALUES(l->pair, l->side, addr, len, source, db_number(e->entry.group)));
}

static bool write_log(const struct list *l, const struct edit *e)
{
    return store_write_later(l->store, LOG_PUT,
                             VALUES(l->pair, l->side, db_number((int64_t)l->version),
                                    db_number(e->add), db_octets(e->view.prefix.addr, PDM_ADDR_LEN),
                                    db_number(e->view.prefix.len), db_number(e->view.source),
                                    db_number(e->view.group)));
}

static uint64_t gone_at(uint64_t version)
{
    return version > STORE_CHANGES_KEPT ? version - STORE_CHANGES_KEPT : 0;
}

/* Of the changes, only those are written that are kept. */
static bool write_edits(struct list *l, const struct edit *edit, size_t edits)
{
    size_t seen = 0;

    for (size_t i = 0; i < edits; i++)
        seen += edit[i].seen;
    uint64_t gone = gone_at(l->version + seen);
    for (size_t i = 0; i < edits; i++) {
        if (!write_entry(l, &edit[i]))
            return false;
        if (edit[i].seen && ++l->version > gone && !write_log(l, &edit[i]))
            return false;
    }
    return true;
}

static bool finish(const struct list *l)
{
    if (l->version == l->before)
        return true;
    l->store->changed = true;
    return store_write(l->store, LOG_TRIM,
                       VALUES(l->pair, l->side, db_number((int64_t)gone_at(l->version))), NULL,
                       NULL) &&
           store_write(l->store, LIST_ADVANCE,
                       VALUES(l->pair, l->side, db_number((int64_t)l->version)), NULL, NULL);
}

bool store_list_version(struct store *store, uint32_t pair, uint8_t side, uint64_t *version)
{
    const struct list l = list_of(store, pair, side);
    struct store_number n = {.found = false};

    if (!store_read(store, LIST_VERSION, VALUES(l.pair, l.side), store_number_each, &n))
        return false;
    *version = (uint64_t)n.number;
    return true;
}

/* Reading: a page at a time, so that neither end holds a list of a million at once. */

struct stream {
    const struct list *list;
    struct store_entry *entry; /* STORE_PAGE of them, of all sources */
    size_t count;
    size_t at;
    bool end; /* there are no more pages */
};

static bool no_memory(struct store *store)
{
    log_error("store %s: no memory", store->db->label);
    return store_refuse(store);
}

/* Columns addr, len, source, grp. */
static bool entry_of(const struct db_value *column, struct store_entry *entry)
{
    entry->prefix.len = (uint8_t)column[1].number;
    entry->source = (uint8_t)column[2].number;
    entry->group = (uint16_t)column[3].number;
    return store_octets(&column[0], entry->prefix.addr, sizeof entry->prefix.addr) &&
           store_range(&column[1], 8 * PDM_ADDR_LEN) && store_range(&column[2], SOURCES - 1) &&
           store_range(&column[3], UINT16_MAX);
}

static bool stream_each(void *arg, const struct db_value *column)
{
    struct stream *s = arg;

    return s->count < STORE_PAGE && entry_of(column, &s->entry[s->count++]);
}

static bool turn_page(struct stream *s)
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
                    stream_each, s))
        return false;
    s->end = s->count < STORE_PAGE;
    return true;
}

static bool stream_begin(struct stream *s, const struct list *list)
{
    *s = (struct stream){.list = list, .entry = calloc(STORE_PAGE, sizeof *s->entry)};
    return s->entry != NULL ? turn_page(s) : no_memory(list->store);
}

/* All that is there of the next prefix. False with S->at == S->count at the end. */
static bool stream_next(struct stream *s, struct spot *spot, bool *any)
{
    *spot = (struct spot){.has = {false}};
    *any = false;
    for (;;) {
        if (s->at == s->count && (s->end || !turn_page(s) || s->count == 0))
            return s->end;
        const struct store_entry *e = &s->entry[s->at];
        if (*any && compare(&e->prefix, &spot->prefix) != 0)
            return true;
        spot->prefix = e->prefix;
        spot->has[e->source] = true;
        spot->group[e->source] = e->group;
        *any = true;
        s->at++;
    }
}

bool store_list(struct store *store, uint32_t pair, uint8_t side,
                bool (*each)(void *arg, const struct store_entry *entry), void *arg)
{
    const struct list l = list_of(store, pair, side);
    struct stream s;
    struct spot spot;
    struct store_entry view;
    bool any = true;
    bool done = stream_begin(&s, &l);

    while (done && (done = stream_next(&s, &spot, &any)) && any)
        if (view_of(&spot, &view) && !each(arg, &view))
            break;
    free(s.entry);
    return done;
}

/* Changing. */

/* Two ways to write one prefix would be two entries. */
static bool is_entry(struct store *store, const struct pdm_prefix *prefix, uint8_t source)
{
    struct pdm_prefix cut;

    if (prefix->len <= 8 * PDM_ADDR_LEN && source < SOURCES) {
        cut = pdm_prefix_of(prefix->addr, prefix->len);
        if (pdm_prefix_equal(prefix, &cut))
            return true;
    }
    log_error("store %s: an entry of a list that cannot be (length %u, source %u)",
              store->db->label, prefix->len, source);
    return store_refuse(store);
}

static bool spot_each(void *arg, const struct db_value *column)
{
    struct spot *spot = arg;
    struct store_entry e;

    if (!entry_of(column, &e))
        return false;
    spot->has[e.source] = true;
    spot->group[e.source] = e.group;
    return true;
}

static bool read_spot(const struct list *l, const struct pdm_prefix *prefix, struct spot *spot)
{
    *spot = (struct spot){.prefix = *prefix};
    return store_read(
        l->store, LIST_PREFIX,
        VALUES(l->pair, l->side, db_octets(prefix->addr, PDM_ADDR_LEN), db_number(prefix->len)),
        spot_each, spot);
}

static bool edit_spot(struct list *l, struct spot *spot, uint8_t source, bool put, uint16_t group)
{
    struct edit edit;

    return !change_spot(spot, source, put, group, &edit) || write_edits(l, &edit, 1);
}

static bool change_one(struct list *l, const struct store_change *change)
{
    const struct store_entry *e = &change->entry;
    struct spot spot;

    return is_entry(l->store, &e->prefix, e->source) && read_spot(l, &e->prefix, &spot) &&
           edit_spot(l, &spot, e->source, change->add, e->group);
}

bool store_list_change(struct store *store, uint32_t pair, uint8_t side,
                       const struct store_change *change, size_t count)
{
    struct list l = list_of(store, pair, side);

    if (!lock(&l))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!change_one(&l, &change[i]))
            return false;
    return finish(&l);
}

bool store_list_move(struct store *store, uint8_t side, const struct pdm_prefix *prefix,
                     uint8_t from, uint8_t to)
{
    struct list l = list_of(store, 0, side);
    struct spot spot;

    if (!is_entry(store, prefix, from) || !lock(&l) || !read_spot(&l, prefix, &spot))
        return false;
    if (!spot.has[from])
        return true;
    return (spot.has[to] || edit_spot(&l, &spot, to, true, spot.group[from])) &&
           edit_spot(&l, &spot, from, false, 0) && finish(&l);
}

struct edits {
    struct edit *edit;
    size_t count;
    size_t room;
};

static bool append(struct store *store, struct edits *edits, const struct edit *edit)
{
    if (edits->count == edits->room) {
        size_t room = edits->room > 0 ? 2 * edits->room : STORE_PAGE;
        struct edit *grown = reallocarray(edits->edit, room, sizeof *grown);

        if (grown == NULL)
            return no_memory(store);
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
    int order = compare(&x->prefix, &y->prefix);

    return order != 0 ? order : (x < y) - (x > y);
}

/* ENTRY in order, without what is given twice. NULL after telling why. */
static const struct store_entry **in_order(struct store *store, const struct store_entry *entry,
                                           size_t *entries)
{
    const struct store_entry **given = calloc(*entries + 1, sizeof(struct store_entry *));
    size_t kept = 0;

    if (given == NULL) {
        no_memory(store);
        return NULL;
    }
    for (size_t i = 0; i < *entries; i++)
        given[i] = &entry[i];
    qsort(given, *entries, sizeof(struct store_entry *), compare_given);
    for (size_t i = 0; i < *entries; i++)
        if (kept == 0 || compare(&given[i]->prefix, &given[kept - 1]->prefix) != 0)
            given[kept++] = given[i];
    *entries = kept;
    return given;
}

/* What makes of the list as it is one that has the GIVEN from SOURCE: both in order, side by side.
 */
static bool collect(const struct list *l, uint8_t source, const struct store_entry **given,
                    size_t entries, struct edits *edits)
{
    struct stream s;
    struct spot there;
    size_t i = 0;
    bool any;
    bool done = stream_begin(&s, l) && stream_next(&s, &there, &any);

    while (done && (any || i < entries)) {
        int order = !any ? 1 : i == entries ? -1 : compare(&there.prefix, &given[i]->prefix);
        struct spot spot = there;
        struct edit edit;

        if (order > 0)
            spot = (struct spot){.prefix = given[i]->prefix};
        if (change_spot(&spot, source, order >= 0, order >= 0 ? given[i]->group : 0, &edit))
            done = append(l->store, edits, &edit);
        i += order >= 0;
        if (done && order <= 0)
            done = stream_next(&s, &there, &any);
    }
    free(s.entry);
    return done;
}

bool store_list_replace(struct store *store, uint32_t pair, uint8_t side, uint8_t source,
                        const struct store_entry *entry, size_t entries, size_t *changed)
{
    struct list l = list_of(store, pair, side);
    struct edits edits = {.edit = NULL};
    const struct store_entry **given = NULL;
    bool done = true;

    for (size_t i = 0; i < entries && done; i++)
        done = is_entry(store, &entry[i].prefix, source);
    done = done && lock(&l) && (given = in_order(store, entry, &entries)) != NULL &&
           collect(&l, source, given, entries, &edits) &&
           write_edits(&l, edits.edit, edits.count) && finish(&l);
    *changed = (size_t)(l.version - l.before);
    free(given);
    free(edits.edit);
    return done;
}

/* The log. */

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
           entry_of(&column[2], &c->entry);
}

/* Those after FROM up to TO, each one more than the one before: else another primary has dropped
 * some meanwhile. */
static bool tell_changes(const struct list *l, uint64_t from, uint64_t to,
                         bool (*each)(void *arg, const struct store_change *change), void *arg,
                         bool *whole)
{
    struct log_page page = {.change = calloc(STORE_PAGE, sizeof *page.change)};
    bool done = page.change != NULL || no_memory(l->store);

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
    const struct list l = list_of(store, pair, side);
    uint64_t version;

    *whole = false;
    if (!store_list_version(store, pair, side, &version))
        return false;
    *whole = from > version;
    return *whole || tell_changes(&l, from, version, each, arg, whole);
}
