/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The key agent's configuration: one file of [agent] and [association NAME] sections, read whole
 * and checked whole before any of it counts.
 */
#ifndef PDM_CONF_CONFIG_H
#define PDM_CONF_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/limits.h"
#include "core/policy.h"

#define CONFIG_FILE_MAX ((size_t)1024 * 1024) /* octets */
#define CONFIG_COMPLAINTS_MAX 32              /* of one file; more are not shown */

/* Whether options go to a peer only if a probe has shown that the path carries them. */
enum config_path { CONFIG_PATH_PROBE, CONFIG_PATH_TRUST, CONFIG_PATHS };

struct config_association {
    char name[PDM_NAME_MAX];
    unsigned line; /* of its head */
    struct pdm_prefix local;
    struct pdm_prefix peer;
    bool has_peer;
    uint8_t format; /* enum pdm_format */
    uint16_t aead;
    char *key;           /* path of the key file, or NULL */
    uint32_t lifetime_s; /* 0: unlimited */
    uint8_t path;        /* enum config_path */
};

struct config {
    char *socket; /* path */
    char *state;  /* directory; NULL: nowhere */
    struct pdm_policy_settings settings;
    uint32_t max_slots;
    uint32_t max_ledger;
    uint32_t requests_per_client; /* a second; 0: unlimited */
    uint32_t flows_per_client;
    struct config_association *association;
    size_t associations;
};

/* One complaint, a whole line without its newline: "FILE:LINE: ...". */
typedef void config_complain(void *arg, const char *line);

/* Reads and checks the file at PATH. False after at least one complaint, and CONFIG is empty. */
bool config_load(const char *path, struct config *config, config_complain *complain, void *arg);
/*
 * The same for LEN octets of TEXT, called NAME in complaints; paths are relative to NAME's
 * directory.
 */
bool config_parse(const char *name, const char *text, size_t len, struct config *config,
                  config_complain *complain, void *arg);
void config_free(struct config *config);

#endif
