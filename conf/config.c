/* SPDX-License-Identifier: BSD-2-Clause */
/* The sections of the key agent's configuration. */
#include "conf/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/agent_keys.h"
#include "conf/loader.h"
#include "core/suite.h"

static struct config *config_of(const struct loader *l)
{
    return l->config;
}

static void *begin_agent(struct loader *l, const struct scan_item *head, const char *name)
{
    (void)head;
    (void)name;
    return l->config;
}

static void *begin_association(struct loader *l, const struct scan_item *head, const char *name)
{
    struct config *config = l->config;

    if (config->associations == PDM_POLICY_ENTRIES_MAX) {
        loader_complain(l, head->line, "[%s]: more than %d associations", head->section,
                        PDM_POLICY_ENTRIES_MAX);
        return NULL;
    }
    struct config_association *a = &config->association[config->associations++];
    *a = (struct config_association){.line = head->line,
                                     .format = PDM_FORMAT_ENCRYPTED,
                                     .aead = PDM_AEAD_AES256GCM,
                                     .lifetime_s = PDM_LIFETIME_DEFAULT_S,
                                     .path = CONFIG_PATH_PROBE,
                                     .pairing_port = CONFIG_PAIRING_PORT};
    snprintf(a->name, sizeof a->name, "%s", name);
    return a;
}

static void end_association(struct loader *l, const struct scan_item *head, size_t items,
                            void *target)
{
    const struct config_association *a = target;

    loader_check_choice(l, head, items, config_association_keys, a->mode, "mode",
                        config_mode_names[a->mode]);
}

static const struct loader_section sections[] = {
    {"agent", NULL, config_agent_keys, begin_agent, NULL},
    {"association", "london", config_association_keys, begin_association, end_association},
    {0},
};

/* What only whole sections can get wrong. */

/* The host part of A's first primary, unless that is an address. */
static void set_primary_name(struct loader *l, struct config_association *a)
{
    const char *host = a->primary[0];

    if (host[0] == '[')
        loader_complain(l, a->line,
                        "[association %s]: primary_name is missing; it must be the DNS name in the "
                        "primary's certificate",
                        a->name);
    else if ((a->primary_name = strndup(host, strcspn(host, ":"))) == NULL)
        loader_complain(l, 0, "out of memory");
}

static void check_enrolled(struct loader *l, struct config_association *a)
{
    const struct {
        const char *key;
        bool missing;
        const char *what;
    } required[] = {
        {"primary", a->primaries == 0, "where the organisation's primary is, as HOST:PORT"},
        {"certificate", a->certificate == NULL, "make a request for one with: pdmctl enroll"},
        {"certificate_key", a->certificate_key == NULL, "make one with: pdmctl enroll"},
        {"ca", a->ca == NULL, "the certificates of those who vouch for the primary"},
    };

    for (size_t i = 0; i < sizeof required / sizeof required[0]; i++)
        if (required[i].missing)
            loader_complain(l, a->line, "[association %s]: %s is missing; %s", a->name,
                            required[i].key, required[i].what);
    if (a->primaries > 0 && a->primary_name == NULL)
        set_primary_name(l, a);
}

static void check_psk(struct loader *l, size_t at)
{
    const struct config_association *a = &config_of(l)->association[at];

    if (!a->has_peer)
        loader_complain(l, a->line, "[association %s]: peer is missing; it must be %s", a->name,
                        config_prefix_allowed);
    if (a->key == NULL && a->format == PDM_FORMAT_ENCRYPTED)
        loader_complain(l, a->line,
                        "[association %s]: key is missing; make one with: pdmctl keygen FILE",
                        a->name);
    for (size_t i = 0; i < at; i++) {
        const struct config_association *b = &config_of(l)->association[i];

        if (b->mode == CONFIG_MODE_PSK && pdm_prefix_equal(&a->peer, &b->peer) &&
            pdm_prefix_equal(&a->local, &b->local))
            loader_complain(
                l, a->line,
                "[association %s]: the same peer and local prefixes as [association %s] in line "
                "%u; one of them must be longer or shorter",
                a->name, b->name, b->line);
    }
}

