/* SPDX-License-Identifier: BSD-2-Clause */
/* The keys of the key agent's configuration. */
#include "conf/agent_keys.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "conf/config.h"
#include "conf/value.h"
#include "core/limits.h"
#include "core/suite.h"

/* ::/0 is a peer prefix too: only that the key stands there tells that it is not missing. */
static bool set_peer(const char *file, const struct config_key *key, const char *text, void *target)
{
    struct config_association *a = target;

    a->has_peer = true;
    return config_set_prefix(file, key, text, &a->peer);
}

const char *const config_mode_names[CONFIG_MODES] = {"psk", "enrolled"};

static bool set_mode(const char *file, const struct config_key *key, const char *text, void *target)
{
    (void)file;
    (void)key;
    return config_choice(config_mode_names, CONFIG_MODES, text, target);
}

static bool set_primary(const char *file, const struct config_key *key, const char *text,
                        void *target)
{
    struct config_association *a = target;

    (void)file;
    (void)key;
    while (text != NULL) {
        size_t len;
        const char *part = config_part(&text, &len);

        if (a->primaries == CONFIG_PRIMARIES_MAX ||
            !config_endpoint(part, len, &a->primary[a->primaries]))
            return false;
        a->primaries++;
    }
    return true;
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

    (void)file;
    (void)key;
    return config_choice(names, CONFIG_PATHS, text, target);
}

static bool set_undecryptable(const char *file, const struct config_key *key, const char *text,
                              void *target)
{
    static const char *const names[CONFIG_UNDECRYPTABLES] = {"log", "throttle", "filter"};

    (void)file;
    (void)key;
    return config_choice(names, CONFIG_UNDECRYPTABLES, text, target);
}

/* "[address]:port", or "address:port" of IPv4; nothing but loopback. */
static bool loopback(const char *text, union config_address *address)
{
    char host[INET6_ADDRSTRLEN];
    uint32_t port;
    bool bracketed = text[0] == '[';
    const char *end = strrchr(text, bracketed ? ']' : ':');
    size_t len = end != NULL ? (size_t)(end - text) - bracketed : sizeof host;

    if (len >= sizeof host || (bracketed && end[1] != ':') ||
        !config_number(end + 1 + bracketed, 1, UINT16_MAX, &port))
        return false;
    memcpy(host, text + bracketed, len);
    host[len] = '\0';
    if (bracketed) {
        address->v6.sin6_family = AF_INET6;
        address->v6.sin6_port = htons((uint16_t)port);
        return inet_pton(AF_INET6, host, &address->v6.sin6_addr) == 1 &&
               IN6_IS_ADDR_LOOPBACK(&address->v6.sin6_addr);
    }
    address->v4.sin_family = AF_INET;
    address->v4.sin_port = htons((uint16_t)port);
    return inet_pton(AF_INET, host, &address->v4.sin_addr) == 1 &&
           ntohl(address->v4.sin_addr.s_addr) >> IN_CLASSA_NSHIFT == IN_LOOPBACKNET;
}

/* What has a slash is a path. */
static bool set_metrics(const char *file, const struct config_key *key, const char *text,
                        void *target)
{
    union config_address *address = target;
    char *path = NULL;

    memset(address, 0, sizeof *address);
    if (strchr(text, '/') == NULL)
        return loopback(text, address);
    if (!config_set_path(file, key, text, &path))
        return false;
    address->path.sun_family = AF_UNIX;
    memcpy(address->path.sun_path, path, strlen(path));
    free(path);
    return true;
}

#define CONFIG_PREFIX_BITS 128
#define IN_CONFIG(member) offsetof(struct config, member)
#define IN_ASSOCIATION(member) offsetof(struct config_association, member)
#define SOCKET_PATH_MAX sizeof(((struct sockaddr_un *)0)->sun_path)

