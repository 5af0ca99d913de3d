/* SPDX-License-Identifier: BSD-2-Clause */
/* The keys of a primary's configuration. */
#include "conf/primary_keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "conf/primary_config.h"
#include "conf/value.h"
#include "core/limits.h"
#include "core/suite.h"

/* Behind what *LIST has, with a comma between. Takes ITEM over. */
static bool append(char **list, char *item)
{
    char *longer = NULL;
    bool good = asprintf(&longer, "%s%s%s", *list != NULL ? *list : "", *list != NULL ? ", " : "",
                         item) >= 0;

    free(item);
    if (good) {
        free(*list);
        *list = longer;
    }
    return good;
}

/* Up to MAX endpoints; of hosts' ones, addresses alone unless HOSTS. */
static bool set_endpoints(const char *text, uint32_t max, bool hosts, char **list)
{
    free(*list);
    *list = NULL;
    for (uint32_t i = 0; text != NULL; i++) {
        size_t len;
        const char *part = config_part(&text, &len);
        char *endpoint;

        if (i == max || !config_endpoint(part, len, &endpoint))
            return false;
        bool allowed = hosts || endpoint[0] == '[';
        if (!append(list, endpoint) || !allowed)
            return false;
    }
    return true;
}

static bool set_listen(const char *file, const struct config_key *key, const char *text,
                       void *target)
{
    (void)file;
    return set_endpoints(text, key->max, false, target);
}

static bool set_connect(const char *file, const struct config_key *key, const char *text,
                        void *target)
{
    (void)file;
    return set_endpoints(text, key->max, true, target);
}

static bool set_store(const char *file, const struct config_key *key, const char *text,
                      void *target)
{
    static const char *const databases[] = {"postgresql://", "postgres://"};
    char **store = target;

    for (size_t i = 0; i < sizeof databases / sizeof databases[0]; i++)
        if (strncmp(text, databases[i], strlen(databases[i])) == 0) {
            free(*store);
            *store = strdup(text);
            return *store != NULL;
        }
    return config_set_path(file, key, text, target);
}

static bool add_prefix(struct pdm_prefix **all, size_t *count, const struct pdm_prefix *prefix)
{
    struct pdm_prefix *more = reallocarray(*all, *count + 1, sizeof *more);

    if (more == NULL)
        return false;
    more[(*count)++] = *prefix;
    *all = more;
    return true;
}

static bool set_prefixes(const char *text, struct pdm_prefix **all, size_t *count)
{
    char word[CONFIG_WORD_MAX];
    struct pdm_prefix prefix;

    while (config_word(&text, word))
        if (config_prefix(word, &prefix) != CONFIG_PREFIX_OK || !add_prefix(all, count, &prefix))
            return false;
    return *count > 0;
}

static bool set_members(const char *file, const struct config_key *key, const char *text,
                        void *target)
{
    struct primary_members *m = target;

    (void)file;
    (void)key;
    return set_prefixes(text, &m->prefix, &m->prefixes);
}

static bool set_addresses(const char *file, const struct config_key *key, const char *text,
                          void *target)
{
    struct primary_peer *p = target;

    (void)file;
    (void)key;
    return set_prefixes(text, &p->addresses, &p->addresses_count);
}

/* Finds TEXT among what NAME says of the numbers from 0 on. */
static bool set_named(const char *(*name)(uint8_t), const char *text, uint8_t *number)
{
    for (uint8_t i = 0; name(i) != NULL; i++)
        if (strcmp(text, name(i)) == 0) {
            *number = i;
            return true;
        }
    return false;
}

static bool set_side(const char *file, const struct config_key *key, const char *text, void *target)
{
    (void)file;
    (void)key;
    return set_named(pdm_side_name, text, target);
}

static bool set_mode(const char *file, const struct config_key *key, const char *text, void *target)
{
    struct primary_peer *p = target;

    (void)file;
    (void)key;
    p->has_secmop = true;
    return set_named(pdm_secmop_name, text, &p->secmop);
}

static bool set_unprotected(const char *file, const struct config_key *key, const char *text,
                            void *target)
{
    (void)file;
    (void)key;
    return set_named(pdm_unprotected_name, text, target);
}

/* Identifiers of one kind, each once, by the names that BY_NAME knows. */
static bool set_ids(uint16_t (*by_name)(const char *), const char *text, uint16_t *id,
                    uint8_t *count)
{
    char word[CONFIG_WORD_MAX];

    *count = 0;
    while (config_word(&text, word)) {
        uint16_t found = by_name(word);

        for (uint8_t i = 0; i < *count; i++)
            if (id[i] == found)
                return false;
        if (found == 0 || *count == PDM_SUITES_MAX)
            return false;
        id[(*count)++] = found;
    }
    return *count > 0;
}

static bool set_kem(const char *file, const struct config_key *key, const char *text, void *target)
{
    struct primary_peer *p = target;

    (void)file;
    (void)key;
    return set_ids(pdm_kem_by_name, text, p->kem, &p->kems);
}

static bool set_kdf(const char *file, const struct config_key *key, const char *text, void *target)
{
    struct primary_peer *p = target;

    (void)file;
    (void)key;
    return set_ids(pdm_kdf_by_name, text, p->kdf, &p->kdfs);
}

