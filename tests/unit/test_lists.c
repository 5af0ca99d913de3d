/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists of secondaries in memory, and what a peer may claim, against the same done one by one. */
#include <criterion/criterion.h>
#include <sodium.h>
#include <stdlib.h>

#include "conf/value.h"
#include "keyagent/primary/claims.h"
#include "keyagent/primary/lists.h"

enum { PREFIXES = 300, ROUNDS = 400 };

static struct pdm_prefix prefix_of(const char *text)
{
    struct pdm_prefix prefix;

    cr_assert_eq(config_prefix(text, &prefix), CONFIG_PREFIX_OK, "%s", text);
    return prefix;
}

static struct list_change change_of(const char *text, bool add, uint16_t group)
{
    return (struct list_change){.entry = {.prefix = prefix_of(text), .group = group}, .add = add};
}

/* Few bits, so that prefixes meet. */
static struct pdm_prefix any_prefix(void)
{
    static const uint8_t lengths[] = {0, 1, 7, 8, 9, 12, 64, 127, 128};
    uint8_t addr[PDM_ADDR_LEN] = {0};

    addr[0] = (uint8_t)(randombytes_uniform(4) << 6);
    addr[1] = (uint8_t)(randombytes_uniform(4) << 4);
    addr[15] = (uint8_t)randombytes_uniform(4);
    return pdm_prefix_of(addr, lengths[randombytes_uniform(sizeof lengths)]);
}

/* The same list without order. */
struct model {
    struct list_entry entry[PREFIXES];
    size_t count;
};

static void model_change(struct model *m, const struct list_change *change)
{
    size_t at = 0;

    while (at < m->count && !pdm_prefix_equal(&m->entry[at].prefix, &change->entry.prefix))
        at++;
    if (change->add) {
        m->entry[at] = change->entry;
        m->count += at == m->count;
    } else if (at < m->count) {
        m->entry[at] = m->entry[--m->count];
    }
}

static const struct list_entry *model_find(const struct model *m, const uint8_t *addr)
{
    const struct list_entry *best = NULL;

    for (size_t i = 0; i < m->count; i++)
        if (pdm_prefix_contains(&m->entry[i].prefix, addr) &&
            (best == NULL || m->entry[i].prefix.len > best->prefix.len))
            best = &m->entry[i];
    return best;
}

static bool model_overlaps(const struct model *m, const struct pdm_prefix *prefix)
{
    for (size_t i = 0; i < m->count; i++)
        if (pdm_prefix_contains(&m->entry[i].prefix, prefix->addr)
                ? m->entry[i].prefix.len <= prefix->len ||
                      pdm_prefix_contains(prefix, m->entry[i].prefix.addr)
                : pdm_prefix_contains(prefix, m->entry[i].prefix.addr))
            return true;
    return false;
}

static bool model_has_group(const struct model *m, uint16_t group)
{
    for (size_t i = 0; i < m->count; i++)
        if (m->entry[i].group == group)
            return true;
    return false;
}

static void compare(const struct list *l, const struct model *m)
{
    cr_assert_eq(l->count, m->count);
    for (int i = 0; i < 20; i++) {
        const struct pdm_prefix prefix = any_prefix();
        const struct list_entry *found = list_find(l, prefix.addr);
        const struct list_entry *expected = model_find(m, prefix.addr);

        cr_assert_eq(found == NULL, expected == NULL);
        if (found != NULL) {
            cr_assert(pdm_prefix_equal(&found->prefix, &expected->prefix));
            cr_assert_eq(found->group, expected->group);
        }
        cr_assert_eq(list_overlap(l, &prefix) != NULL, model_overlaps(m, &prefix));
    }
    for (size_t i = 0; i < l->groups; i++) {
        cr_assert(model_has_group(m, l->group[i]));
        cr_assert(i == 0 || l->group[i - 1] < l->group[i]);
    }
    for (size_t i = 0; i < m->count; i++)
        cr_assert_not_null(list_exact(l, &m->entry[i].prefix));
}

Test(lists, applies_changes_as_one_by_one)
{
    struct model m = {.count = 0};
    struct list l = {.pair = 1};

    for (int round = 0; round < ROUNDS; round++) {
        struct list_change change[20];
        size_t changes = randombytes_uniform(20);

        for (size_t i = 0; i < changes; i++) {
            change[i] = (struct list_change){
                .entry = {.prefix = any_prefix(), .group = (uint16_t)randombytes_uniform(5)},
                .add = randombytes_uniform(3) > 0};
            model_change(&m, &change[i]);
        }
        cr_assert(list_apply(&l, change, changes));
        compare(&l, &m);
    }
    list_free(&l);
    cr_assert_eq(l.pair, 1);
}

/* What is written is what a reader reads. */
Test(lists, entries_and_messages_are_read_back)
{
    struct list_change change[] = {change_of("2001:db8:a::21", true, 7),
                                   change_of("2001:db8:a:1::/64", true, 9)};
    const struct pdm_list_request head = {.pair = 5};
    struct pdm_registration_header header;
    struct pdm_list_request request;
    struct pdm_list_change first;
    struct list l = {.version = 12};

    cr_assert(list_apply(&l, change, 2));
    struct parcel *parcel = list_parcel(&l, NULL, 0, &head);
    cr_assert_not_null(parcel);
    cr_assert(pdm_registration_header_get(parcel->bytes, &header));
    cr_assert_eq(header.command, PDM_COMMAND_LIST);
    cr_assert_eq(header.length, parcel->len - PDM_REGISTRATION_HEADER);
    struct pdm_reader r = pdm_reader(parcel->bytes + PDM_REGISTRATION_HEADER, header.length);
    pdm_get_list_request(&r, &request);
    cr_assert_eq(request.pair, 5);
    cr_assert_eq(request.from, 0);
    cr_assert_eq(request.to, 12);
    cr_assert_eq(request.changes, 2);
    pdm_get_list_change(&r, &first);
    cr_assert_eq(first.len, 128);
    cr_assert_eq(first.group, 7);
    cr_assert_eq(first.add, PDM_LIST_ADD);
    parcel_drop(parcel);
    list_free(&l);
}

