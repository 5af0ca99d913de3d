/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A primary's configuration: one file of [primary], [clients], [servers NAME] and [peer NAME]
 * sections, read whole and checked whole before any of it counts.
 */
#ifndef PDM_CONF_PRIMARY_CONFIG_H
#define PDM_CONF_PRIMARY_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/complain.h"
#include "core/limits.h"
#include "core/prefix.h"
#include "core/registration.h"

/* [clients], and each [servers NAME]: secondaries of ours. */
struct primary_members {
    char name[PDM_NAME_MAX]; /* "clients", or NAME */
    unsigned line;
    uint8_t side;              /* enum pdm_side */
    uint16_t group;            /* of servers, from 1 on; several sections may be of one */
    struct pdm_prefix *prefix; /* "members = ...", separated by commas or blanks */
    size_t prefixes;
    char *file; /* "list = FILE" (conf/list_file.h); or NULL */
};

/* [peer NAME]: the primary of another organisation, or of the other side of our own. */
struct primary_peer {
    char name[PDM_NAME_MAX];
    unsigned line;
    uint8_t side;  /* enum pdm_side: what WE are towards it */
    char *connect; /* "host:port[, host:port]": where to connect to; if we are client, else NULL */
    char *certificate_name; /* DNS name that its certificate must have */
    char *ca;
    char *crl;                    /* or NULL */
    struct pdm_prefix *addresses; /* that its list may claim */
    size_t addresses_count;
    bool has_secmop; /* always, if we are server; as client: the server must choose SECMOP */
    uint8_t secmop;
    /* As server: */
    uint8_t poller;
    uint8_t unprotected;
    uint32_t lifetime_s; /* 0: unlimited */
    uint32_t grace_s;
    /* Offered or accepted, in the order of preference; this processor can do each. */
    uint16_t kem[PDM_SUITES_MAX];
    uint16_t kdf[PDM_SUITES_MAX];
    uint16_t aead[PDM_SUITES_MAX];
    uint8_t kems;
    uint8_t kdfs;
    uint8_t aeads;
};

struct primary_config {
    char *listen;      /* "[address]:port[, [address]:port]" */
    char *certificate; /* ours, for both peers and secondaries */
    char *certificate_key;
    char *ca;        /* that vouches for our secondaries */
    char *crl;       /* or NULL */
    char *store;     /* path or postgresql://... */
    char *store_key; /* path */
    char *socket;    /* of pdmctl primary */
    uint32_t block;  /* generations in one grant */
    struct primary_members *members;
    size_t members_count;
    struct primary_peer *peer;
    size_t peers;
};

/*
 * Reads and checks the file at PATH. False after at least one complaint, and CONFIG is empty.
 * sodium_init() must have been called.
 */
bool primary_config_load(const char *path, struct primary_config *config, config_complain *complain,
                         void *arg);
/*
 * The same for LEN octets of TEXT, called NAME in complaints; paths are relative to NAME's
 * directory.
 */
bool primary_config_parse(const char *name, const char *text, size_t len,
                          struct primary_config *config, config_complain *complain, void *arg);
void primary_config_free(struct primary_config *config);

#endif
