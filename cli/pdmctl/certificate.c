/* SPDX-License-Identifier: BSD-2-Clause */
/* A host's identity in registration. */
#include "cli/pdmctl/certificate.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "cli/pdmctl/file.h"

#define CURVE "P-256"

enum {
    COMMON_NAME_MAX = 64, /* RFC 5280 appendix A.1: ub-common-name */
    ADDRESS_TEXT = sizeof("IP:,") + INET6_ADDRSTRLEN,
};

/* What stands in MEMORY, in the new file PATH. */
static bool make_file(const char *path, BIO *memory)
{
    char *text = NULL;
    long len = BIO_get_mem_data(memory, &text);

    return len > 0 && file_make(path, text, (size_t)len) && file_sync_directory(path);
}

bool certificate_make_key(const char *path)
{
    EVP_PKEY *key = EVP_EC_gen(CURVE);
    BIO *memory = BIO_new(BIO_s_secmem());
    bool made = false;

    if (!key || !memory ||
        PEM_write_bio_PKCS8PrivateKey(memory, key, NULL, NULL, 0, NULL, NULL) != 1)
        warnx("%s: OpenSSL cannot make a key", path);
    else
        made = make_file(path, memory);
    BIO_free(memory);
    EVP_PKEY_free(key);
    return made;
}

/* Others must not read it: who has the key is this host. */
static bool is_private(int fd, const char *path)
{
    struct stat st;

    if (fstat(fd, &st) != 0) {
        warn("%s", path);
        return false;
    }
    if ((st.st_mode & (S_IRWXG | S_IRWXO)) == 0)
        return true;
    warnx("%s: others may read this key; take it as known to them, remove it and begin again",
          path);
    return false;
}

EVP_PKEY *certificate_load_key(const char *path)
{
    FILE *file = fopen(path, "re");
    EVP_PKEY *key = NULL;

    if (!file) {
        warn("%s", path);
        return NULL;
    }
    if (is_private(fileno(file), path)) {
        key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
        if (!key)
            warnx("%s: no key in PEM", path);
    }
    (void)fclose(file);
    return key;
}

/* The request. */

/* "IP:2001:db8::1,IP:2001:db8::2"; to be freed. */
static char *names_of(const struct certificate_addresses *addresses)
{
    char *names = calloc(addresses->count + 1, ADDRESS_TEXT);
    size_t used = 0;

    for (size_t i = 0; names && i < addresses->count; i++) {
        char text[INET6_ADDRSTRLEN] = "";

        (void)inet_ntop(AF_INET6, addresses->address[i], text, sizeof(text));
        used += (size_t)sprintf(names + used, "%sIP:%s", i ? "," : "", text);
    }
    return names;
}

static bool add_names(X509_REQ *request, const struct certificate_addresses *addresses)
{
    char *names = names_of(addresses);
    STACK_OF(X509_EXTENSION) *extensions = sk_X509_EXTENSION_new_null();
    X509_EXTENSION *extension =
        names ? X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names) : NULL;
    bool added = false;

    if (extensions && extension && sk_X509_EXTENSION_push(extensions, extension) > 0) {
        extension = NULL; /* the stack's now */
        added = X509_REQ_add_extensions(request, extensions) == 1;
    }
    X509_EXTENSION_free(extension);
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    free(names);
    return added;
}

/* Nobody goes by it, but authorities want one. */
static bool set_subject(X509_REQ *request)
{
    unsigned char host[COMMON_NAME_MAX + 1] = "";

    if (gethostname((char *)host, COMMON_NAME_MAX) != 0 || host[0] == '\0')
        (void)memcpy(host, "pdmv2", sizeof("pdmv2"));
    return X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(request), "CN", MBSTRING_UTF8, host,
                                      -1, -1, 0) == 1;
}

static X509_REQ *sign_request(EVP_PKEY *key, const struct certificate_addresses *addresses)
{
    X509_REQ *request = X509_REQ_new();

    if (request && X509_REQ_set_version(request, X509_REQ_VERSION_1) == 1 && set_subject(request) &&
        X509_REQ_set_pubkey(request, key) == 1 && add_names(request, addresses) &&
        X509_REQ_sign(request, key, EVP_sha256()) > 0)
        return request;
    X509_REQ_free(request);
    return NULL;
}

