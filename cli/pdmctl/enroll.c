/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pdmctl enroll: this host becomes a secondary of a primary. Each time that it is run it does the
 * next step, and says what others have to do before the one after: a key and a request, the
 * certificate, the agent's configuration, and what the primary then gave.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/evp.h>

#include "cli/output.h"
#include "cli/pdmctl/enroll_inside.h"
#include "cli/pdmctl/file.h"
#include "conf/config.h"
#include "conf/key.h"
#include "core/tuple.h"

#define DIRECTORY_MODE 0700
#define UNQUOTABLE "#;\"\\\n" /* what would be no part of a value */

/* What it is called with. */

static bool take_addresses(struct enrolment *e)
{
    struct certificate_addresses *all = &e->addresses;

    for (size_t i = 0; i < e->context->addresses; i++) {
        const char *text = e->context->address[i];

        if (inet_pton(AF_INET6, text, all->address[all->count]) != 1 ||
            !pdm_addr_takes_part(all->address[all->count])) {
            warnx("%s: must be an IPv6 address of this host", text);
            return false;
        }
        all->count++;
    }
    if (all->count == 0)
        warnx("-a is missing: the addresses of this host that it is to measure with");
    return all->count > 0;
}

static bool take_primary(struct enrolment *e)
{
    const struct pdmctl_context *c = e->context;

    if (!c->primary) {
        warnx("-p is missing: where the organisation's primary is, as HOST or HOST:PORT");
        return false;
    }
    if (!config_endpoint(c->primary, strlen(c->primary), &e->primary)) {
        warnx("%s: must be HOST, HOST:PORT or [ADDRESS]:PORT", c->primary);
        return false;
    }
    if (!c->name && e->primary[0] == '[') {
        warnx("-n is missing: the DNS name in the primary's certificate");
        return false;
    }
    e->name = c->name ? strdup(c->name) : strndup(e->primary, strcspn(e->primary, ":"));
    return e->name != NULL;
}

/* Absolute, so that the configuration says the same from wherever it is. */
static bool take_directory(struct enrolment *e)
{
    char *copy = strdup(e->config);
    const char *given = e->context->directory;

    if (!copy)
        return false;
    if (!given)
        given = dirname(copy);
    if (mkdir(given, DIRECTORY_MODE) != 0 && errno != EEXIST) {
        warn("cannot make %s", given);
        free(copy);
        return false;
    }
    e->directory = realpath(given, NULL);
    if (!e->directory)
        warn("%s", given);
    free(copy);
    if (!e->directory)
        return false;
    if (!strpbrk(e->directory, UNQUOTABLE))
        return true;
    warnx("%s: no such name can stand in a configuration; choose another directory with -d",
          e->directory);
    return false;
}

static bool take_paths(struct enrolment *e)
{
    const struct {
        const char *name;
        char **path;
    } files[] = {
        {"key.pem", &e->key},
        {"request.pem", &e->request},
        {"certificate.pem", &e->certificate},
        {"ca.pem", &e->ca},
    };

    e->config = e->context->config ? strdup(e->context->config) : config_default_path();
    if (!e->config) {
        warnx("-c is missing: the agent's configuration; HOME is not set");
        return false;
    }
    if (!take_directory(e))
        return false;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        if (asprintf(files[i].path, "%s/%s", e->directory, files[i].name) < 0) {
            *files[i].path = NULL;
            return false;
        }
    }
    return true;
}

/* Key, request, certificate. */

static enum pdmctl_exit ask_for_certificate(const struct enrolment *e, EVP_PKEY *key)
{
    if (!certificate_make_request(e->request, key, &e->addresses))
        return PDMCTL_FAILED;
    printf("made %s\n"
           "next: have your organisation's authority sign it, with its subjectAltName; put\n"
           "  the certificate at       %s\n"
           "  the authority's own at   %s\n"
           "and run this again\n",
           e->request, e->certificate, e->ca);
    return PDMCTL_UNFINISHED;
}

static enum pdmctl_exit check_identity(const struct enrolment *e)
{
    enum pdmctl_exit code = PDMCTL_FAILED;

    if (!file_exists(e->key)) {
        if (!certificate_make_key(e->key))
            return PDMCTL_FAILED;
        printf("made %s\n", e->key);
    }
    EVP_PKEY *key = certificate_load_key(e->key);

    if (!key)
        return PDMCTL_FAILED;
    if (!file_exists(e->certificate)) {
        code = ask_for_certificate(e, key);
    } else if (!file_exists(e->ca)) {
        printf("next: put the authority's certificate at %s, and run this again\n", e->ca);
        code = PDMCTL_UNFINISHED;
    } else if (certificate_check(e->certificate, e->ca, key, &e->addresses)) {
        printf("%s: good\n", e->certificate);
        code = PDMCTL_OK;
    }
    EVP_PKEY_free(key);
    return code;
}

/* The configuration, and the agent that reads it. */

static enum pdmctl_exit configure(const struct enrolment *e)
{
    static struct agent_client client;
    char name[PDM_NAME_MAX];

    if (!enroll_find_association(e, name))
        return PDMCTL_FAILED;
    bool added = name[0] == '\0';
    enum pdmctl_exit code = added ? enroll_add_association(e, name) : PDMCTL_OK;

    if (code != PDMCTL_OK)
        return code;
    if (!agent_client_init(&client, e->context->socket))
        return PDMCTL_USAGE;
    if (added && !enroll_reload(&client))
        return PDMCTL_NO_AGENT;
    return enroll_wait(&client, name);
}

static void forget(struct enrolment *e)
{
    char *const owned[] = {e->primary, e->name,    e->config,      e->directory,
                           e->key,     e->request, e->certificate, e->ca};

    for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++)
        free(owned[i]);
}

enum pdmctl_exit pdmctl_enroll(const struct pdmctl_context *context)
{
    struct enrolment e = {.context = context};
    enum pdmctl_exit code = PDMCTL_USAGE;

    /* What was done stands before what then went wrong. */
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    if (take_addresses(&e) && take_primary(&e)) {
        code = take_paths(&e) ? check_identity(&e) : PDMCTL_FAILED;
        if (code == PDMCTL_OK)
            code = configure(&e);
    }
    forget(&e);
    return output_flush() ? code : PDMCTL_FAILED;
}
