/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What this end of registration's TLS connections shows and whom it believes: its certificate and
 * key, and authorities, each with the revocation list that it may have. A connecting end is
 * believed by any one of the authorities, and it matters by which. TLS 1.3 alone, no resumption.
 * Single thread.
 */
#ifndef PDM_KEYAGENT_CREDENTIALS_H
#define PDM_KEYAGENT_CREDENTIALS_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/types.h>

#include "core/limits.h"

struct credentials; /* counted: links keep those that they were made with */

struct credentials_authority {
    const char *name; /* for the log; and what an authority is called in the next credentials */
    const char *ca;   /* PEM file of one or more certificates */
    const char *crl;  /* PEM file, with a list of every authority of a chain but its peer; or NULL:
                         nothing is revoked. Nobody is believed by a list that is out of date */
};

/*
 * Reads and checks the files. The key's file must be readable by its owner alone, and key and
 * certificate belong together. NULL after telling why in one line each.
 */
struct credentials *credentials_load(const char *certificate, const char *key,
                                     const struct credentials_authority *authority,
                                     size_t authorities);
struct credentials *credentials_ref(struct credentials *credentials);
/* NULL is allowed. */
void credentials_unref(struct credentials *credentials);
/* Seconds until the own certificate expires; negative: it has. */
long long credentials_left_s(const struct credentials *credentials);

/* What one handshake asks of the other end's certificate, and what came of it. */
struct credentials_check {
    const struct credentials *credentials;
    const char *name;               /* that must be in it; NULL: whatever is in it */
    bool of_server;                 /* the other end accepts; else it connects */
    bool any;                       /* authority will do, and AUTHORITY becomes the one that did */
    unsigned authority;             /* else this one must vouch for it */
    char refusal[LINK_REFUSAL_MAX]; /* why it is refused; "" if it is not */
};

/* A new connection's TLS state, whose handshake does CHECK, which stays. NULL without memory. */
SSL *credentials_session(const struct credentials *credentials, struct credentials_check *check);
/* Does CHECK again, with the certificate that SESSION's other end showed. */
bool credentials_recheck(const SSL *session, struct credentials_check *check);
/* The name of the authority with that number; NULL if there is none. */
const char *credentials_authority_name(const struct credentials *credentials, unsigned authority);

#endif
