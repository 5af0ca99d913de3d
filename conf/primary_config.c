/* SPDX-License-Identifier: BSD-2-Clause */
/* The sections of a primary's configuration. */
#include "conf/primary_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/loader.h"
#include "conf/primary_keys.h"
#include "conf/value.h"
#include "core/suite.h"

/* Sections. */

static void *begin_primary(struct loader *l, const struct scan_item *head, const char *name)
{
    (void)head;
    (void)name;
    return l->config;
}

static struct primary_members *add_members(struct loader *l, const struct scan_item *head)
{
    struct primary_config *config = l->config;
    struct primary_members *more =
        reallocarray(config->members, config->members_count + 1, sizeof *more);

    if (more == NULL) {
        loader_complain(l, head->line, "out of memory");
        return NULL;
    }
    config->members = more;
    struct primary_members *m = &config->members[config->members_count++];
    *m = (struct primary_members){.line = head->line};
    return m;
}

static void *begin_clients(struct loader *l, const struct scan_item *head, const char *name)
{
    struct primary_members *m = add_members(l, head);

    (void)name;
    if (m != NULL) {
        m->side = PDM_SIDE_CLIENT;
        snprintf(m->name, sizeof m->name, "clients");
    }
    return m;
}

static size_t count_of(const struct primary_config *config, uint8_t side)
{
    size_t count = 0;

    for (size_t i = 0; i < config->members_count; i++)
        count += config->members[i].side == side;
    return count;
}

static void *begin_servers(struct loader *l, const struct scan_item *head, const char *name)
{
    if (count_of(l->config, PDM_SIDE_SERVER) == LIST_GROUPS_MAX) {
        loader_complain(l, head->line, "[%s]: more than %d sections of servers", head->section,
                        LIST_GROUPS_MAX);
        return NULL;
    }
    struct primary_members *m = add_members(l, head);
    if (m != NULL) {
        m->side = PDM_SIDE_SERVER;
        snprintf(m->name, sizeof m->name, "%s", name);
    }
    return m;
}

static void set_suites(struct primary_peer *p)
{
    static const uint16_t kem[] = {PDM_KEM_X25519, PDM_KEM_P256};
    static const uint16_t kdf[] = {PDM_KDF_SHA256, PDM_KDF_SHA512};
    static const uint16_t aead[] = {PDM_AEAD_AES256GCM, PDM_AEAD_CHACHA20POLY1305};

    memcpy(p->kem, kem, sizeof kem);
    p->kems = sizeof kem / sizeof kem[0];
    memcpy(p->kdf, kdf, sizeof kdf);
    p->kdfs = sizeof kdf / sizeof kdf[0];
    for (size_t i = 0; i < sizeof aead / sizeof aead[0]; i++)
        if (pdm_suite_usable(&(struct pdm_suite){.kdf = kdf[0], .aead = aead[i]}))
            p->aead[p->aeads++] = aead[i];
}

static void *begin_peer(struct loader *l, const struct scan_item *head, const char *name)
{
    struct primary_config *config = l->config;

    if (config->peers == CONFIG_PEERS_MAX) {
        loader_complain(l, head->line, "[%s]: more than %d peers", head->section, CONFIG_PEERS_MAX);
        return NULL;
    }
    struct primary_peer *more = reallocarray(config->peer, config->peers + 1, sizeof *more);
    if (more == NULL) {
        loader_complain(l, head->line, "out of memory");
        return NULL;
    }
    config->peer = more;
    struct primary_peer *p = &config->peer[config->peers++];
    *p = (struct primary_peer){.line = head->line,
                               .side = PDM_SIDES,
                               .lifetime_s = CONFIG_SECRET_LIFETIME_S,
                               .grace_s = CONFIG_GRACE_S};
    snprintf(p->name, sizeof p->name, "%s", name);
    set_suites(p);
    return p;
}

/* What a mode alone needs, said of another. */
static void check_mode_keys(struct loader *l, const struct scan_item *head, size_t items,
                            const struct primary_peer *p)
{
    static const struct {
        const char *key;
        uint8_t secmop;
    } special[] = {{"poller", PDM_SECMOP_ASYMMETRIC_POLL}, {"unprotected", PDM_SECMOP_NONE}};

    for (size_t i = 1; i <= items; i++)
        for (size_t j = 0; j < sizeof special / sizeof special[0]; j++)
            if (strcmp(special[j].key, head[i].key) == 0 && special[j].secmop != p->secmop)
                loader_complain(l, head[i].line, "%s: is not for mode = %s", special[j].key,
                                pdm_secmop_name(p->secmop));
}

