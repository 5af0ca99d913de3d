/* SPDX-License-Identifier: BSD-2-Clause */
/* A primary's configuration: whatever is in it, it is taken whole or refused with a reason. */
#include <sodium.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "conf/primary_config.h"

#define INPUT_MAX 16384 /* enough for every construct; larger ones only cost time */

int LLVMFuzzerInitialize(const int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void take_down(void *arg, const char *line)
{
    unsigned *lines = arg;

    must(line[0] != '\0');
    ++*lines;
}

static bool has(const struct primary_config *config, uint8_t side)
{
    for (size_t i = 0; i < config->members_count; i++)
        if (config->members[i].side == side)
            return true;
    return false;
}

static void check_prefixes(const struct pdm_prefix *prefix, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct pdm_prefix cut = pdm_prefix_of(prefix[i].addr, prefix[i].len);

        must(prefix[i].len <= 128 && pdm_prefix_equal(&cut, &prefix[i]));
    }
}

static void check_peer(const struct primary_config *config, const struct primary_peer *p)
{
    must(p->name[0] != '\0' && memchr(p->name, '\0', sizeof p->name) != NULL);
    must(p->side < PDM_SIDES && has(config, p->side));
    must((p->side == PDM_SIDE_CLIENT) == (p->connect != NULL));
    must(p->certificate_name != NULL && p->certificate_name[0] != '\0' && p->ca != NULL);
    must(p->addresses_count >= 1);
    check_prefixes(p->addresses, p->addresses_count);
    must(p->has_secmop || p->side == PDM_SIDE_CLIENT);
    must(p->secmop < PDM_SECMOPS && p->poller < PDM_SIDES && p->unprotected < PDM_UNPROTECTEDS);
    must(p->grace_s >= 1);
    must(p->kems >= 1 && p->kems <= 2 && p->kdfs >= 1 && p->kdfs <= 2);
    must(p->aeads >= 1 && p->aeads <= 2);
    for (size_t i = 0; i < config->members_count; i++)
        for (size_t j = 0; j < config->members[i].prefixes; j++)
            for (size_t k = 0; k < p->addresses_count; k++)
                must(!pdm_prefix_contains(&p->addresses[k], config->members[i].prefix[j].addr));
}

static void check(const struct primary_config *config)
{
    must(config->listen != NULL && config->listen[0] == '[');
    must(config->certificate != NULL && config->certificate_key != NULL && config->ca != NULL);
    must(config->store != NULL && config->store_key != NULL && config->socket != NULL);
    must(config->block >= 1 && config->block <= CONFIG_BLOCK_MAX);
    for (size_t i = 0; i < config->members_count; i++) {
        const struct primary_members *m = &config->members[i];

        must((m->side == PDM_SIDE_SERVER) == (m->group != 0));
        check_prefixes(m->prefix, m->prefixes);
    }
    for (size_t i = 0; i < config->peers; i++)
        check_peer(config, &config->peer[i]);
}

int LLVMFuzzerInitialize(const int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    must(sodium_init() >= 0);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    unsigned lines = 0;
    struct primary_config config;

    if (len > INPUT_MAX)
        return 0;
    if (primary_config_parse("/d/f", (const char *)data, len, &config, take_down, &lines)) {
        must(lines == 0);
        check(&config);
        primary_config_free(&config);
        return 0;
    }
    must(lines >= 1 && lines <= CONFIG_COMPLAINTS_MAX + 1);
    must(config.socket == NULL && config.members == NULL && config.peer == NULL);
    return 0;
}