bool certificate_make_request(const char *path, EVP_PKEY *key,
                              const struct certificate_addresses *addresses)
{
    X509_REQ *request = sign_request(key, addresses);
    BIO *memory = BIO_new(BIO_s_mem());
    bool made = false;

    if (!request || !memory || PEM_write_bio_X509_REQ(memory, request) != 1)
        warnx("%s: OpenSSL cannot make a request", path);
    else if (unlink(path) != 0 && errno != ENOENT)
        warn("%s", path);
    else
        made = make_file(path, memory);
    BIO_free(memory);
    X509_REQ_free(request);
    return made;
}

/* The certificate. */

/* The first certificate in PATH, and those behind it. */
struct chain {
    X509 *own;
    STACK_OF(X509) * between;
};

static bool load_chain(const char *path, struct chain *chain)
{
    FILE *file = fopen(path, "re");
    X509 *next;

    *chain = (struct chain){.between = sk_X509_new_null()};
    if (!file) {
        warn("%s", path);
        return false;
    }
    chain->own = PEM_read_X509(file, NULL, NULL, NULL);
    while (chain->own && chain->between && (next = PEM_read_X509(file, NULL, NULL, NULL)))
        if (sk_X509_push(chain->between, next) <= 0) {
            X509_free(next);
            break;
        }
    (void)fclose(file);
    ERR_clear_error(); /* the end of the file is one to OpenSSL */
    if (!chain->own)
        warnx("%s: no certificate in PEM", path);
    return chain->own && chain->between;
}

static void free_chain(struct chain *chain)
{
    X509_free(chain->own);
    sk_X509_pop_free(chain->between, X509_free);
}

static bool is_of_key(const char *path, X509 *own, EVP_PKEY *key)
{
    if (X509_check_private_key(own, key) == 1)
        return true;
    ERR_clear_error();
    warnx("%s: belongs to another key; have the request signed that lies beside it", path);
    return false;
}

static bool has_addresses(const char *path, X509 *own,
                          const struct certificate_addresses *addresses)
{
    for (size_t i = 0; i < addresses->count; i++) {
        char text[INET6_ADDRSTRLEN] = "";

        if (X509_check_ip(own, addresses->address[i], PDM_ADDR_LEN, 0) == 1)
            continue;
        (void)inet_ntop(AF_INET6, addresses->address[i], text, sizeof(text));
        warnx("%s: does not have the address %s; the authority must take over the request's "
              "subjectAltName",
              path, text);
        return false;
    }
    return true;
}

static bool is_in_force(const char *path, const X509 *own)
{
    int begins = X509_cmp_current_time(X509_get0_notBefore(own));
    int ends = X509_cmp_current_time(X509_get0_notAfter(own));

    if (begins > 0)
        warnx("%s: is not valid yet; is this host's clock right?", path);
    else if (ends < 0)
        warnx("%s: has expired; have the request signed again", path);
    else if (begins == 0 || ends == 0)
        warnx("%s: has no dates that can be understood", path);
    return begins < 0 && ends > 0;
}

static bool load_authorities(X509_STORE *store, const char *ca)
{
    if (store && X509_STORE_load_file(store, ca) == 1)
        return true;
    ERR_clear_error();
    if (access(ca, R_OK) != 0)
        warn("%s", ca);
    else
        warnx("%s: no certificates in PEM", ca);
    return false;
}

static bool is_vouched_for(const char *path, const char *ca, const struct chain *chain)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *check = X509_STORE_CTX_new();
    bool vouched = false;

    if (!check || !load_authorities(store, ca))
        goto out;
    /* To the primary this host is what connects. */
    if (X509_STORE_CTX_init(check, store, chain->own, chain->between) == 1 &&
        X509_STORE_CTX_set_purpose(check, X509_PURPOSE_SSL_CLIENT) == 1)
        vouched = X509_verify_cert(check) == 1;
    if (!vouched)
        warnx("%s: %s does not vouch for it: %s", path, ca,
              X509_verify_cert_error_string(X509_STORE_CTX_get_error(check)));
out:
    X509_STORE_CTX_free(check);
    X509_STORE_free(store);
    return vouched;
}

bool certificate_check(const char *path, const char *ca, EVP_PKEY *key,
                       const struct certificate_addresses *addresses)
{
    struct chain chain;
    bool good = load_chain(path, &chain) && is_of_key(path, chain.own, key) &&
                has_addresses(path, chain.own, addresses) && is_in_force(path, chain.own) &&
                is_vouched_for(path, ca, &chain);

    free_chain(&chain);
    return good;
}
