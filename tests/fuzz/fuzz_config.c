/* SPDX-License-Identifier: BSD-2-Clause */
/* Configuration files: whatever is in one, it is taken whole or refused with a reason. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "conf/config.h"

#define INPUT_MAX 16384 /* enough for every construct; larger ones only cost time */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void take_down(void *arg, const char *line)
{
    unsigned *lines = arg;

    must(strchr(line, '\n') == NULL || strstr(line, " = ") != NULL);
    ++*lines;
}

static void check_psk(const struct config_association *a)
{
    must(a->has_peer && a->peer.len <= 128 && a->local.len <= 128);
    must(a->format < PDM_FORMATS && a->aead != 0);
    must(a->key != NULL || a->format != PDM_FORMAT_ENCRYPTED);
    must(a->primaries == 0 && a->certificate == NULL && a->certificate_key == NULL);
}

static void check_enrolled(const struct config_association *a)
{
    must(a->mode == CONFIG_MODE_ENROLLED && !a->has_peer && a->key == NULL);
    must(a->primaries >= 1 && a->primaries <= CONFIG_PRIMARIES_MAX);
    for (size_t i = 0; i < a->primaries; i++)
        must(strrchr(a->primary[i], ':') != NULL &&
             strlen(a->primary[i]) < CONFIG_ENDPOINT_MAX + 8);
    must(a->primary_name != NULL && a->primary_name[0] != '\0');
    must(a->certificate != NULL && a->certificate_key != NULL && a->ca != NULL);
    must(a->pairing_port != 0);
}

/* Nothing but what no other host reaches. */
static void check_metrics(const struct config *config)
{
    const union config_address *a = &config->metrics;

    must(a->any.sa_family != AF_INET6 || IN6_IS_ADDR_LOOPBACK(&a->v6.sin6_addr));
    must(a->any.sa_family != AF_INET || ntohl(a->v4.sin_addr.s_addr) >> 24 == 127);
    must(a->any.sa_family != AF_UNIX ||
         memchr(a->path.sun_path, '\0', sizeof a->path.sun_path) != NULL);
    must(a->any.sa_family == AF_UNIX || a->any.sa_family == AF_UNSPEC || a->v4.sin_port != 0);
    must(config->metrics_prefix <= 128);
    must(config->flow_log_size >= 1 && config->flow_log_files >= 1 && config->flow_log_age_s >= 60);
}

static void check(const struct config *config)
{
    must(config->socket != NULL && config->socket[0] != '\0');
    must(config->settings.option_type >= 2);
    must(config->settings.share >= 1 && config->settings.share <= 100);
    must(config->settings.max_flows >= 1 && config->settings.max_flows <= PDM_FLOWS_MAX);
    must(config->max_slots >= 1 && config->max_slots <= PDM_SLOTS_MAX);
    must(config->max_ledger >= 1 && config->flows_per_client >= 1);
    check_metrics(config);
    must(config->associations <= PDM_POLICY_ENTRIES_MAX);
    for (size_t i = 0; i < config->associations; i++) {
        const struct config_association *a = &config->association[i];

        must(a->name[0] != '\0' && memchr(a->name, '\0', sizeof a->name) != NULL);
        if (a->mode == CONFIG_MODE_ENROLLED)
            check_enrolled(a);
        else
            check_psk(a);
        for (size_t j = 0; j < i; j++)
            must(strcmp(a->name, config->association[j].name) != 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    unsigned lines = 0;
    struct config config;

    if (len > INPUT_MAX)
        return 0;
    if (config_parse("/d/f", (const char *)data, len, &config, take_down, &lines)) {
        must(lines == 0);
        check(&config);
        config_free(&config);
        return 0;
    }
    must(lines >= 1 && lines <= CONFIG_COMPLAINTS_MAX + 1);
    must(config.socket == NULL && config.association == NULL && config.associations == 0);
    return 0;
}
