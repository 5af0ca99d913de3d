/* SPDX-License-Identifier: BSD-2-Clause */
/* Our own secondaries as the configuration has them. */
#include "keyagent/primary/members.h"

#include <stdlib.h>

#include "conf/list_file.h"
#include "conf/value.h"
#include "keyagent/log.h"

/* One section's, while they are read. */
struct reading {
    struct members *members;
    const struct primary_config *config;
    const struct list *barred;
    uint16_t group;
};

static bool overlap(const struct pdm_prefix *a, const struct pdm_prefix *b)
{
    return a->len <= b->len ? pdm_prefix_contains(a, b->addr) : pdm_prefix_contains(b, a->addr);
}

const struct primary_peer *members_owner(const struct primary_config *config,
                                         const struct pdm_prefix *prefix)
{
    for (size_t i = 0; i < config->peers; i++)
        for (size_t j = 0; j < config->peer[i].addresses_count; j++)
            if (overlap(&config->peer[i].addresses[j], prefix))
                return &config->peer[i];
    return NULL;
}

static bool make_room(struct members *m)
{
    size_t room = m->room > 0 ? 2 * m->room : STORE_PAGE;

    if (m->count == PDM_REGISTRATION_ENTRIES_MAX) {
        log_error("a list of more than %d secondaries", PDM_REGISTRATION_ENTRIES_MAX);
        return false;
    }
    if (m->count < m->room)
        return true;
    struct store_entry *grown = reallocarray(m->entry, room, sizeof *grown);
    if (grown == NULL) {
        log_error("no memory for a list of secondaries");
        return false;
    }
    m->entry = grown;
    m->room = room;
    return true;
}

static bool add(void *arg, const struct pdm_prefix *prefix)
{
    const struct reading *r = arg;
    const struct primary_peer *owner = members_owner(r->config, prefix);
    char text[CONFIG_PREFIX_TEXT];

    if (owner != NULL) {
        config_prefix_text(prefix, text);
        log_error("%s is to be a secondary of ours, and is within the addresses of peer %s", text,
                  owner->name);
        return false;
    }
    if (list_exact(r->barred, prefix) != NULL)
        return true;
    if (!make_room(r->members))
        return false;
    r->members->entry[r->members->count++] =
        (struct store_entry){*prefix, r->group, STORE_SOURCE_FILE};
    return true;
}

static void tell(void *arg, const char *line)
{
    (void)arg;
    log_error("%s", line);
}

static bool read_section(struct reading *r, const struct primary_members *section)
{
    for (size_t i = 0; i < section->prefixes; i++)
        if (!add(r, &section->prefix[i]))
            return false;
    return section->file == NULL || list_file_read(section->file, add, r, tell, NULL);
}

bool members_read(struct members *m, const struct primary_config *config, uint8_t side,
                  const struct list *barred)
{
    *m = (struct members){.count = 0};
    for (size_t i = 0; i < config->members_count; i++) {
        struct reading r = {m, config, barred, config->members[i].group};

        if (config->members[i].side != side || read_section(&r, &config->members[i]))
            continue;
        members_free(m);
        return false;
    }
    return true;
}

void members_free(struct members *m)
{
    free(m->entry);
    *m = (struct members){.count = 0};
}
