/* SPDX-License-Identifier: BSD-2-Clause */
/* The primary: its configuration, taken over at the start and again. */
#include <stdlib.h>
#include <string.h>

#include "keyagent/log.h"
#include "keyagent/primary/dial.h"
#include "keyagent/primary/members.h"
#include "keyagent/primary/partners.h"
#include "keyagent/primary/primary_inside.h"
#include "keyagent/primary/vault.h"

struct credentials *primary_credentials(const struct primary_config *config)
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
    struct credentials *credentials = primary_credentials(config);
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

void primary_end_pair(struct primary *primary, struct pair *pair)
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
            primary_end_pair(primary, old);
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
    struct credentials *credentials = primary_credentials(config);
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
    if (!primary_take_all(primary))
        log_warning("the store cannot be read; its lists are taken over when it can");
    done = true;
out:
    credentials_unref(credentials);
    free_members(member);
    return done;
}

bool primary_take_config(struct primary *primary, enum exit_code *code)
{
    struct members member[PDM_SIDES] = {{.count = 0}};
    struct pair **pair = NULL;
    bool denied, done = false;

    *code = EXIT_RUNTIME;
    if (!primary_take_barred(primary))
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
    if (!primary_take_all(primary) || !store_changes(primary->store, &primary->changes))
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