static void check_association(struct loader *l, size_t at)
{
    struct config_association *a = &config_of(l)->association[at];

    if (a->mode == CONFIG_MODE_ENROLLED)
        check_enrolled(l, a);
    else
        check_psk(l, at);
}

static void set_agent_defaults(struct loader *l)
{
    struct config *config = l->config;
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    bool failed = false;

    config->settings = (struct pdm_policy_settings){.option_type = PDM_OPTION_TYPE,
                                                    .budget_us = PDM_BUDGET_US_DEFAULT,
                                                    .share = PDM_SHARE_DEFAULT,
                                                    .max_flows = PDM_FLOWS_DEFAULT,
                                                    .flow_idle_s = PDM_FLOW_IDLE_DEFAULT_S};
    config->max_slots = CONFIG_SLOTS_DEFAULT;
    config->max_ledger = CONFIG_LEDGER_DEFAULT;
    config->requests_per_client = CONFIG_REQUESTS_DEFAULT;
    config->flows_per_client = CONFIG_FLOWS_DEFAULT;
    config->metrics_prefix = CONFIG_METRICS_PREFIX;
    config->flow_log_size = CONFIG_FLOW_LOG_MIB;
    config->flow_log_age_s = CONFIG_FLOW_LOG_AGE_S;
    config->flow_log_files = CONFIG_FLOW_LOG_FILES;
    /* The XDG Base Directory Specification: a path that is not absolute is to be ignored. */
    if (runtime != NULL && runtime[0] == '/')
        failed = asprintf(&config->socket, "%s/pdmv2/agent.sock", runtime) < 0;
    else
        failed = (config->socket = strdup("/run/pdmv2/agent.sock")) == NULL;
    if (geteuid() == 0)
        failed |= (config->state = strdup("/var/lib/pdmv2")) == NULL;
    else if (state != NULL && state[0] == '/')
        failed |= asprintf(&config->state, "%s/pdmv2", state) < 0;
    else if (home != NULL && home[0] == '/')
        failed |= asprintf(&config->state, "%s/.local/state/pdmv2", home) < 0;
    if (failed)
        loader_complain(l, 0, "out of memory");
}

static bool allocate_associations(struct loader *l)
{
    struct config *config = l->config;

    config->association = calloc(PDM_POLICY_ENTRIES_MAX, sizeof *config->association);
    if (config->association == NULL)
        loader_complain(l, 0, "out of memory");
    return config->association != NULL;
}

bool config_parse(const char *name, const char *text, size_t len, struct config *config,
                  config_complain *complain, void *arg)
{
    struct loader l = {
        .file = name, .section = sections, .config = config, .tell = complain, .arg = arg};

    *config = (struct config){0};
    set_agent_defaults(&l);
    if (allocate_associations(&l))
        loader_take(&l, text, len);
    for (size_t i = 0; i < config->associations && l.complaints == 0; i++)
        check_association(&l, i);
    if (l.complaints > 0)
        config_free(config);
    return l.complaints == 0;
}

bool config_load(const char *path, struct config *config, config_complain *complain, void *arg)
{
    size_t len;
    char *text = loader_read(path, &len, complain, arg);

    *config = (struct config){0};
    bool good = text != NULL && config_parse(path, text, len, config, complain, arg);
    free(text);
    return good;
}

static void free_association(struct config_association *a)
{
    char *const owned[] = {a->key, a->primary_name, a->certificate, a->certificate_key,
                           a->ca,  a->crl};

    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++)
        free(owned[i]);
    for (size_t i = 0; i < a->primaries; i++)
        free(a->primary[i]);
}

void config_free(struct config *config)
{
    for (size_t i = 0; i < config->associations; i++)
        free_association(&config->association[i]);
    free(config->association);
    free(config->socket);
    free(config->state);
    free(config->flow_log);
    *config = (struct config){0};
}

char *config_default_path(void)
{
    const char *config = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    char *path = NULL;
    int made = -1;

    if (geteuid() == 0)
        made = asprintf(&path, "/etc/pdmv2/pdmv2.conf");
    else if (config != NULL && config[0] == '/')
        made = asprintf(&path, "%s/pdmv2/pdmv2.conf", config);
    else if (home != NULL)
        made = asprintf(&path, "%s/.config/pdmv2/pdmv2.conf", home);
    return made >= 0 ? path : NULL;
}
