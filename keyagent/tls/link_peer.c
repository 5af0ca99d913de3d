/* SPDX-License-Identifier: BSD-2-Clause */
/* Who is at the other end of a link. */
#include "keyagent/tls/link_peer.h"

#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

#include "keyagent/tls/certificate.h"

bool link_peer_known(SSL *session, const struct credentials_check *check, struct link_peer *peer)
{
    const X509 *certificate = SSL_get0_peer_certificate(session);
    struct certificate_names names;

    if (certificate == NULL || certificate_names(certificate, &names) != NULL ||
        X509_digest(certificate, EVP_sha256(), peer->fingerprint, NULL) != 1)
        return false;
    peer->authority = check->authority;
    snprintf(peer->name, sizeof peer->name, "%s", check->name != NULL ? check->name : names.host);
    peer->addresses = names.addresses;
    memcpy(peer->address, names.address, sizeof peer->address);
    return true;
}

bool link_peer_trusted(SSL *session, const struct link_peer *peer, const struct credentials *before,
                       const struct credentials *now)
{
    struct credentials_check check = {
        .credentials = now, .of_server = SSL_is_server(session) == 0, .authority = peer->authority};
    const char *then = credentials_authority_name(before, check.authority);
    const char *name = credentials_authority_name(now, check.authority);

    return then != NULL && name != NULL && strcmp(then, name) == 0 &&
           credentials_recheck(session, &check);
}

/* OpenSSL numbers the alerts that it receives from here on (SSL_AD_REASON_OFFSET). */
static bool is_alert(unsigned long error)
{
    return ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) > SSL_AD_REASON_OFFSET &&
           ERR_GET_REASON(error) <= SSL_AD_REASON_OFFSET + UINT8_MAX;
}

void link_peer_error(const char *from, unsigned long error, char why[static LINK_WHY_MAX])
{
    const char *reason = ERR_reason_error_string(error);

    if (is_alert(error))
        snprintf(why, LINK_WHY_MAX, "%s refused us: %s", from,
                 SSL_alert_desc_string_long(ERR_GET_REASON(error) - SSL_AD_REASON_OFFSET));
    else if (ERR_GET_REASON(error) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
        snprintf(why, LINK_WHY_MAX, "%s: no certificate", from);
    else if (ERR_GET_REASON(error) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        snprintf(why, LINK_WHY_MAX, "%s: broken off", from);
    else
        snprintf(why, LINK_WHY_MAX, "%s: TLS: %s", from, reason != NULL ? reason : "unknown error");
}