static bool set_aead(const char *file, const struct config_key *key, const char *text, void *target)
{
    struct primary_peer *p = target;

    (void)file;
    (void)key;
    return set_ids(pdm_aead_by_name, text, p->aead, &p->aeads);
}

#define IN_CONFIG(member) offsetof(struct primary_config, member)
#define IN_MEMBERS(member) offsetof(struct primary_members, member)
#define IN_PEER(member) offsetof(struct primary_peer, member)
#define SOCKET_PATH_MAX sizeof(((struct sockaddr_un *)0)->sun_path)
#define PATH_OF(what) "the path of a PEM file with " what

const struct config_key primary_keys[] = {
    {"listen", set_listen, IN_CONFIG(listen), 0, PRIMARY_LISTENERS_MAX,
     "up to 16 of [ADDRESS]:PORT, with commas between", 0},
    {"certificate", config_set_path, IN_CONFIG(certificate), 0, UINT32_MAX,
     PATH_OF("this primary's certificate"), 0},
    {"certificate_key", config_set_path, IN_CONFIG(certificate_key), 0, UINT32_MAX,
     PATH_OF("the certificate's key"), 0},
    {"ca", config_set_path, IN_CONFIG(ca), 0, UINT32_MAX,
     PATH_OF("the certificates of those who vouch for our secondaries"), 0},
    {"crl", config_set_path, IN_CONFIG(crl), 0, UINT32_MAX, PATH_OF("a revocation list"), 0},
    {"store", set_store, IN_CONFIG(store), 0, UINT32_MAX, "a path, or postgresql://...", 0},
    {"store_key", config_set_path, IN_CONFIG(store_key), 0, UINT32_MAX, "the path of a key file",
     0},
    {"socket", config_set_path, IN_CONFIG(socket), 0, SOCKET_PATH_MAX,
     "a path of at most 107 octets", 0},
    {"block", config_set_number, IN_CONFIG(block), 1, CONFIG_BLOCK_MAX, "a number from 1 to 65536",
     0},
    {0},
};

#define MEMBER_KEYS                                                                                \
    {"members", set_members, 0, 0, 0, config_prefixes_allowed, 0},                                 \
    {                                                                                              \
        "list", config_set_path, IN_MEMBERS(file), 0, UINT32_MAX,                                  \
            "the path of a file with a prefix a line", 0                                           \
    }

const struct config_key primary_clients_keys[] = {MEMBER_KEYS, {0}};

const struct config_key primary_servers_keys[] = {
    {"group", config_set_port, IN_MEMBERS(group), 1, UINT16_MAX, "a number from 1 to 65535", 0},
    MEMBER_KEYS,
    {0},
};

#define AS_CLIENT (1U << PDM_SIDE_CLIENT)
#define AS_SERVER (1U << PDM_SIDE_SERVER)
#define EITHER (AS_CLIENT | AS_SERVER)

const struct config_key primary_peer_keys[] = {
    {"side", set_side, IN_PEER(side), 0, 0, "client or server: what this primary is to the peer",
     EITHER},
    {"connect", set_connect, IN_PEER(connect), 0, PRIMARY_TARGETS_MAX,
     "up to 16 of HOST:PORT or [ADDRESS]:PORT, with commas between", AS_CLIENT},
    {"certificate_name", config_set_host_name, IN_PEER(certificate_name), 0, 0,
     "a DNS name that stands in the peer's certificate", EITHER},
    {"ca", config_set_path, IN_PEER(ca), 0, UINT32_MAX,
     PATH_OF("the certificates of those who vouch for the peer"), EITHER},
    {"crl", config_set_path, IN_PEER(crl), 0, UINT32_MAX, PATH_OF("a revocation list"), EITHER},
    {"addresses", set_addresses, 0, 0, 0, config_prefixes_allowed, EITHER},
    {"mode", set_mode, 0, 0, 0, "none, trusted-servers, asymmetric-poll or ibc", EITHER},
    {"poller", set_side, IN_PEER(poller), 0, 0, "client or server", AS_SERVER},
    {"unprotected", set_unprotected, IN_PEER(unprotected), 0, 0, "none, plain or rfc8250",
     AS_SERVER},
    {"lifetime", config_set_duration, IN_PEER(lifetime_s), 0, CONFIG_LIFETIME_MAX_S,
     "a duration up to 8760h, such as 90s, 15m or 1h, or 0 for no end", AS_SERVER},
    {"grace", config_set_duration, IN_PEER(grace_s), 1, CONFIG_LIFETIME_MAX_S,
     "a duration from 1s to 8760h, such as 90s, 15m or 1h", AS_SERVER},
    {"kem", set_kem, 0, 0, 0, "x25519 and p256, or one of them, the preferred first", EITHER},
    {"kdf", set_kdf, 0, 0, 0, "sha256 and sha512, or one of them, the preferred first", EITHER},
    {"aead", set_aead, 0, 0, 0,
     "aes-256-gcm and chacha20-poly1305, or one of them, the preferred first", EITHER},
    {0},
};
