/* SPDX-License-Identifier: BSD-2-Clause */
/* What this end shows and whom it believes. */
#include "keyagent/tls/credentials.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keyagent/keyfile.h"
#include "keyagent/log.h"
#include "keyagent/tls/certificate.h"

#define SECURITY_LEVEL 2 /* 112 bits: OpenSSL's SSL_CTX_set_security_level(3) */

struct authority {
    char *name;
    X509_STORE *store;
};

struct credentials {
    unsigned references;
    SSL_CTX *tls;
    size_t authorities;
    struct authority *authority;
};

/* One line for what OpenSSL has just refused. */
static void complain(const char *what, const char *path)
{
    unsigned long error = ERR_peek_error();
    int number = ERR_GET_REASON(error);
    const char *reason = "not in PEM format, or of an unknown kind";

    if (ERR_SYSTEM_ERROR(error))
        reason = strerror(number);
    else if (number != ERR_R_UNSUPPORTED && number != PEM_R_NO_START_LINE &&
             ERR_reason_error_string(error) != NULL)
        reason = ERR_reason_error_string(error);
    log_error("%s %s: %s", what, path, reason);
    ERR_clear_error();
}

/* Whoever started the agent is not there to be asked. */
static int no_passphrase(char *buffer, int size, int writing, void *arg)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

/* Unbuffered: nothing of the key stays in a buffer that is not wiped. */
static EVP_PKEY *read_key(const char *path)
{
    int fd = keyfile_open(path);
    EVP_PKEY *key = NULL;

    if (fd < 0)
        return NULL;
    BIO *file = BIO_new_fd(fd, BIO_CLOSE);
    if (file == NULL)
        close(fd);
    else
        key = PEM_read_bio_PrivateKey(file, NULL, no_passphrase, NULL);
    if (key == NULL)
        complain("key", path);
    BIO_free(file);
    return key;
}

static bool use_own(SSL_CTX *tls, const char *certificate, const char *key_path)
{
    EVP_PKEY *key = NULL;
    bool good = false;

    if (SSL_CTX_use_certificate_chain_file(tls, certificate) != 1) {
        complain("certificate", certificate);
        goto out;
    }
    key = read_key(key_path);
    if (key == NULL)
        goto out;
    if (X509_check_private_key(SSL_CTX_get0_certificate(tls), key) != 1) {
        log_error("certificate %s: not of the key %s", certificate, key_path);
        ERR_clear_error();
        goto out;
    }
    good = SSL_CTX_use_PrivateKey(tls, key) == 1;
    if (!good)
        complain("key", key_path);
out:
    EVP_PKEY_free(key);
    return good;
}

/* What one file adds to an authority's store: certificates, or revocation lists. */
static bool add_certificate(X509_STORE *store, const X509_INFO *item, const char *path, bool *found)
{
    if (item->x509 == NULL)
        return true;
    if (X509_check_ca(item->x509) == 0) {
        log_error("authority %s: holds a certificate that is not of an authority", path);
        return false;
    }
    *found = true;
    return X509_STORE_add_cert(store, item->x509) == 1;
}

static bool add_list(X509_STORE *store, const X509_INFO *item, const char *path, bool *found)
{
    if (item->crl == NULL)
        return true;
    if (X509_cmp_current_time(X509_CRL_get0_nextUpdate(item->crl)) < 0)
        log_warning("revocation list %s: out of date, so its authority vouches for nobody; fetch "
                    "the next one",
                    path);
    *found = true;
    return X509_STORE_add_crl(store, item->crl) == 1;
}

