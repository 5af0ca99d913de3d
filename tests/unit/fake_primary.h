/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The socket's side of a primary (keyagent/primary/admin.c) with a primary that only writes down
 * what it was asked for. To be included once, before anything of keyagent/primary.
 */
#ifndef PDM_TESTS_FAKE_PRIMARY_H
#define PDM_TESTS_FAKE_PRIMARY_H

#include <stdio.h>
#include <string.h>

#define primary_renegotiate fake_renegotiate
#define primary_revoke fake_revoke
#define primary_list_change fake_list_change
#define primary_status fake_status
#define primary_pairs fake_pairs
#define primary_secondaries fake_secondaries
#define primary_list fake_list

#include "keyagent/primary/admin.c"

static struct fake {
    bool agrees;
    size_t entries; /* of every list */
    char asked[256];
} fake;

#define FAKE_WHY "it is a fake"

static bool fake_decides(char why[static ADMIN_WHY_MAX])
{
    if (!fake.agrees)
        snprintf(why, ADMIN_WHY_MAX, "%s", FAKE_WHY);
    return fake.agrees;
}

bool fake_renegotiate(struct primary *primary, const char *peer, char why[static ADMIN_WHY_MAX])
{
    (void)primary;
    snprintf(fake.asked, sizeof fake.asked, "renegotiate %s", peer);
    return fake_decides(why);
}

bool fake_revoke(struct primary *primary, const uint8_t addr[static PDM_ADDR_LEN], bool admit,
                 char why[static ADMIN_WHY_MAX])
{
    (void)primary;
    snprintf(fake.asked, sizeof fake.asked, "%s %02x", admit ? "admit" : "revoke",
             addr[PDM_ADDR_LEN - 1]);
    return fake_decides(why);
}

bool fake_list_change(struct primary *primary, uint8_t side, const struct pdm_prefix *prefix,
                      uint16_t group, bool add, char why[static ADMIN_WHY_MAX])
{
    (void)primary;
    snprintf(fake.asked, sizeof fake.asked, "%s side %u %02x%02x/%u group %u",
             add ? "add" : "remove", side, prefix->addr[0], prefix->addr[1], prefix->len, group);
    return fake_decides(why);
}

void fake_status(const struct primary *primary, struct pdm_admin_status *status)
{
    (void)primary;
    *status = (struct pdm_admin_status){.pid = 7, .clients = fake.entries};
    snprintf(fake.asked, sizeof fake.asked, "status");
}

/* As many as there are from START on. */
static size_t fake_page(uint32_t start, size_t max, uint32_t *next)
{
    size_t left = start < fake.entries ? fake.entries - start : 0;
    size_t count = left < max ? left : max;

    *next = count < left ? start + (uint32_t)count : 0;
    return count;
}

size_t fake_pairs(const struct primary *primary, uint32_t start, struct pdm_admin_pair *record,
                  size_t max, uint32_t *next)
{
    size_t count = fake_page(start, max, next);

    (void)primary;
    for (size_t i = 0; i < count; i++)
        record[i] = (struct pdm_admin_pair){.pair = start + (uint32_t)i};
    snprintf(fake.asked, sizeof fake.asked, "pairs from %u", start);
    return count;
}

size_t fake_secondaries(struct primary *primary, uint32_t start, struct pdm_admin_secondary *record,
                        size_t max, uint32_t *next)
{
    size_t count = fake_page(start, max, next);

    (void)primary;
    for (size_t i = 0; i < count; i++)
        record[i] = (struct pdm_admin_secondary){.generations = start + (uint32_t)i};
    snprintf(fake.asked, sizeof fake.asked, "secondaries from %u", start);
    return count;
}

size_t fake_list(struct primary *primary, uint32_t pair, uint8_t side, uint32_t start,
                 struct pdm_admin_entry *record, size_t max, uint32_t *next)
{
    size_t count = fake_page(start, max, next);

    (void)primary;
    for (size_t i = 0; i < count; i++)
        record[i] = (struct pdm_admin_entry){.group = (uint16_t)(start + i)};
    snprintf(fake.asked, sizeof fake.asked, "list %u side %u from %u", pair, side, start);
    return count;
}

static bool fake_reload(void *arg, char why[static ADMIN_WHY_MAX])
{
    (void)arg;
    snprintf(fake.asked, sizeof fake.asked, "reload");
    return fake_decides(why);
}

#endif
