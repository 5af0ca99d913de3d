/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The key agent's configuration: one file of [agent] and [association NAME] sections, read whole
 * and checked whole before any of it counts.
 */
#ifndef PDM_CONF_CONFIG_H
#define PDM_CONF_CONFIG_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "conf/complain.h"
#include "core/limits.h"
#include "core/policy.h"

/* Whether options go to a peer only if a probe has shown that the path carries them. */
enum config_path { CONFIG_PATH_PROBE, CONFIG_PATH_TRUST, CONFIG_PATHS };

/*
 * What is done about a peer whose option no key opens, beside dropping it (draft -02 section 7): it
 * is logged; or nothing more is searched for what the peer sends, for a short or a long time.
 */
enum config_undecryptable {
    CONFIG_UNDECRYPTABLE_LOG,
    CONFIG_UNDECRYPTABLE_THROTTLE,
    CONFIG_UNDECRYPTABLE_FILTER,
    CONFIG_UNDECRYPTABLES
};

/* Where an association's secrets come from: a key file, or the organisation's primary. */
enum config_mode { CONFIG_MODE_PSK, CONFIG_MODE_ENROLLED, CONFIG_MODES };

struct config_association {
    char name[PDM_NAME_MAX];
    unsigned line;         /* of its head */
    uint8_t mode;          /* enum config_mode */
    uint32_t lifetime_s;   /* 0: unlimited */
    uint8_t path;          /* enum config_path */
    uint8_t undecryptable; /* enum config_undecryptable */
    /* CONFIG_MODE_PSK: */
    struct pdm_prefix local;
    struct pdm_prefix peer;
    bool has_peer;
    uint8_t format; /* enum pdm_format */
    uint16_t aead;
    char *key; /* path of the key file, or NULL */
    /* CONFIG_MODE_ENROLLED: */
    char *primary[CONFIG_PRIMARIES_MAX]; /* "host:port" or "[address]:port", in order */
    size_t primaries;
    char *primary_name; /* DNS name in their certificates */
    char *certificate;  /* paths of PEM files */
    char *certificate_key;
    char *ca;
    char *crl;             /* or NULL */
    uint16_t pairing_port; /* UDP */
};

union config_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un path;
};

struct config {
    char *socket; /* path */
    char *state;  /* directory; NULL: nowhere */
    struct pdm_policy_settings settings;
    uint32_t max_slots;
    uint32_t max_ledger;
    uint32_t requests_per_client; /* a second; 0: unlimited */
    uint32_t flows_per_client;
    union config_address metrics; /* loopback or a path; AF_UNSPEC: they are not served */
    uint8_t metrics_prefix;       /* bits by which the peers of an association are told apart */
    char *flow_log;               /* path, or NULL */
    uint32_t flow_log_size;       /* MiB */
    uint32_t flow_log_age_s;
    uint32_t flow_log_files; /* older ones that are kept */
    struct config_association *association;
    size_t associations;
};

/* Reads and checks the file at PATH. False after at least one complaint, and CONFIG is empty. */
bool config_load(const char *path, struct config *config, config_complain *complain, void *arg);
/*
 * The same for LEN octets of TEXT, called NAME in complaints; paths are relative to NAME's
 * directory.
 */
bool config_parse(const char *name, const char *text, size_t len, struct config *config,
                  config_complain *complain, void *arg);
/* Where the agent's configuration is unless it is told otherwise; to be freed. NULL: it cannot be
 * said, for want of HOME. */
char *config_default_path(void);
void config_free(struct config *config);

#endif
