/* SPDX-License-Identifier: BSD-2-Clause */
/* The primary as a whole. */
#include "keyagent/primary/primary.h"

#include <event2/dns.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "keyagent/clock.h"
#include "keyagent/log.h"
#include "keyagent/primary/dial.h"
#include "keyagent/primary/members.h"
#include "keyagent/primary/partners.h"
#include "keyagent/primary/primary_inside.h"
#include "keyagent/primary/vault.h"

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

/* What the store has, in memory. */

static bool bar_each(void *arg, const struct store_secondary *s)
{
    struct list *barred = arg;
    struct list_change change = {.entry.prefix = pdm_prefix_of(s->addr, 8 * PDM_ADDR_LEN),
                                 .add = true};

    return !s->barred || list_apply(barred, &change, 1);
}

static bool sync_barred(struct primary *primary)
{
    struct list barred = {.pair = 0};

    if (!store_secondaries(primary->store, 0, bar_each, &barred)) {
        list_free(&barred);
        return false;
    }
    list_free(&primary->barred);
    primary->barred = barred;
    return true;
}

static bool sync_own(struct primary *primary)
{
    for (unsigned side = 0; side < PDM_SIDES; side++) {
        uint64_t before = primary->own[side].version;

        if (!list_sync(&primary->own[side], primary->store))
            return false;
        if (primary->own[side].version != before)
            partners_list_changed(primary, (uint8_t)side);
    }
    secondaries_own_changed(primary);
    return true;
}

/* What secondaries are given by the latest secrets follows from these. */
struct standing {
    uint64_t epoch;
    uint64_t usable_from;
    bool any;
    uint8_t groups[crypto_generichash_BYTES];
};

static struct standing standing_of(const struct pair *pair)
{
    const struct store_secret *s = grants_current(pair->secret, pair->secrets);

    struct standing standing = {
        .epoch = s != NULL ? s->epoch : 0, .usable_from = pair->row.usable_from, .any = s != NULL};
    crypto_generichash(standing.groups, sizeof standing.groups, (const uint8_t *)pair->list.group,
                       pair->list.groups * sizeof *pair->list.group, NULL, 0);
    return standing;
}

bool primary_take_own(struct primary *primary)
{
    return sync_barred(primary) && sync_own(primary);
}

bool primary_pair_changed(struct primary *primary, struct pair *pair)
{
    const struct standing before = standing_of(pair);
    const uint64_t version = pair->list.version;

    if (!pair_sync(pair, primary->store))
        return false;
    const struct standing after = standing_of(pair);
    if (before.any != after.any || before.epoch != after.epoch ||
        before.usable_from != after.usable_from)
        secondaries_secrets_changed(primary, pair);
    if (version != pair->list.version)
        secondaries_list_changed(primary, pair,
                                 memcmp(before.groups, after.groups, sizeof before.groups) != 0);
    return true;
}

static bool sync_all(struct primary *primary)
{
    if (!primary_take_own(primary))
        return false;
    for (size_t i = 0; i < primary->pairs; i++)
        if (!primary_pair_changed(primary, primary->pair[i]))
            return false;
    return true;
}

/* After a transaction was lost memory may have what the store has not: lists are read anew,
 * secondaries are told again, and may bring about again what they did. */
static bool resume(struct primary *primary)
{
    uint64_t changes;

    if (!store_changes(primary->store, &changes))
        return false;
    for (size_t side = 0; side < PDM_SIDES; side++)
        primary->own[side].version = 0;
    for (size_t i = 0; i < primary->pairs; i++) {
        primary->pair[i]->list.version = 0;
        primary->pair[i]->suspected_at = 0;
    }
    if (!sync_all(primary))
        return false;
    for (size_t i = 0; i < primary->pairs; i++)
        secondaries_secrets_changed(primary, primary->pair[i]);
    log_info("the store answers again");
    primary->changes = changes;
    primary->store_up = true;
    primary->outbox.halted = false;
    return true;
}

