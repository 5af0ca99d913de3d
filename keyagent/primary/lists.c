/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists of secondaries in memory. */
#include "keyagent/primary/lists.h"

#include <stdlib.h>
#include <string.h>

#include "keyagent/log.h"

enum {
    ENTRY_LEN = PDM_ADDR_LEN + 1 + 2,                     /* PDM_BODY_LIST_ENTRY */
    CHANGE_LEN = 1 + ENTRY_LEN,                           /* PDM_BODY_LIST_CHANGE */
    REQUEST_LEN = 4 + 8 + PDM_TAG_ID_LEN + 8 + 8 + 1 + 4, /* PDM_BODY_LIST_REQUEST */
    PART = (PDM_REGISTRATION_CHANGES_MAX - REQUEST_LEN) / CHANGE_LEN
};

static int compare_changes(const void *a, const void *b)
{
    const struct list_change *x = a, *y = b;
    int order = pdm_prefix_compare(&x->entry.prefix, &y->entry.prefix);

    return order != 0 ? order : (x->order > y->order) - (x->order < y->order);
}

void list_free(struct list *l)
{
    free(l->entry);
    free(l->group);
    *l = (struct list){.pair = l->pair, .side = l->side};
}

static bool no_memory(void)
{
    log_error("no memory for a list");
    return false;
}

/* The distinct groups of COUNT entries. */
static bool collect_groups(const struct list_entry *entry, size_t count, uint16_t **group,
                           size_t *groups)
{
    uint8_t seen[(UINT16_MAX + 1) / 8] = {0};
    size_t n = 0;

    for (size_t i = 0; i < count; i++) {
        uint8_t *octet = &seen[entry[i].group / 8], bit = (uint8_t)(1U << entry[i].group % 8);

        n += (*octet & bit) == 0;
        *octet |= bit;
    }
    *group = calloc(n + 1, sizeof **group);
    if (*group == NULL)
        return no_memory();
    *groups = 0;
    for (unsigned g = 0; g <= UINT16_MAX; g++)
        if ((seen[g / 8] & 1U << g % 8) != 0)
            (*group)[(*groups)++] = (uint16_t)g;
    return true;
}

/* Both in order; of CHANGE the last of each prefix. Returns how many there are then. */
static size_t merge(const struct list *l, const struct list_change *change, size_t changes,
                    struct list_entry *out)
{
    size_t at = 0, count = 0;

    for (size_t i = 0; i < changes; i++) {
        const struct pdm_prefix *prefix = &change[i].entry.prefix;

        if (i + 1 < changes && pdm_prefix_compare(prefix, &change[i + 1].entry.prefix) == 0)
            continue;
        while (at < l->count && pdm_prefix_compare(&l->entry[at].prefix, prefix) < 0)
            out[count++] = l->entry[at++];
        if (at < l->count && pdm_prefix_compare(&l->entry[at].prefix, prefix) == 0)
            at++;
        if (change[i].add)
            out[count++] = change[i].entry;
    }
    while (at < l->count)
        out[count++] = l->entry[at++];
    return count;
}

bool list_apply(struct list *l, struct list_change *change, size_t changes)
{
    uint16_t *group;
    size_t groups;

    if (changes == 0)
        return true;
    for (size_t i = 0; i < changes; i++)
        change[i].order = (uint32_t)i;
    qsort(change, changes, sizeof *change, compare_changes);
    struct list_entry *entry = calloc(l->count + changes, sizeof *entry);
    if (entry == NULL)
        return no_memory();
    size_t count = merge(l, change, changes, entry);
    if (!collect_groups(entry, count, &group, &groups)) {
        free(entry);
        return false;
    }
    free(l->entry);
    free(l->group);
    l->entry = entry;
    l->count = count;
    l->group = group;
    l->groups = groups;
    memset(l->of_length, 0, sizeof l->of_length);
    for (size_t i = 0; i < count; i++)
        l->of_length[entry[i].prefix.len]++;
    return true;
}