/* More than one message can hold: parts of one list, all but the last saying so. */
Test(lists, a_long_list_is_told_in_parts)
{
    enum { MANY = 120000 };
    struct list_change *change = calloc(MANY, sizeof *change);
    const struct pdm_list_request head = {.pair = 1};
    struct list l = {.version = 3};
    size_t at = 0, parts = 0, told = 0;

    cr_assert_not_null(change);
    for (uint32_t i = 0; i < MANY; i++) {
        uint8_t addr[PDM_ADDR_LEN] = {0x20, 1, 0xd, 0xb8};

        memcpy(addr + 12, &i, sizeof i);
        change[i] = (struct list_change){.entry.prefix = pdm_prefix_of(addr, 128), .add = true};
    }
    cr_assert(list_apply(&l, change, MANY));
    free(change);
    struct parcel *parcel = list_parcel(&l, NULL, 0, &head);
    cr_assert_not_null(parcel);
    const struct list nothing[PDM_SIDES] = {{.pair = 0}};
    const struct list before = {.side = PDM_SIDE_CLIENT};
    const struct pdm_prefix all = prefix_of("2001:db8::/32");
    const struct claim_bounds bounds = {&all, 1, nothing, &before};
    struct claim claim = {.open = false};
    char why[PRIMARY_WHY_MAX];
    while (at < parcel->len) {
        struct pdm_registration_header header;
        struct pdm_list_request request;

        cr_assert(pdm_registration_header_get(parcel->bytes + at, &header));
        struct pdm_reader r =
            pdm_reader(parcel->bytes + at + PDM_REGISTRATION_HEADER, header.length);
        pdm_get_list_request(&r, &request);
        at += PDM_REGISTRATION_HEADER + header.length;
        parts++;
        told += request.changes;
        cr_assert_eq(request.more, at < parcel->len);
        cr_assert(claim_part(&claim, &bounds, &r, &request, why), "%s", why);
        cr_assert_eq(claim.open, at < parcel->len);
    }
    cr_assert_eq(told, MANY);
    cr_assert_eq(claim.changes, MANY);
    cr_assert_gt(parts, 1);
    claim_free(&claim);
    parcel_drop(parcel);
    list_free(&l);
}

/* What a peer with 2001:db8:a::/48, whose list is SIDE's, may say. */
static const struct {
    const char *entry;
    uint16_t group;
    uint8_t side;
    const char *why; /* part of it; NULL: taken */
} claims[] = {
    {"2001:db8:a::21", 1, PDM_SIDE_SERVER, NULL},
    {"2001:db8:a::/48", 1, PDM_SIDE_SERVER, NULL},
    {"2001:db8:a:1::/64", 0, PDM_SIDE_CLIENT, NULL},
    {"2001:db8:8::/47", 1, PDM_SIDE_SERVER, "outside of its addresses"},
    {"2001:db8:c::1", 1, PDM_SIDE_SERVER, "outside of its addresses"},
    {"2001:db8:b::/64", 1, PDM_SIDE_SERVER, "2001:db8:b::/64, which is ours"},
    {"2001:db8:b::11", 1, PDM_SIDE_SERVER, "which is ours"},
    {"2001:db8::/32", 1, PDM_SIDE_SERVER, "which is ours"},
    {"::/0", 1, PDM_SIDE_SERVER, "which is ours"},
    {"2001:db8:a::21", 1, PDM_SIDE_CLIENT, "a client in a group"},
};

static bool claimed(const struct list *own, size_t i, char why[static PRIMARY_WHY_MAX])
{
    const struct pdm_prefix allowed = prefix_of("2001:db8:a::/48");
    const struct list before = {.side = claims[i].side};
    const struct claim_bounds bounds = {&allowed, 1, own, &before};
    const struct pdm_prefix prefix = prefix_of(claims[i].entry);
    struct pdm_list_entry entry = {.len = prefix.len, .group = claims[i].group};
    struct claim claim = {.open = false};
    uint8_t bytes[64];
    struct pdm_writer w = pdm_writer(bytes, sizeof bytes);

    memcpy(entry.addr, prefix.addr, sizeof entry.addr);
    pdm_put_list_entry(&w, &entry);
    struct pdm_reader r = pdm_reader(bytes, sizeof bytes - w.left);
    bool taken = claim_list(&claim, &bounds, &r, 1, 4, why);
    cr_assert(!taken || (claim.whole && claim.to == 4 && claim.changes == 1));
    claim_free(&claim);
    return taken;
}

Test(lists, a_peer_may_claim_its_own_alone)
{
    struct list own[PDM_SIDES] = {{.side = PDM_SIDE_CLIENT}, {.side = PDM_SIDE_SERVER}};
    struct list_change ours = change_of("2001:db8:b::/64", true, 0);
    char why[PRIMARY_WHY_MAX];

    for (size_t side = 0; side < PDM_SIDES; side++) {
        cr_assert(list_apply(&own[side], &ours, 1));
        for (size_t i = 0; i < sizeof claims / sizeof claims[0]; i++) {
            cr_assert_eq(claimed(own, i, why), claims[i].why == NULL, "%s", claims[i].entry);
            cr_assert(claims[i].why == NULL || strstr(why, claims[i].why) != NULL, "%s: %s",
                      claims[i].entry, why);
        }
        list_free(&own[side]);
    }
}