static void settled(void *arg, bool committed)
{
    struct primary *primary = arg;

    if (!committed && primary->store_up)
        log_error("the store cannot be written to: requests wait until it can");
    primary->store_up = committed;
}

void primary_look(struct primary *primary)
{
    uint64_t changes;

    outbox_settle(&primary->outbox);
    if (primary->outbox.halted) {
        resume(primary);
        return;
    }
    if (!store_changes(primary->store, &changes)) {
        primary->outbox.halted = true;
        settled(primary, false);
        return;
    }
    if (changes == primary->changes)
        return;
    primary->changes = changes;
    if (!sync_all(primary)) {
        primary->outbox.halted = true;
        settled(primary, false);
    }
}

static void expire(struct primary *primary)
{
    int64_t now = primary_time();
    bool any = false;

    for (size_t i = 0; i < primary->pairs; i++)
        any = any || pair_has_ended(primary->pair[i], now);
    if (!any || !outbox_begin(&primary->outbox) || !store_secrets_expire(primary->store, now, &any))
        return;
    for (size_t i = 0; i < primary->pairs; i++)
        if (!primary_pair_changed(primary, primary->pair[i]))
            return;
}

static void on_tick(int fd, short what, void *arg)
{
    struct primary *primary = arg;

    (void)fd;
    (void)what;
    primary_look(primary);
    expire(primary);
    partners_tick(primary);
    secondaries_tick(primary);
    doors_tick(primary);
    for (size_t i = 0; i < primary->pairs; i++)
        pair_rest(primary->pair[i]);
    log_flush();
}

/* The configuration. */

static struct credentials *load_credentials(const struct primary_config *config)
{
    struct credentials_authority *authority = calloc(config->peers + 1, sizeof *authority);

    if (authority == NULL) {
        log_error("no memory for certificates");
        return NULL;
    }
    authority[0] = (struct credentials_authority){"our secondaries", config->ca, config->crl};
    for (size_t i = 0; i < config->peers; i++)
        authority[1 + i] = (struct credentials_authority){config->peer[i].name, config->peer[i].ca,
                                                          config->peer[i].crl};
    struct credentials *credentials = credentials_load(config->certificate, config->certificate_key,
                                                       authority, config->peers + 1);
    free(authority);
    return credentials;
}

/* Our own lists as the files have them, into the store. */
static bool store_members(struct primary *primary, const struct members member[static PDM_SIDES])
{
    for (unsigned side = 0; side < PDM_SIDES; side++) {
        size_t changed;

        if (!store_list_replace(primary->store, 0, (uint8_t)side, STORE_SOURCE_FILE,
                                member[side].entry, member[side].count, &changed))
            return false;
    }
    return true;
}

static bool read_members(const struct primary *primary, const struct primary_config *config,
                         struct members member[static PDM_SIDES])
{
    for (unsigned side = 0; side < PDM_SIDES; side++)
        if (!members_read(&member[side], config, (uint8_t)side, &primary->barred))
            return false;
    return true;
}

static void free_members(struct members member[static PDM_SIDES])
{
    for (size_t side = 0; side < PDM_SIDES; side++)
        members_free(&member[side]);
}

bool primary_store_members(struct primary *primary)
{
    struct members member[PDM_SIDES] = {{.count = 0}};
    bool done = read_members(primary, &primary->config, member) && store_members(primary, member);

    free_members(member);
    return done;
}

bool primary_check(const struct primary_config *config)
{
    const struct list nobody = {.pair = 0};
    struct credentials *credentials = load_credentials(config);
    struct vault *vault = credentials != NULL ? vault_open(config->store_key) : NULL;
    bool good = vault != NULL;

    for (uint8_t side = 0; side < PDM_SIDES && good; side++) {
        struct members members;

        good = members_read(&members, config, side, &nobody);
        members_free(&members);
    }
    vault_close(vault);
    credentials_unref(credentials);
    return good;
}

static bool same_peer(const struct primary_peer *a, const struct primary_peer *b)
{
    return a->side == b->side && strcmp(a->name, b->name) == 0;
}