const struct config_key config_agent_keys[] = {
    {"socket", config_set_path, IN_CONFIG(socket), 0, SOCKET_PATH_MAX,
     "a path of at most 107 octets", 0},
    {"option_type", config_set_octet, IN_CONFIG(settings.option_type), CONFIG_OPTION_TYPE_MIN,
     CONFIG_OPTION_TYPE_MAX, "a number from 2 to 255 (0x02 to 0xff)", 0},
    {"request_budget_us", config_set_number, IN_CONFIG(settings.budget_us), 1, PDM_BUDGET_US_MAX,
     "a number from 1 to 100000", 0},
    {"share", config_set_number, IN_CONFIG(settings.share), 1, CONFIG_SHARE_MAX,
     "a percentage from 1 to 100", 0},
    {"max_flows", config_set_number, IN_CONFIG(settings.max_flows), 1, PDM_FLOWS_MAX,
     "a number from 1 to 131072", 0},
    {"max_slots", config_set_number, IN_CONFIG(max_slots), 1, PDM_SLOTS_MAX,
     "a number from 1 to 131072", 0},
    {"max_ledger", config_set_number, IN_CONFIG(max_ledger), 1, CONFIG_LEDGER_MAX,
     "a number from 1 to 16777216", 0},
    {"flow_idle", config_set_duration, IN_CONFIG(settings.flow_idle_s), 1, CONFIG_FLOW_IDLE_MAX_S,
     "a duration from 1s to 24h, such as 90s, 15m or 1h", 0},
    {"requests_per_client", config_set_number, IN_CONFIG(requests_per_client), 0,
     CONFIG_REQUESTS_MAX, "a number a second from 1 to 1000000, or 0 for no limit", 0},
    {"flows_per_client", config_set_number, IN_CONFIG(flows_per_client), 1, PDM_SLOTS_MAX,
     "a number from 1 to 131072", 0},
    {"state", config_set_path, IN_CONFIG(state), 0, UINT32_MAX, "a directory", 0},
    {"metrics", set_metrics, IN_CONFIG(metrics), 0, SOCKET_PATH_MAX,
     "a loopback address and a port, such as [::1]:9485, or a path of at most 107 octets", 0},
    {"metrics_prefix", config_set_octet, IN_CONFIG(metrics_prefix), 0, CONFIG_PREFIX_BITS,
     "a number from 0 to 128", 0},
    {"flow_log", config_set_path, IN_CONFIG(flow_log), 0, UINT32_MAX, "a path", 0},
    {"flow_log_size", config_set_number, IN_CONFIG(flow_log_size), 1, CONFIG_FLOW_LOG_MIB_MAX,
     "a number of MiB from 1 to 1024", 0},
    {"flow_log_age", config_set_duration, IN_CONFIG(flow_log_age_s), CONFIG_FLOW_LOG_AGE_MIN_S,
     CONFIG_FLOW_LOG_AGE_MAX_S, "a duration from 60s to 8760h, such as 15m or 24h", 0},
    {"flow_log_files", config_set_number, IN_CONFIG(flow_log_files), 1, CONFIG_FLOW_LOG_FILES_MAX,
     "a number from 1 to 100", 0},
    {0},
};

#define PSK (1U << CONFIG_MODE_PSK)
#define ENROLLED (1U << CONFIG_MODE_ENROLLED)
#define ANY_MODE (PSK | ENROLLED)

const struct config_key config_association_keys[] = {
    {"local", config_set_prefix, IN_ASSOCIATION(local), 0, 0, config_prefix_allowed, PSK},
    {"peer", set_peer, 0, 0, 0, config_prefix_allowed, PSK},
    {"mode", set_mode, IN_ASSOCIATION(mode), 0, 0, "psk or enrolled", ANY_MODE},
    {"key", config_set_path, IN_ASSOCIATION(key), 0, UINT32_MAX, "the path of a key file", PSK},
    {"aead", set_aead, IN_ASSOCIATION(aead), 0, 0, "aes-256-gcm or chacha20-poly1305", PSK},
    {"protect", set_protect, IN_ASSOCIATION(format), 0, 0, "encrypted, plain or rfc8250", PSK},
    {"primary", set_primary, 0, 0, 0, "up to 8 of HOST:PORT or [ADDRESS]:PORT, with commas between",
     ENROLLED},
    {"primary_name", config_set_host_name, IN_ASSOCIATION(primary_name), 0, 0,
     "a DNS name that stands in the primary's certificate", ENROLLED},
    {"certificate", config_set_path, IN_ASSOCIATION(certificate), 0, UINT32_MAX,
     "the path of a PEM file with this host's certificate", ENROLLED},
    {"certificate_key", config_set_path, IN_ASSOCIATION(certificate_key), 0, UINT32_MAX,
     "the path of a PEM file with the certificate's key", ENROLLED},
    {"ca", config_set_path, IN_ASSOCIATION(ca), 0, UINT32_MAX,
     "the path of a PEM file with the certificates of those who vouch for the primary", ENROLLED},
    {"crl", config_set_path, IN_ASSOCIATION(crl), 0, UINT32_MAX,
     "the path of a PEM file with a revocation list", ENROLLED},
    {"pairing_port", config_set_port, IN_ASSOCIATION(pairing_port), 1, UINT16_MAX,
     "a number from 1 to 65535", ENROLLED},
    {"lifetime", config_set_duration, IN_ASSOCIATION(lifetime_s), 0, CONFIG_LIFETIME_MAX_S,
     "a duration up to 8760h, such as 90s, 15m or 1h, or 0 for no end", ANY_MODE},
    {"path", set_path_policy, IN_ASSOCIATION(path), 0, 0, "probe or trust", ANY_MODE},
    {"undecryptable", set_undecryptable, IN_ASSOCIATION(undecryptable), 0, 0,
     "log, throttle or filter", ANY_MODE},
    {0},
};