static bool add_file(X509_STORE *store, const char *path, const char *what,
                     bool (*add)(X509_STORE *, const X509_INFO *, const char *, bool *))
{
    BIO *file = BIO_new_file(path, "r");
    STACK_OF(X509_INFO) *items =
        file != NULL ? PEM_X509_INFO_read_bio(file, NULL, no_passphrase, NULL) : NULL;
    bool found = false;
    bool good = items != NULL;

    if (!good)
        complain(what, path);
    for (int i = 0; good && i < sk_X509_INFO_num(items); i++)
        good = add(store, sk_X509_INFO_value(items, i), path, &found);
    if (good && !found)
        log_error("%s %s: there is none in it, in PEM format", what, path);
    sk_X509_INFO_pop_free(items, X509_INFO_free);
    BIO_free(file);
    return good && found;
}

static bool load_authority(struct authority *a, const struct credentials_authority *from)
{
    a->name = strdup(from->name);
    a->store = X509_STORE_new();
    if (a->name == NULL || a->store == NULL) {
        log_error("authority %s: out of memory", from->ca);
        return false;
    }
    if (!add_file(a->store, from->ca, "authority", add_certificate))
        return false;
    if (from->crl == NULL)
        return true;
    X509_STORE_set_flags(a->store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    return add_file(a->store, from->crl, "revocation list", add_list);
}

/* How good A finds the certificate: an X509_V_ERR_..., or X509_V_OK. */
static int ask(const struct authority *a, X509 *certificate, STACK_OF(X509) * others,
               bool of_server)
{
    X509_STORE_CTX *run = X509_STORE_CTX_new();
    int error = X509_V_ERR_OUT_OF_MEM;

    if (run == NULL || X509_STORE_CTX_init(run, a->store, certificate, others) != 1 ||
        X509_STORE_CTX_set_default(run, of_server ? "ssl_server" : "ssl_client") != 1)
        goto out;
    X509_VERIFY_PARAM_set_auth_level(X509_STORE_CTX_get0_param(run), SECURITY_LEVEL);
    error = X509_V_ERR_UNSPECIFIED;
    if (X509_verify_cert(run) == 1)
        error = X509_V_OK;
    else if (X509_STORE_CTX_get_error(run) != X509_V_OK)
        error = X509_STORE_CTX_get_error(run);
out:
    X509_STORE_CTX_free(run);
    ERR_clear_error();
    return error;
}

/* The authorities in order. If none vouches, one that knows the certificate tells best why. */
static int ask_all(struct credentials_check *check, X509 *certificate, STACK_OF(X509) * others)
{
    const struct credentials *c = check->credentials;
    unsigned first = check->any ? 0 : check->authority;
    unsigned end = check->any ? (unsigned)c->authorities : first + 1;
    int best = X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT;

    for (unsigned i = first; i < end && i < c->authorities; i++) {
        int error = ask(&c->authority[i], certificate, others, check->of_server);

        if (error == X509_V_OK) {
            check->authority = i;
            return X509_V_OK;
        }
        if (i == first || !certificate_error_is_stranger(error))
            best = error;
    }
    return best;
}

static int examine(struct credentials_check *check, X509 *certificate, STACK_OF(X509) * others)
{
    struct certificate_names names;
    const char *wrong = NULL;
    int error = ask_all(check, certificate, others);

    check->refusal[0] = '\0';
    if (error != X509_V_OK)
        wrong = certificate_error(error);
    else
        wrong = certificate_names(certificate, &names);
    if (wrong != NULL) {
        snprintf(check->refusal, sizeof check->refusal, "%s", wrong);
        return error != X509_V_OK ? error : X509_V_ERR_CERT_REJECTED;
    }
    if (check->name == NULL || certificate_has_name(certificate, check->name))
        return X509_V_OK;
    snprintf(check->refusal, sizeof check->refusal, "name %s is not in it", check->name);
    return X509_V_ERR_HOSTNAME_MISMATCH;
}

/* In place of OpenSSL's verification, which knows of one store alone. */
static int verify(X509_STORE_CTX *run, void *arg)
{
    const SSL *session = X509_STORE_CTX_get_ex_data(run, SSL_get_ex_data_X509_STORE_CTX_idx());
    int error = examine(SSL_get_app_data(session), X509_STORE_CTX_get0_cert(run),
                        X509_STORE_CTX_get0_untrusted(run));

    (void)arg;
    X509_STORE_CTX_set_error(run, error);
    return error == X509_V_OK;
}

#ifdef PDM_KEYLOG
/* For tests: what a capture of the connection can be decrypted with. */
static void log_key(const SSL *session, const char *line)
{
    const char *path = getenv("SSLKEYLOGFILE");
    FILE *file = path != NULL ? fopen(path, "ae") : NULL;

    (void)session;
    if (file == NULL)
        return;
    fprintf(file, "%s\n", line);
    fclose(file);
}
#endif

/*
 * Nothing outlives its connection: no tickets, no resumption, no early data. Memory is held while
 * it is used alone, since a primary has thousands of connections that say nothing.
 */
static SSL_CTX *new_context(void)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_method());

    if (tls == NULL || SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_max_proto_version(tls, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_num_tickets(tls, 0) != 1 || SSL_CTX_set_max_early_data(tls, 0) != 1) {
        SSL_CTX_free(tls);
        return NULL;
    }
    SSL_CTX_set_security_level(tls, SECURITY_LEVEL);
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(tls, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CLEANSE_PLAINTEXT);
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_max_cert_list(tls, LINK_CERTIFICATES_MAX);
    SSL_CTX_set_default_passwd_cb(tls, no_passphrase);
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_cert_verify_callback(tls, verify, NULL);
#ifdef PDM_KEYLOG
    SSL_CTX_set_keylog_callback(tls, log_key);
#endif
    return tls;
}

