/* SPDX-License-Identifier: BSD-2-Clause */
/* The keys of the configuration. */
#include "conf/key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "conf/config.h"
#include "conf/value.h"
#include "core/limits.h"
#include "core/suite.h"

static bool set_number(const char *file, const struct config_key *key, const char *text,
                       void *target)
{
    (void)file;
    return config_number(text, key->min, key->max, target);
}

static bool set_option_type(const char *file, const struct config_key *key, const char *text,
                            void *target)
{
    uint32_t number;
    uint8_t *type = target;

    (void)file;
    if (!config_number(text, key->min, key->max, &number))
        return false;
    *type = (uint8_t)number;
    return true;
}

static bool set_duration(const char *file, const struct config_key *key, const char *text,
                         void *target)
{
    (void)file;
    return config_duration(text, key->min, key->max, target);
}

/* A relative path starts at the configuration file's directory. MAX: octets, its end included. */
static bool set_path(const char *file, const struct config_key *key, const char *text, void *target)
{
    const char *slash = strrchr(file, '/');
    int directory = text[0] != '/' && slash != NULL ? (int)(slash - file) + 1 : 0;
    char **path = target;
    char *whole;

    if (text[0] == '\0' || asprintf(&whole, "%.*s%s", directory, file, text) < 0)
        return false;
    if (strlen(whole) >= key->max) {
        free(whole);
        return false;
    }
    free(*path);
    *path = whole;
    return true;
}

static bool set_prefix(const char *file, const struct config_key *key, const char *text,
                       void *target)
{
    (void)file;
    (void)key;
    return config_prefix(text, target) == CONFIG_PREFIX_OK;
}

/* ::/0 is a peer prefix too: only that the key stands there tells that it is not missing. */
static bool set_peer(const char *file, const struct config_key *key, const char *text, void *target)
{
    struct config_association *a = target;

    a->has_peer = true;
    return set_prefix(file, key, text, &a->peer);
}

static bool set_mode(const char *file, const struct config_key *key, const char *text, void *target)
{
    (void)file;
    (void)key;
    (void)target;
    return strcmp(text, "psk") == 0;
}

static bool set_aead(const char *file, const struct config_key *key, const char *text, void *target)
{
    uint16_t *aead = target;

    (void)file;
    (void)key;
    *aead = pdm_aead_by_name(text);
    return *aead != 0;
}

static bool set_protect(const char *file, const struct config_key *key, const char *text,
                        void *target)
{
    uint8_t *format = target;

    (void)file;
    (void)key;
    for (unsigned i = 0; i < PDM_FORMATS; i++) {
        if (strcmp(text, pdm_formats[i].name) == 0) {
            *format = (uint8_t)i;
            return true;
        }
    }
    return false;
}

static bool set_path_policy(const char *file, const struct config_key *key, const char *text,
                            void *target)
{
    static const char *const names[CONFIG_PATHS] = {"probe", "trust"};
    uint8_t *path = target;

    (void)file;
    (void)key;
    for (unsigned i = 0; i < CONFIG_PATHS; i++) {
        if (strcmp(text, names[i]) == 0) {
            *path = (uint8_t)i;
            return true;
        }
    }
    return false;
}

#define IN_CONFIG(member) offsetof(struct config, member)
#define IN_ASSOCIATION(member) offsetof(struct config_association, member)
#define SOCKET_PATH_MAX sizeof(((struct sockaddr_un *)0)->sun_path)

const struct config_key config_agent_keys[] = {
    {"socket", set_path, IN_CONFIG(socket), 0, SOCKET_PATH_MAX, "a path of at most 107 octets"},
    {"option_type", set_option_type, IN_CONFIG(settings.option_type), CONFIG_OPTION_TYPE_MIN,
     CONFIG_OPTION_TYPE_MAX, "a number from 2 to 255 (0x02 to 0xff)"},
    {"request_budget_us", set_number, IN_CONFIG(settings.budget_us), 1, PDM_BUDGET_US_MAX,
     "a number from 1 to 100000"},
    {"share", set_number, IN_CONFIG(settings.share), 1, CONFIG_SHARE_MAX,
     "a percentage from 1 to 100"},
    {"max_flows", set_number, IN_CONFIG(settings.max_flows), 1, PDM_FLOWS_MAX,
     "a number from 1 to 131072"},
    {"max_slots", set_number, IN_CONFIG(max_slots), 1, PDM_SLOTS_MAX, "a number from 1 to 131072"},
    {"max_ledger", set_number, IN_CONFIG(max_ledger), 1, CONFIG_LEDGER_MAX,
     "a number from 1 to 16777216"},
    {"flow_idle", set_duration, IN_CONFIG(settings.flow_idle_s), 1, CONFIG_FLOW_IDLE_MAX_S,
     "a duration from 1s to 24h, such as 90s, 15m or 1h"},
    {"requests_per_client", set_number, IN_CONFIG(requests_per_client), 0, CONFIG_REQUESTS_MAX,
     "a number a second from 1 to 1000000, or 0 for no limit"},
    {"flows_per_client", set_number, IN_CONFIG(flows_per_client), 1, PDM_SLOTS_MAX,
     "a number from 1 to 131072"},
    {"state", set_path, IN_CONFIG(state), 0, UINT32_MAX, "a directory"},
    {0},
};

const struct config_key config_association_keys[] = {
    {"local", set_prefix, IN_ASSOCIATION(local), 0, 0, CONFIG_PREFIX_ALLOWED},
    {"peer", set_peer, 0, 0, 0, CONFIG_PREFIX_ALLOWED},
    {"mode", set_mode, 0, 0, 0, "psk"},
    {"key", set_path, IN_ASSOCIATION(key), 0, UINT32_MAX, "the path of a key file"},
    {"aead", set_aead, IN_ASSOCIATION(aead), 0, 0, "aes-256-gcm or chacha20-poly1305"},
    {"protect", set_protect, IN_ASSOCIATION(format), 0, 0, "encrypted, plain or rfc8250"},
    {"lifetime", set_duration, IN_ASSOCIATION(lifetime_s), 0, CONFIG_LIFETIME_MAX_S,
     "a duration up to 8760h, such as 90s, 15m or 1h, or 0 for no end"},
    {"path", set_path_policy, IN_ASSOCIATION(path), 0, 0, "probe or trust"},
    {0},
};
