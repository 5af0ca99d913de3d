/* SPDX-License-Identifier: BSD-2-Clause */
/* The primary as a whole. */
#include "keyagent/primary/primary.h"

#include <event2/dns.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "keyagent/clock.h"
#include "keyagent/log.h"
#include "keyagent/primary/partners.h"
#include "keyagent/primary/primary_inside.h"

struct pair *primary_pair(const struct primary *primary, uint32_t number)
{
    for (size_t i = 0; i < primary->pairs; i++)
        if (primary->pair[i]->row.pair == number)
            return primary->pair[i];
    return NULL;
}

bool primary_is_barred(const struct primary *primary, const uint8_t addr[static PDM_ADDR_LEN])
{
    const struct pdm_prefix prefix = pdm_prefix_of(addr, 8 * PDM_ADDR_LEN);

    return primary->barred.count > 0 && list_exact(&primary->barred, &prefix) != NULL;
}

struct identities *primary_identities(struct primary *primary)
{
    if (primary->identities == NULL)
        primary->identities = identities_new();
    return primary->identities;
}

static void on_tick(int fd, short what, void *arg)
{
    struct primary *primary = arg;

    (void)fd;
    (void)what;
    primary_look(primary);
    primary_expire(primary);
    partners_tick(primary);
    secondaries_tick(primary);
    doors_tick(primary);
    for (size_t i = 0; i < primary->pairs; i++)
        pair_rest(primary->pair[i]);
    log_flush();
}

/* One for each secondary, and some. */
static void raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* Names of peers are asked of the system's servers; without any, of its hosts file alone. */
static struct evdns_base *open_dns(struct event_base *base)
{
    struct evdns_base *dns =
        evdns_base_new(base, EVDNS_BASE_INITIALIZE_NAMESERVERS | EVDNS_BASE_DISABLE_WHEN_INACTIVE);

    if (dns == NULL) {
        dns = evdns_base_new(base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
        if (dns != NULL)
            evdns_base_load_hosts(dns, "/etc/hosts");
    }
    return dns;
}

static bool open_parts(struct primary *primary)
{
    static const struct timeval second = {.tv_sec = PRIMARY_TICK_S};

    primary->dns = open_dns(primary->base);
    primary->tick = event_new(primary->base, -1, EV_PERSIST, on_tick, primary);
    if (primary->dns != NULL && primary->tick != NULL && secondaries_init(primary) &&
        doors_init(primary) &&
        outbox_init(&primary->outbox, primary->base, primary->store, primary_settled, primary) &&
        event_add(primary->tick, &second) == 0)
        return true;
    log_error("no memory");
    return false;
}

struct primary *primary_new(struct primary_config *config, const char *path,
                            struct event_base *base, enum exit_code *code)
{
    struct primary *primary = calloc(1, sizeof *primary);

    *code = EXIT_RUNTIME;
    if (primary == NULL) {
        log_error("no memory");
        return NULL;
    }
    primary->config = *config;
    *config = (struct primary_config){0};
    primary->base = base;
    primary->started = clock_now();
    primary->store_up = true;
    for (unsigned side = 0; side < PDM_SIDES; side++)
        primary->own[side].side = (uint8_t)side;
    raise_descriptors();
    *code = EXIT_CONFIG;
    primary->path = strdup(path);
    primary->credentials = primary_credentials(&primary->config);
    if (primary->credentials == NULL || primary->path == NULL)
        goto fail;
    *code = EXIT_RUNTIME;
    primary->store = store_open(primary->config.store, primary->config.store_key);
    if (primary->store != NULL && open_parts(primary) && primary_take_config(primary, code))
        return primary;
fail:
    primary_free(primary);
    return NULL;
}

void primary_free(struct primary *primary)
{
    if (primary == NULL)
        return;
    doors_free(primary);
    if (primary->outbox.store != NULL)
        outbox_settle(&primary->outbox);
    for (size_t i = 0; i < primary->pairs; i++)
        primary_end_pair(primary, primary->pair[i]);
    free(primary->pair);
    secondaries_drop(primary);
    secondaries_free(primary);
    if (primary->outbox.store != NULL)
        outbox_free(&primary->outbox);
    if (primary->tick != NULL)
        event_free(primary->tick);
    if (primary->dns != NULL)
        evdns_base_free(primary->dns, 0);
    identities_free(primary->identities);
    for (size_t side = 0; side < PDM_SIDES; side++)
        list_free(&primary->own[side]);
    list_free(&primary->barred);
    store_close(primary->store);
    credentials_unref(primary->credentials);
    primary_config_free(&primary->config);
    free(primary->path);
    free(primary);
}
