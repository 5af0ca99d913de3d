/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A host's identity in registration: its key, the request for a certificate, and what makes a
 * certificate one that a primary will accept. PEM files. Each prints a line if it fails.
 */
#ifndef CLI_PDMCTL_CERTIFICATE_H
#define CLI_PDMCTL_CERTIFICATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/types.h>

#include "core/limits.h"

struct certificate_addresses {
    uint8_t address[LINK_ADDRESSES_MAX][PDM_ADDR_LEN];
    size_t count;
};

/* A new key (ECDSA, P-256) in the file PATH, for its owner alone. */
bool certificate_make_key(const char *path);
/* The key in PATH; NULL if it cannot be read, or others can. Freed with EVP_PKEY_free(). */
EVP_PKEY *certificate_load_key(const char *path);
/* A request for a certificate with KEY and ADDRESSES in the file PATH, in place of an older one. */
bool certificate_make_request(const char *path, EVP_PKEY *key,
                              const struct certificate_addresses *addresses);
/*
 * The certificate in PATH (others, between it and an authority, may follow it there) is KEY's, has
 * ADDRESSES, is in force, and is vouched for by those in the file CA.
 */
bool certificate_check(const char *path, const char *ca, EVP_PKEY *key,
                       const struct certificate_addresses *addresses);

#endif
