/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a peer's certificate says of it: its subjectAltName alone counts, never its subject. And
 * what is said of a certificate that is not good. Pure functions.
 */
#ifndef PDM_KEYAGENT_CERTIFICATE_H
#define PDM_KEYAGENT_CERTIFICATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/types.h>

#include "core/limits.h"

struct certificate_names {
    char host[PDM_HOST_MAX]; /* the first DNS name, or "" */
    size_t addresses;        /* of IPv6 */
    uint8_t address[LINK_ADDRESSES_MAX][PDM_ADDR_LEN];
};

/* NULL, or why CERTIFICATE's names cannot be used. */
const char *certificate_names(const X509 *certificate, struct certificate_names *names);
/* NAME, a host's name or an address, is in it, letter by letter: a wildcard is none of them. */
bool certificate_has_name(X509 *certificate, const char *name);
/* In words, an error of OpenSSL's verification (X509_V_ERR_...). */
const char *certificate_error(int error);
/* It says that no authority is known that vouches, rather than something of the certificate. */
bool certificate_error_is_stranger(int error);

#endif