/* The first entry that is not before PREFIX. */
static size_t lower_bound(const struct list *l, const struct pdm_prefix *prefix)
{
    size_t low = 0, high = l->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (pdm_prefix_compare(&l->entry[middle].prefix, prefix) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct list_entry *list_exact(const struct list *l, const struct pdm_prefix *prefix)
{
    size_t at = lower_bound(l, prefix);

    return at < l->count && pdm_prefix_equal(&l->entry[at].prefix, prefix) ? &l->entry[at] : NULL;
}

/* The longest that ADDR is in, of LONGEST bits at most. */
static const struct list_entry *find(const struct list *l, const uint8_t addr[static PDM_ADDR_LEN],
                                     int longest)
{
    for (int len = longest; len >= 0; len--) {
        if (l->of_length[len] == 0)
            continue;
        const struct pdm_prefix prefix = pdm_prefix_of(addr, (uint8_t)len);
        const struct list_entry *found = list_exact(l, &prefix);
        if (found != NULL)
            return found;
    }
    return NULL;
}

const struct list_entry *list_find(const struct list *l, const uint8_t addr[static PDM_ADDR_LEN])
{
    return find(l, addr, PDM_PREFIX_LENGTHS - 1);
}

const struct list_entry *list_overlap(const struct list *l, const struct pdm_prefix *prefix)
{
    size_t at = lower_bound(l, prefix);

    if (at < l->count && pdm_prefix_contains(prefix, l->entry[at].prefix.addr))
        return &l->entry[at];
    return find(l, prefix->addr, prefix->len);
}

/* From the store. */

struct collected {
    struct list_change *change;
    size_t count;
    size_t room;
    uint64_t version;
    bool failed;
};

static bool collect(struct collected *c, const struct store_entry *entry, bool add)
{
    if (c->count == c->room) {
        size_t room = c->room > 0 ? 2 * c->room : STORE_PAGE;
        struct list_change *grown = reallocarray(c->change, room, sizeof *grown);

        if (grown == NULL) {
            c->failed = true;
            return no_memory();
        }
        c->change = grown;
        c->room = room;
    }
    c->change[c->count++] =
        (struct list_change){.entry = {entry->prefix, entry->source, entry->group}, .add = add};
    return true;
}

static bool collect_entry(void *arg, const struct store_entry *entry)
{
    return collect(arg, entry, true);
}

static bool collect_change(void *arg, const struct store_change *change)
{
    struct collected *c = arg;

    c->version = change->version;
    return collect(c, &change->entry, change->add);
}

/* Between the two questions another primary may have changed it: then the version is asked for
 * first, so that what is newer than it is only told once more. */
static bool sync_whole(struct list *l, struct store *store)
{
    struct list fresh = {.pair = l->pair, .side = l->side};
    struct collected c = {.change = NULL};
    bool done = store_list_version(store, l->pair, l->side, &fresh.version) &&
                store_list(store, l->pair, l->side, collect_entry, &c) && !c.failed &&
                list_apply(&fresh, c.change, c.count);

    free(c.change);
    if (!done)
        return false;
    list_free(l);
    *l = fresh;
    return true;
}

bool list_sync(struct list *l, struct store *store)
{
    struct collected c = {.version = l->version};
    bool whole = false, done;

    if (l->version == 0)
        return sync_whole(l, store);
    done = store_list_changes(store, l->pair, l->side, l->version, collect_change, &c, &whole) &&
           !c.failed;
    if (done && !whole && (done = list_apply(l, c.change, c.count)))
        l->version = c.version;
    free(c.change);
    return done && (!whole || sync_whole(l, store));
}

/* Messages. */

size_t list_octets(const struct list *l)
{
    return l->count * ENTRY_LEN;
}

void list_put(const struct list *l, struct pdm_writer *w)
{
    for (size_t i = 0; i < l->count; i++) {
        struct pdm_list_entry e = {.len = l->entry[i].prefix.len, .group = l->entry[i].group};

        memcpy(e.addr, l->entry[i].prefix.addr, sizeof e.addr);
        pdm_put_list_entry(w, &e);
    }
}

static void put_change(struct pdm_writer *w, const struct list_change *change)
{
    struct pdm_list_change c = {.add = change->add ? PDM_LIST_ADD : PDM_LIST_REMOVE,
                                .len = change->entry.prefix.len,
                                .group = change->entry.group};

    memcpy(c.addr, change->entry.prefix.addr, sizeof c.addr);
    pdm_put_list_change(w, &c);
}

/* As many parts as it takes, and one at least: CHANGE, or (NULL) all entries of L. */
static struct parcel *write_parts(const struct list *l, const struct list_change *change,
                                  size_t changes, struct pdm_list_request head)
{
    size_t parts = changes > 0 ? (changes + PART - 1) / PART : 1, at = 0;
    struct pdm_writer w;
    struct parcel *parcel = parcel_begin(
        (parts - 1) * PDM_REGISTRATION_HEADER + parts * REQUEST_LEN + changes * CHANGE_LEN, &w);

    for (size_t part = 0; part < parts; part++) {
        size_t end = changes - at > PART ? at + PART : changes;
        uint8_t header[PDM_REGISTRATION_HEADER];

        head.changes = (uint32_t)(end - at);
        head.more = part + 1 < parts;
        const struct pdm_registration_header h = {PDM_COMMAND_LIST, PDM_REQUEST,
                                                  REQUEST_LEN + head.changes * CHANGE_LEN};
        pdm_registration_header_put(header, &h);
        if (part > 0)
            pdm_write_bytes(&w, header, sizeof header);
        else if (parcel != NULL)
            memcpy(parcel->bytes, header, sizeof header);
        pdm_put_list_request(&w, &head);
        for (; at < end; at++) {
            const struct list_change added = {.entry =
                                                  change == NULL ? l->entry[at] : change[at].entry,
                                              .add = change == NULL || change[at].add};
            put_change(&w, &added);
        }
    }
    return parcel;
}

struct parcel *list_parcel(const struct list *l, struct store *store, uint64_t from,
                           const struct pdm_list_request *head)
{
    struct pdm_list_request filled = *head;
    struct collected c = {.version = from};
    struct parcel *parcel = NULL;
    bool whole = from == 0;

    if (!whole && (!store_list_changes(store, l->pair, l->side, from, collect_change, &c, &whole) ||
                   c.failed))
        goto out;
    whole = whole || c.count > l->count;
    filled.from = whole ? 0 : from;
    filled.to = whole ? l->version : c.version;
    parcel = write_parts(l, whole ? NULL : c.change, whole ? l->count : c.count, filled);
out:
    free(c.change);
    return parcel;
}
