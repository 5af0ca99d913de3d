/* SPDX-License-Identifier: BSD-2-Clause */
/* The agent's registrars. */
#include "keyagent/enrolment/registry.h"

#include <event2/dns.h>
#include <stdlib.h>
#include <string.h>

#include "keyagent/log.h"

static void tell_expiry(const struct config_association *a, const struct credentials *credentials)
{
    long long left = credentials_left_s(credentials);

    if (left < 0)
        log_error("association %s: the certificate %s has expired; have it made anew", a->name,
                  a->certificate);
    else if (left < REGISTRY_EXPIRY_S)
        log_warning("association %s: the certificate %s expires in %lld hours", a->name,
                    a->certificate, left / 3600);
}

static bool load(const struct config_association *a, struct credentials **credentials)
{
    const struct credentials_authority authority = {.name = a->name, .ca = a->ca, .crl = a->crl};

    *credentials = credentials_load(a->certificate, a->certificate_key, &authority, 1);
    if (*credentials != NULL)
        tell_expiry(a, *credentials);
    return *credentials != NULL;
}

bool registry_plan(struct registry_plan *plan, const struct config *config)
{
    bool good = true;

    *plan = (struct registry_plan){
        .credentials = calloc(config->associations + 1, sizeof(struct credentials *))};
    if (plan->credentials == NULL) {
        log_error("out of memory");
        return false;
    }
    plan->associations = config->associations;
    /* On, after one that is wrong: all errors of a configuration are told at once. */
    for (size_t i = 0; i < config->associations; i++)
        if (config->association[i].mode == CONFIG_MODE_ENROLLED)
            good = load(&config->association[i], &plan->credentials[i]) && good;
    if (!good)
        registry_plan_free(plan);
    return good;
}

void registry_plan_free(struct registry_plan *plan)
{
    for (size_t i = 0; i < plan->associations; i++)
        credentials_unref(plan->credentials[i]);
    free(plan->credentials);
    *plan = (struct registry_plan){0};
}

bool registry_init(struct registry *registry, struct event_base *base, struct agent *agent)
{
    *registry = (struct registry){.place = {.base = base, .agent = agent}};
    registry->place.highwater = &registry->highwater;
    registry->pairing_ports = (struct pairing_ports){.base = base, .agent = agent};
    registry->place.pairing_ports = &registry->pairing_ports;
    if (highwater_init(&registry->highwater, agent->config.state))
        return true;
    log_error("out of memory");
    return false;
}

void registry_free(struct registry *registry)
{
    for (size_t i = 0; i < registry->registrars; i++)
        registrar_free(registry->registrar[i]);
    free(registry->registrar);
    if (registry->place.dns != NULL)
        evdns_base_free(registry->place.dns, 1);
    highwater_free(&registry->highwater);
    *registry = (struct registry){0};
}

/*
 * Made anew for each configuration, so that a reload heeds what has become of the resolvers. Links
 * to addresses need none; those to names tell what they miss.
 */
static void renew_dns(struct registry *registry)
{
    struct evdns_base *old = registry->place.dns;

    registry->place.dns = evdns_base_new(registry->place.base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
    if (registry->place.dns != NULL)
        (void)evdns_base_resolv_conf_parse(registry->place.dns, DNS_OPTIONS_ALL,
                                           "/etc/resolv.conf");
    if (old != NULL)
        evdns_base_free(old, 1);
}

/* Takes the one that was in force under NAME out of the old ones, or NULL. */
static struct registrar *take_old(struct registrar **old, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        struct registrar *r = old[i];

        if (r != NULL && strcmp(enrolment_name(registrar_enrolment(r)), name) == 0) {
            old[i] = NULL;
            return r;
        }
    }
    return NULL;
}

/* R, which may be NULL, becomes one as A says. */
static struct registrar *set_one(const struct registry *registry, struct registrar *r,
                                 const struct config_association *a,
                                 struct credentials **credentials)
{
    struct registrar *set = r;

    if (r == NULL)
        set = registrar_new(&registry->place, a, *credentials);
    if (set == NULL || (r != NULL && !registrar_set(r, a, *credentials)))
        log_error("association %s: out of memory", a->name);
    else
        *credentials = NULL;
    return set;
}

static size_t count_enrolled(const struct registry_plan *plan)
{
    size_t count = 0;

    for (size_t i = 0; i < plan->associations; i++)
        count += plan->credentials[i] != NULL;
    return count;
}

bool registry_set(struct registry *registry, const struct config *config,
                  struct registry_plan *plan)
{
    struct registrar **old = registry->registrar;
    size_t olds = registry->registrars;
    size_t count = count_enrolled(plan);
    bool good = true;

    struct registrar **now = calloc(count + 1, sizeof(struct registrar *));
    if (now == NULL) {
        log_error("out of memory");
        registry_plan_free(plan);
        return false;
    }
    registry->registrar = now;
    registry->registrars = 0;
    for (size_t i = 0; i < plan->associations; i++) {
        const struct config_association *a = &config->association[i];

        if (plan->credentials[i] == NULL)
            continue;
        struct registrar *r =
            set_one(registry, take_old(old, olds, a->name), a, &plan->credentials[i]);
        if (r != NULL)
            now[registry->registrars++] = r;
        good = good && plan->credentials[i] == NULL;
    }
    for (size_t i = 0; i < olds; i++)
        if (old[i] != NULL)
            registrar_free(old[i]);
    free(old);
    registry_plan_free(plan);
    /* After their connections: those that come begin in a later turn of the loop. */
    if (count > 0)
        renew_dns(registry);
    return good;
}

void registry_tick(struct registry *registry, int64_t now)
{
    for (size_t i = 0; i < registry->registrars; i++)
        registrar_tick(registry->registrar[i], now);
}
