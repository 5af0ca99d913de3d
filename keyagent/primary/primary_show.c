/* SPDX-License-Identifier: BSD-2-Clause */
/* The primary: what pdmctl shows of it. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keyagent/clock.h"
#include "keyagent/primary/partners.h"
#include "keyagent/primary/primary_inside.h"

void primary_status(const struct primary *primary, struct pdm_admin_status *status)
{
    *status = (struct pdm_admin_status){
        .status = PDM_STATUS_OK,
        .pid = (uint32_t)getpid(),
        .uptime_ms = (uint64_t)(clock_now() - primary->started) / PDM_NSEC_PER_MSEC,
        .pairs = (uint32_t)primary->pairs,
        .secondaries = (uint32_t)primary->secondaries.count,
        .registrations = primary->registrations,
        .refused = primary->refused,
        .store_up = primary->store_up,
        .clients = primary->own[PDM_SIDE_CLIENT].count,
        .servers = primary->own[PDM_SIDE_SERVER].count,
    };
}

static uint64_t left_until(int64_t then, int64_t now)
{
    return then > now ? (uint64_t)(then - now) : 0;
}

static void show_secrets(const struct pair *pair, struct pdm_admin_pair *record)
{
    const struct store_secret *s = grants_current(pair->secret, pair->secrets);
    int64_t now = primary_time();

    for (size_t i = 0; i < pair->secrets; i++)
        if (pair->secret[i].state == STORE_SECRET_PREVIOUS) {
            record->has_previous = 1;
            record->previous_left_s = left_until(pair->secret[i].ends_at, now);
        }
    if (s == NULL)
        return;
    record->has_secret = 1;
    record->secmop = s->secmop;
    record->poller = s->poller;
    record->unprotected = s->unprotected;
    record->epoch = s->epoch;
    record->kem = s->suite.kem;
    record->kdf = s->suite.kdf;
    record->aead = s->suite.aead;
    record->age_s = left_until(now, s->made_at);
    record->left_s = s->lifetime_s == 0 ? UINT64_MAX : left_until(s->made_at + s->lifetime_s, now);
}

static void show_pair(const struct pair *pair, struct pdm_admin_pair *record)
{
    const char *name = pair->peer->name;

    *record = (struct pdm_admin_pair){.pair = pair->row.pair,
                                      .side = pair->row.side,
                                      .connected = partners_connected(pair),
                                      .secmop = pair->peer->secmop,
                                      .poller = pair->peer->poller,
                                      .unprotected = pair->peer->unprotected,
                                      .list_version = pair->row.list_version,
                                      .entries = pair->list.count};
    memcpy(record->name, name, strnlen(name, sizeof record->name - 1));
    show_secrets(pair, record);
}

static uint32_t next_page(size_t start, size_t shown, size_t all)
{
    return start + shown < all ? (uint32_t)(start + shown) : 0;
}

size_t primary_pairs(const struct primary *primary, uint32_t start, struct pdm_admin_pair *record,
                     size_t max, uint32_t *next)
{
    size_t shown = 0;

    for (size_t i = start; i < primary->pairs && shown < max; i++)
        show_pair(primary->pair[i], &record[shown++]);
    *next = next_page(start, shown, primary->pairs);
    return shown;
}

struct page {
    const struct primary *primary;
    struct pdm_admin_secondary *record;
    size_t max;
    size_t shown;
    bool more;
};

/* Of the first pair that it has to do with. */
static void show_grants(struct primary *primary, const uint8_t addr[static PDM_ADDR_LEN],
                        struct pdm_admin_secondary *record)
{
    for (size_t i = 0; i < primary->pairs; i++) {
        const struct pair *pair = primary->pair[i];
        const struct store_secret *s = grants_current(pair->secret, pair->secrets);

        if (pair->row.side != record->side || s == NULL)
            continue;
        record->pair = pair->row.pair;
        record->epoch = s->epoch;
        if (!store_granted(primary->store, pair->row.pair, s->epoch, addr, &record->generations))
            record->generations = 0;
        return;
    }
}

static bool page_each(void *arg, const struct store_secondary *s)
{
    struct page *page = arg;

    if (page->shown == page->max) {
        page->more = true;
        return false;
    }
    const struct list_entry *entry = list_find(&page->primary->own[s->side % PDM_SIDES], s->addr);
    struct pdm_admin_secondary *record = &page->record[page->shown++];
    *record = (struct pdm_admin_secondary){
        .side = s->side,
        .group = entry != NULL ? entry->group : 0,
        .barred = s->barred,
        .listed = entry != NULL,
        .seen_s = left_until(primary_time(), s->seen_at),
    };
    memcpy(record->address, s->addr, sizeof record->address);
    return true;
}

static int compare_addresses(const void *addr, const void *record)
{
    return memcmp(addr, ((const struct pdm_admin_secondary *)record)->address, PDM_ADDR_LEN);
}

static void connected_each(void *arg, const uint8_t addr[static PDM_ADDR_LEN])
{
    const struct page *page = arg;
    struct pdm_admin_secondary *record =
        bsearch(addr, page->record, page->shown, sizeof *record, compare_addresses);

    if (record != NULL)
        record->connected = 1;
}

size_t primary_secondaries(struct primary *primary, uint32_t start,
                           struct pdm_admin_secondary *record, size_t max, uint32_t *next)
{
    struct page page = {.primary = primary, .record = record, .max = max};

    if (!store_secondaries(primary->store, start, page_each, &page))
        page.shown = 0;
    secondaries_each(primary, connected_each, &page);
    for (size_t i = 0; i < page.shown; i++)
        show_grants(primary, record[i].address, &record[i]);
    *next = page.more ? start + (uint32_t)page.shown : 0;
    return page.shown;
}

size_t primary_list(struct primary *primary, uint32_t pair, uint8_t side, uint32_t start,
                    struct pdm_admin_entry *record, size_t max, uint32_t *next)
{
    const struct pair *of = pair != 0 ? primary_pair(primary, pair) : NULL;
    const struct list *list = of != NULL ? &of->list : &primary->own[side % PDM_SIDES];
    size_t shown = 0;

    *next = 0;
    if (pair != 0 && of == NULL)
        return 0;
    for (size_t i = start; i < list->count && shown < max; i++) {
        const struct list_entry *e = &list->entry[i];

        record[shown] =
            (struct pdm_admin_entry){.len = e->prefix.len, .group = e->group, .source = e->source};
        memcpy(record[shown++].addr, e->prefix.addr, PDM_ADDR_LEN);
    }
    *next = next_page(start, shown, list->count);
    return shown;
}
