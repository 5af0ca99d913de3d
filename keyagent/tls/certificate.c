/* SPDX-License-Identifier: BSD-2-Clause */
/* What a certificate says (RFC 5280 section 4.2.1.6). */
#include "keyagent/tls/certificate.h"

#include <openssl/x509v3.h>
#include <string.h>

static const char *take_host(const GENERAL_NAME *name, struct certificate_names *names)
{
    const ASN1_IA5STRING *host = name->d.dNSName;
    const uint8_t *octets = ASN1_STRING_get0_data(host);
    size_t len = (size_t)ASN1_STRING_length(host);

    if (len == 0 || len >= sizeof names->host || memchr(octets, '\0', len) != NULL)
        return "malformed name in it";
    if (names->host[0] == '\0')
        memcpy(names->host, octets, len);
    return NULL;
}

static const char *take_address(const GENERAL_NAME *name, struct certificate_names *names)
{
    const ASN1_OCTET_STRING *address = name->d.iPAddress;

    if (ASN1_STRING_length(address) != PDM_ADDR_LEN)
        return NULL; /* of IPv4, which nobody enrols */
    if (names->addresses == LINK_ADDRESSES_MAX)
        return "too many addresses in it";
    memcpy(names->address[names->addresses++], ASN1_STRING_get0_data(address), PDM_ADDR_LEN);
    return NULL;
}

const char *certificate_names(const X509 *certificate, struct certificate_names *names)
{
    int critical;
    GENERAL_NAMES *all = X509_get_ext_d2i(certificate, NID_subject_alt_name, &critical, NULL);
    const char *wrong = NULL;

    *names = (struct certificate_names){0};
    if (all == NULL)
        return critical == -1 ? NULL : "malformed subjectAltName"; /* -1: there is none */
    for (int i = 0; i < sk_GENERAL_NAME_num(all) && wrong == NULL; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(all, i);

        if (name->type == GEN_DNS)
            wrong = take_host(name, names);
        else if (name->type == GEN_IPADD)
            wrong = take_address(name, names);
    }
    GENERAL_NAMES_free(all);
    return wrong;
}

bool certificate_has_name(X509 *certificate, const char *name)
{
    const unsigned flags = X509_CHECK_FLAG_NO_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT;

    /* A leading dot would ask for any name below. */
    return name[0] != '.' && (X509_check_ip_asc(certificate, name, 0) == 1 ||
                              X509_check_host(certificate, name, 0, flags, NULL) == 1);
}

struct wording {
    int error;
    bool stranger;
    const char *words;
};

static const struct wording wordings[] = {
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, true, "unknown authority"},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, true, "unknown authority"},
    {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, true, "unknown authority"},
    {X509_V_ERR_CERT_SIGNATURE_FAILURE, true, "unknown authority"},
    {X509_V_ERR_CERT_UNTRUSTED, true, "unknown authority"},
    {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, true, "unknown authority"},
    {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, true, "unknown authority (self-signed)"},
    {X509_V_ERR_CERT_HAS_EXPIRED, false, "expired"},
    {X509_V_ERR_CERT_NOT_YET_VALID, false, "not valid yet"},
    {X509_V_ERR_CERT_REVOKED, false, "revoked"},
    {X509_V_ERR_UNABLE_TO_GET_CRL, false, "no revocation list of its authority is known"},
    {X509_V_ERR_CRL_HAS_EXPIRED, false, "the revocation list of its authority is out of date"},
    {X509_V_ERR_CRL_NOT_YET_VALID, false, "the revocation list of its authority is not valid yet"},
    {X509_V_ERR_CRL_SIGNATURE_FAILURE, false, "the revocation list is not of its authority"},
    {X509_V_ERR_INVALID_PURPOSE, false, "not made for this end (keyUsage, extendedKeyUsage)"},
    {X509_V_ERR_EE_KEY_TOO_SMALL, false, "its key is too weak"},
    {X509_V_ERR_CA_KEY_TOO_SMALL, false, "the key of its authority is too weak"},
    {X509_V_ERR_CA_MD_TOO_WEAK, false, "the digest that it is signed with is too weak"},
    {X509_V_ERR_OUT_OF_MEM, false, "out of memory"},
};

static const struct wording *find(int error)
{
    for (size_t i = 0; i < sizeof wordings / sizeof wordings[0]; i++)
        if (wordings[i].error == error)
            return &wordings[i];
    return NULL;
}

const char *certificate_error(int error)
{
    const struct wording *w = find(error);

    return w != NULL ? w->words : X509_verify_cert_error_string(error);
}

bool certificate_error_is_stranger(int error)
{
    const struct wording *w = find(error);

    return w != NULL && w->stranger;
}