static void end_peer(struct loader *l, const struct scan_item *head, size_t items, void *target)
{
    const struct primary_peer *p = target;

    if (p->side == PDM_SIDES)
        return;
    loader_check_choice(l, head, items, primary_peer_keys, p->side, "side", pdm_side_name(p->side));
    if (p->side == PDM_SIDE_SERVER && p->has_secmop)
        check_mode_keys(l, head, items, p);
}

static const struct loader_section sections[] = {
    {"primary", NULL, primary_keys, begin_primary, NULL},
    {"clients", NULL, primary_clients_keys, begin_clients, NULL},
    {"servers", "paris", primary_servers_keys, begin_servers, NULL},
    {"peer", "london", primary_peer_keys, begin_peer, end_peer},
    {0},
};

/* What only the whole file can get wrong. */

struct required {
    const char *key;
    bool missing;
    const char *what;
};

static void check_required(struct loader *l, unsigned line, const char *section, const char *name,
                           const struct required *required, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (required[i].missing)
            loader_complain(l, line, "[%s%s%s]: %s is missing; %s", section,
                            name[0] != '\0' ? " " : "", name, required[i].key, required[i].what);
}

static void check_primary(struct loader *l)
{
    const struct primary_config *config = l->config;
    const struct required required[] = {
        {"certificate", config->certificate == NULL, "this primary's own"},
        {"certificate_key", config->certificate_key == NULL, "the key that it belongs to"},
        {"ca", config->ca == NULL, "the certificates of those who vouch for our secondaries"},
        {"store_key", config->store_key == NULL, "make one with: pdmctl keygen FILE"},
    };

    check_required(l, 0, "primary", "", required, sizeof required / sizeof required[0]);
}

static bool overlap(const struct pdm_prefix *a, const struct pdm_prefix *b)
{
    return a->len <= b->len ? pdm_prefix_contains(a, b->addr) : pdm_prefix_contains(b, a->addr);
}

/* What A and B, of one side, both have may not be of two groups. */
static void check_groups(struct loader *l, const struct primary_members *a,
                         const struct primary_members *b)
{
    char text[CONFIG_PREFIX_TEXT];

    if (a->side != b->side || a->group == b->group)
        return;
    for (size_t i = 0; i < a->prefixes; i++)
        for (size_t j = 0; j < b->prefixes; j++)
            if (pdm_prefix_equal(&a->prefix[i], &b->prefix[j])) {
                config_prefix_text(&a->prefix[i], text);
                loader_complain(l, b->line, "[servers %s]: %s is in group %u by line %u", b->name,
                                text, a->group, a->line);
                return;
            }
}

/* One section of servers needs no number to tell its group by. */
static void check_group(struct loader *l, struct primary_members *m)
{
    if (m->side != PDM_SIDE_SERVER || m->group != 0)
        return;
    if (count_of(l->config, PDM_SIDE_SERVER) == 1)
        m->group = 1;
    else
        loader_complain(l, m->line,
                        "[servers %s]: group is missing; servers of one group share secrets, each "
                        "of several sections must say which is its own",
                        m->name);
}

static void check_members(struct loader *l)
{
    struct primary_config *config = l->config;
    size_t prefixes = 0;

    for (size_t i = 0; i < config->members_count; i++) {
        check_group(l, &config->members[i]);
        prefixes += config->members[i].prefixes;
    }
    if (prefixes > CONFIG_MEMBERS_MAX)
        loader_complain(l, 0, "more than %d members; put them into a file, with list = FILE",
                        CONFIG_MEMBERS_MAX);
    for (size_t i = 0; i < config->members_count && l->complaints == 0; i++)
        for (size_t j = 0; j < i; j++)
            check_groups(l, &config->members[j], &config->members[i]);
}

/* The first host that A connects to, unless that is an address. */
static void set_certificate_name(struct loader *l, struct primary_peer *p)
{
    if (p->certificate_name != NULL || p->connect == NULL || p->connect[0] == '[')
        return;
    p->certificate_name = strndup(p->connect, strcspn(p->connect, ":"));
    if (p->certificate_name == NULL)
        loader_complain(l, 0, "out of memory");
}

static void check_peer(struct loader *l, struct primary_peer *p)
{
    const struct primary_config *config = l->config;
    bool client = p->side == PDM_SIDE_CLIENT;
    bool server = p->side == PDM_SIDE_SERVER;

    set_certificate_name(l, p);
    const struct required required[] = {
        {"side", !client && !server, "what this primary is to the peer: client or server"},
        {"mode", server && !p->has_secmop,
         "it must be none, trusted-servers, asymmetric-poll or ibc"},
        {"connect", client && p->connect == NULL, "where the peer is, as HOST:PORT"},
        {"certificate_name", p->certificate_name == NULL, "the DNS name in the peer's certificate"},
        {"ca", p->ca == NULL, "the certificates of those who vouch for the peer"},
        {"addresses", p->addresses_count == 0, "those that the peer may list"},
    };

    check_required(l, p->line, "peer", p->name, required, sizeof required / sizeof required[0]);
    if ((client || server) && count_of(config, p->side) == 0)
        loader_complain(l, p->line, "[peer %s]: side = %s needs a section %s with our own", p->name,
                        pdm_side_name(p->side), client ? "[clients]" : "[servers NAME]");
    for (uint8_t i = 0; i < p->aeads; i++)
        if (!pdm_suite_usable(&(struct pdm_suite){.kdf = PDM_KDF_SHA256, .aead = p->aead[i]}))
            loader_complain(l, p->line, "[peer %s]: this processor cannot do aead = %s", p->name,
                            pdm_aead_name(p->aead[i]));
}

