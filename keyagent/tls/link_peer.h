/* SPDX-License-Identifier: BSD-2-Clause */
/* Who is at the other end of a link, by its certificate; and why a link with it broke. */
#ifndef PDM_KEYAGENT_TLS_LINK_PEER_H
#define PDM_KEYAGENT_TLS_LINK_PEER_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "keyagent/tls/link.h"

#define LINK_WHY_MAX (LINK_FROM_MAX + LINK_REFUSAL_MAX + 64)

/* From a certificate that has passed CHECK. False if there is none, or it says nothing. */
bool link_peer_known(SSL *session, const struct credentials_check *check, struct link_peer *peer);
/* The same certificate is good by what NOW says; it was by BEFORE. */
bool link_peer_trusted(SSL *session, const struct link_peer *peer, const struct credentials *before,
                       const struct credentials *now);

/* OpenSSL's ERROR of a link with FROM, as a line for the log. */
void link_peer_error(const char *from, unsigned long error, char why[static LINK_WHY_MAX]);

#endif