static bool same_place(const struct primary_peer *a, const struct primary_peer *b)
{
    return strcmp(a->connect != NULL ? a->connect : "", b->connect != NULL ? b->connect : "") ==
               0 &&
           strcmp(a->certificate_name, b->certificate_name) == 0;
}

/* As server we say what is in force: if that is another now, there must be another secret. */
static void want_configured(struct primary *primary, struct pair *pair)
{
    const struct store_secret *s = grants_current(pair->secret, pair->secrets);
    const struct primary_peer *peer = pair->peer;

    if (peer->side == PDM_SIDE_SERVER && s != NULL &&
        (s->secmop != peer->secmop || s->poller != peer->poller ||
         s->unprotected != peer->unprotected || s->lifetime_s != peer->lifetime_s ||
         s->grace_s != peer->grace_s))
        partners_negotiate(primary, pair);
}

static struct pair *find_pair(const struct primary *primary, const struct primary_peer *peer)
{
    for (size_t i = 0; i < primary->pairs; i++)
        if (primary->pair[i] != NULL && same_peer(primary->pair[i]->peer, peer))
            return primary->pair[i];
    return NULL;
}

/* Pairs for CONFIG's peers: those that there are already, and new ones. In a transaction. */
static struct pair **make_pairs(const struct primary *primary, const struct primary_config *config)
{
    struct pair **pair = calloc(config->peers + 1, sizeof(struct pair *));

    for (size_t i = 0; pair != NULL && i < config->peers; i++) {
        pair[i] = find_pair(primary, &config->peer[i]);
        if (pair[i] == NULL)
            pair[i] = pair_new(primary->store, &config->peer[i]);
        if (pair[i] != NULL)
            continue;
        while (i-- > 0)
            if (find_pair(primary, &config->peer[i]) == NULL)
                pair_free(pair[i]);
        free(pair);
        pair = NULL;
    }
    if (pair == NULL)
        log_error("the peers cannot be had");
    return pair;
}

static void end_pair(struct primary *primary, struct pair *pair)
{
    partners_end(primary, pair);
    pair_free(pair);
}

/* PAIR, for the peers of CONFIG, instead of what there is. */
static void take_pairs(struct primary *primary, const struct primary_config *config,
                       struct pair **pair)
{
    for (size_t i = 0; i < primary->pairs; i++) {
        struct pair *old = primary->pair[i];
        const struct primary_peer *now = NULL;

        for (size_t j = 0; j < config->peers; j++)
            if (pair[j] == old)
                now = &config->peer[j];
        if (now == NULL) {
            end_pair(primary, old);
            continue;
        }
        partners_reloaded(old);
        if (!same_place(old->peer, now))
            partners_end(primary, old);
        old->peer = now;
    }
    free(primary->pair);
    primary->pair = pair;
    primary->pairs = config->peers;
}

static void begin_pairs(struct primary *primary)
{
    for (size_t i = 0; i < primary->pairs; i++) {
        struct pair *pair = primary->pair[i];

        pair->peer = &primary->config.peer[i];
        if (pair->dial == NULL && !dial_begin(primary, pair))
            log_error("peer %s: no memory to connect to it", pair->peer->name);
        want_configured(primary, pair);
    }
}

/* One transaction of its own. */
static bool store_config(struct primary *primary, const struct primary_config *config,
                         const struct members member[static PDM_SIDES], struct pair ***pair)
{
    outbox_settle(&primary->outbox);
    *pair = NULL;
    if (!outbox_begin(&primary->outbox) || !store_members(primary, member) ||
        (*pair = make_pairs(primary, config)) == NULL) {
        store_rollback(primary->store);
        outbox_settle(&primary->outbox);
        return false;
    }
    return outbox_settle(&primary->outbox);
}

static void drop_new_pairs(struct primary *primary, const struct primary_config *config,
                           struct pair **pair)
{
    for (size_t i = 0; pair != NULL && i < config->peers; i++)
        if (find_pair(primary, &config->peer[i]) == NULL)
            pair_free(pair[i]);
    free(pair);
}