/* Who connects goes by its name. */
static void check_names(struct loader *l, const struct primary_peer *a,
                        const struct primary_peer *b)
{
    if (a->side == PDM_SIDE_SERVER && b->side == PDM_SIDE_SERVER &&
        strcmp(a->certificate_name, b->certificate_name) == 0)
        loader_complain(l, b->line, "[peer %s]: the same certificate_name as [peer %s] in line %u",
                        b->name, a->name, a->line);
}

/* Nobody may claim what is ours. */
static void check_addresses(struct loader *l, const struct primary_peer *p,
                            const struct primary_members *m)
{
    char theirs[CONFIG_PREFIX_TEXT];
    char ours[CONFIG_PREFIX_TEXT];

    for (size_t i = 0; i < p->addresses_count; i++)
        for (size_t j = 0; j < m->prefixes; j++)
            if (overlap(&p->addresses[i], &m->prefix[j])) {
                config_prefix_text(&p->addresses[i], theirs);
                config_prefix_text(&m->prefix[j], ours);
                loader_complain(l, p->line,
                                "[peer %s]: addresses %s overlap %s, a member of ours by line %u",
                                p->name, theirs, ours, m->line);
                return;
            }
}

static void check_peers(struct loader *l)
{
    struct primary_config *config = l->config;
    size_t addresses = 0;

    for (size_t i = 0; i < config->peers; i++) {
        check_peer(l, &config->peer[i]);
        addresses += config->peer[i].addresses_count;
    }
    if (addresses > CONFIG_ADDRESSES_MAX)
        loader_complain(l, 0, "more than %d addresses of peers; use shorter prefixes",
                        CONFIG_ADDRESSES_MAX);
    for (size_t i = 0; i < config->peers && l->complaints == 0; i++) {
        for (size_t j = 0; j < i; j++)
            check_names(l, &config->peer[j], &config->peer[i]);
        for (size_t j = 0; j < config->members_count; j++)
            check_addresses(l, &config->peer[i], &config->members[j]);
    }
}

static void set_defaults(struct loader *l)
{
    struct primary_config *config = l->config;

    config->block = CONFIG_BLOCK_DEFAULT;
    config->listen = strdup("[::]:8250");
    config->store = strdup("/var/lib/pdmv2/primary.db");
    config->socket = strdup("/run/pdmv2/primary.sock");
    if (config->listen == NULL || config->store == NULL || config->socket == NULL)
        loader_complain(l, 0, "out of memory");
}

bool primary_config_parse(const char *name, const char *text, size_t len,
                          struct primary_config *config, config_complain *complain, void *arg)
{
    struct loader l = {
        .file = name, .section = sections, .config = config, .tell = complain, .arg = arg};

    *config = (struct primary_config){0};
    set_defaults(&l);
    loader_take(&l, text, len);
    if (l.complaints == 0) {
        check_primary(&l);
        check_members(&l);
        check_peers(&l);
    }
    if (l.complaints > 0)
        primary_config_free(config);
    return l.complaints == 0;
}

bool primary_config_load(const char *path, struct primary_config *config, config_complain *complain,
                         void *arg)
{
    size_t len;
    char *text = loader_read(path, &len, complain, arg);

    *config = (struct primary_config){0};
    bool good = text != NULL && primary_config_parse(path, text, len, config, complain, arg);
    free(text);
    return good;
}

static void free_peer(struct primary_peer *p)
{
    free(p->connect);
    free(p->certificate_name);
    free(p->ca);
    free(p->crl);
    free(p->addresses);
}

void primary_config_free(struct primary_config *config)
{
    char *const owned[] = {config->listen,    config->certificate, config->certificate_key,
                           config->ca,        config->crl,         config->store,
                           config->store_key, config->socket};

    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++)
        free(owned[i]);
    for (size_t i = 0; i < config->members_count; i++) {
        free(config->members[i].prefix);
        free(config->members[i].file);
    }
    free(config->members);
    for (size_t i = 0; i < config->peers; i++)
        free_peer(&config->peer[i]);
    free(config->peer);
    *config = (struct primary_config){0};
}