struct credentials *credentials_load(const char *certificate, const char *key,
                                     const struct credentials_authority *authority,
                                     size_t authorities)
{
    struct credentials *c = calloc(1, sizeof *c);

    if (c == NULL)
        goto no_memory;
    c->references = 1;
    c->tls = new_context();
    c->authority = calloc(authorities + 1, sizeof *c->authority);
    if (c->tls == NULL || c->authority == NULL)
        goto no_memory;
    if (!use_own(c->tls, certificate, key))
        goto fail;
    while (c->authorities < authorities) {
        size_t i = c->authorities++;

        if (!load_authority(&c->authority[i], &authority[i]))
            goto fail;
    }
    return c;
no_memory:
    log_error("certificate %s: out of memory", certificate);
fail:
    ERR_clear_error();
    credentials_unref(c);
    return NULL;
}

struct credentials *credentials_ref(struct credentials *credentials)
{
    credentials->references++;
    return credentials;
}

void credentials_unref(struct credentials *credentials)
{
    if (credentials == NULL || --credentials->references > 0)
        return;
    for (size_t i = 0; i < credentials->authorities; i++) {
        free(credentials->authority[i].name);
        X509_STORE_free(credentials->authority[i].store);
    }
    free(credentials->authority);
    SSL_CTX_free(credentials->tls);
    free(credentials);
}

long long credentials_left_s(const struct credentials *credentials)
{
    const X509 *own = SSL_CTX_get0_certificate(credentials->tls);
    int days = 0;
    int seconds = 0;

    /* From NULL, which is now. */
    if (ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(own)) != 1)
        return -1;
    return days * 86400LL + seconds;
}

SSL *credentials_session(const struct credentials *credentials, struct credentials_check *check)
{
    SSL *session = SSL_new(credentials->tls);

    if (session != NULL)
        SSL_set_app_data(session, check);
    ERR_clear_error();
    return session;
}

bool credentials_recheck(const SSL *session, struct credentials_check *check)
{
    X509 *certificate = SSL_get0_peer_certificate(session);

    return certificate != NULL &&
           examine(check, certificate, SSL_get_peer_cert_chain(session)) == X509_V_OK;
}

const char *credentials_authority_name(const struct credentials *credentials, unsigned authority)
{
    return authority < credentials->authorities ? credentials->authority[authority].name : NULL;
}