/* Listens where LISTEN says instead of where the configuration in force does, or the other way
 * round. */
static bool move_doors(struct primary *primary, char *listen)
{
    char *in_force = primary->config.listen;
    bool denied;

    doors_close(primary);
    primary->config.listen = listen;
    bool opened = doors_open(primary, &denied);
    primary->config.listen = in_force;
    return opened;
}

/* What is stored is so for good: before that is tried what may be refused still. */
static bool store_and_listen(struct primary *primary, const struct primary_config *config,
                             const struct members member[static PDM_SIDES], struct pair ***pair)
{
    const bool moves = strcmp(primary->config.listen, config->listen) != 0;

    if ((!moves || move_doors(primary, config->listen)) &&
        store_config(primary, config, member, pair))
        return true;
    if (moves && !move_doors(primary, primary->config.listen))
        log_error("nobody can connect any more");
    return false;
}

static void tell_unchanged(const struct primary_config *old, const struct primary_config *now)
{
    const struct {
        const char *key;
        const char *old;
        const char *now;
    } fixed[] = {{"store", old->store, now->store},
                 {"store_key", old->store_key, now->store_key},
                 {"socket", old->socket, now->socket}};

    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        if (strcmp(fixed[i].old, fixed[i].now) != 0)
            log_warning("%s: stays %s until this program is started again", fixed[i].key,
                        fixed[i].old);
}

bool primary_reload(struct primary *primary, struct primary_config *config)
{
    struct members member[PDM_SIDES] = {{.count = 0}};
    struct credentials *credentials = load_credentials(config);
    struct pair **pair = NULL;
    bool done = false;

    if (credentials == NULL || !read_members(primary, config, member) ||
        !store_and_listen(primary, config, member, &pair)) {
        drop_new_pairs(primary, config, pair);
        goto out;
    }
    tell_unchanged(&primary->config, config);
    take_pairs(primary, config, pair);
    struct primary_config old = primary->config;
    primary->config = *config;
    *config = (struct primary_config){0};
    primary_config_free(&old);
    struct credentials *before = primary->credentials;
    primary->credentials = credentials;
    credentials = before;
    begin_pairs(primary);
    secondaries_check(primary, primary->credentials);
    partners_check(primary, primary->credentials);
    if (!sync_all(primary))
        log_warning("the store cannot be read; its lists are taken over when it can");
    done = true;
out:
    credentials_unref(credentials);
    free_members(member);
    return done;
}

/* Beginning and end. */

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
        outbox_init(&primary->outbox, primary->base, primary->store, settled, primary) &&
        event_add(primary->tick, &second) == 0)
        return true;
    log_error("no memory");
    return false;
}

static bool take_config(struct primary *primary, enum exit_code *code)
{
    struct members member[PDM_SIDES] = {{.count = 0}};
    struct pair **pair = NULL;
    bool denied, done = false;

    *code = EXIT_RUNTIME;
    if (!sync_barred(primary))
        goto out;
    *code = EXIT_CONFIG;
    if (!read_members(primary, &primary->config, member))
        goto out;
    *code = EXIT_RUNTIME;
    if (!store_config(primary, &primary->config, member, &pair)) {
        drop_new_pairs(primary, &primary->config, pair);
        goto out;
    }
    primary->pair = pair;
    primary->pairs = primary->config.peers;
    if (!sync_all(primary) || !store_changes(primary->store, &primary->changes))
        goto out;
    done = doors_open(primary, &denied);
    if (!done && denied)
        *code = EXIT_PRIVILEGE;
    if (done)
        begin_pairs(primary);
out:
    free_members(member);
    return done;
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
    primary->credentials = load_credentials(&primary->config);
    if (primary->credentials == NULL || primary->path == NULL)
        goto fail;
    *code = EXIT_RUNTIME;
    primary->store = store_open(primary->config.store, primary->config.store_key);
    if (primary->store != NULL && open_parts(primary) && take_config(primary, code))
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
        end_pair(primary, primary->pair[i]);
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
