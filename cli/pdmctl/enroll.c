/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pdmctl enroll: this host becomes a secondary of a primary. Each time that it is run it does the
 * next step, and says what others have to do before the one after: a key and a request, the
 * certificate, the agent's configuration, and what the primary then gave.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "cli/output.h"
#include "cli/pdmctl/pdmctl.h"
#include "cli/pdmctl/certificate.h"
#include "cli/pdmctl/file.h"
#include "cli/pdmctl/format.h"
#include "conf/config.h"
#include "conf/key.h"
#include "core/suite.h"
#include "core/tuple.h"

#define SECTION "organisation" /* the association's name */
#define DIRECTORY_MODE 0700
#define UNQUOTABLE "#;\"\\\n" /* what would be no part of a value */

enum {
    WAIT_S = 10, /* for what the primary gives */
    LOOK_MS = 200,
};

struct enrolment {
    const struct pdmctl_context *context;
    struct certificate_addresses addresses;
    char *primary; /* "host:port" */
    char *name;    /* in its certificate */
    char *config;  /* all that follows are paths */
    char *directory;
    char *key;
    char *request;
    char *certificate;
    char *ca;
};

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

static bool is_there(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0;
}

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

    if (!is_there(e->key)) {
        if (!certificate_make_key(e->key))
            return PDMCTL_FAILED;
        printf("made %s\n", e->key);
    }
    EVP_PKEY *key = certificate_load_key(e->key);

    if (!key)
        return PDMCTL_FAILED;
    if (!is_there(e->certificate)) {
        code = ask_for_certificate(e, key);
    } else if (!is_there(e->ca)) {
        printf("next: put the authority's certificate at %s, and run this again\n", e->ca);
        code = PDMCTL_UNFINISHED;
    } else if (certificate_check(e->certificate, e->ca, key, &e->addresses)) {
        printf("%s: good\n", e->certificate);
        code = PDMCTL_OK;
    }
    EVP_PKEY_free(key);
    return code;
}

/* The configuration. */

static char *section_text(const struct enrolment *e)
{
    char *text = NULL;

    if (asprintf(&text,
                 "[association " SECTION "]\n"
                 "mode = enrolled\n"
                 "primary = %s\n"
                 "primary_name = %s\n"
                 "certificate = %s\n"
                 "certificate_key = %s\n"
                 "ca = %s\n",
                 e->primary, e->name, e->certificate, e->key, e->ca) >= 0)
        return text;
    warnx("out of memory");
    return NULL;
}

static void tell(void *arg, const char *line)
{
    (void)arg;
    warnx("%s", line);
}

static bool is_with(const struct config_association *a, const char *primary)
{
    for (size_t i = 0; i < a->primaries; i++) {
        if (strcmp(a->primary[i], primary) == 0)
            return true;
    }
    return false;
}

/* The association that is there with that primary, by its NAME; "" if there is none. */
static bool find_association(const struct enrolment *e, char name[static PDM_NAME_MAX])
{
    struct config config;
    bool taken = false;

    name[0] = '\0';
    if (!is_there(e->config))
        return true;
    if (!config_load(e->config, &config, tell, NULL))
        return false;
    for (size_t i = 0; i < config.associations; i++) {
        const struct config_association *a = &config.association[i];

        if (is_with(a, e->primary))
            (void)snprintf(name, PDM_NAME_MAX, "%s", a->name);
        taken = taken || strcmp(a->name, SECTION) == 0;
    }
    config_free(&config);
    if (!taken || name[0] != '\0')
        return true;
    warnx("%s: [association " SECTION "] is there already, and not with the primary %s: rename it",
          e->config, e->primary);
    return false;
}

/* Behind what is there; the file is made if there is none. */
static bool append(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, S_IRUSR | S_IWUSR);
    bool written =
        fd >= 0 && file_write(fd, "\n", 1) && file_write(fd, text, strlen(text)) && fsync(fd) == 0;

    if (!written)
        warn("cannot write %s", path);
    if (fd >= 0)
        (void)close(fd);
    return written && file_sync_directory(path);
}

static enum pdmctl_exit add_association(const struct enrolment *e, char name[static PDM_NAME_MAX])
{
    char *text = section_text(e);
    enum pdmctl_exit code = PDMCTL_FAILED;

    if (!text)
        return PDMCTL_FAILED;
    if (!e->context->write) {
        printf("next: add this to %s, or run this again with --write:\n\n%s", e->config, text);
        code = PDMCTL_UNFINISHED;
    } else if (append(e->config, text) && find_association(e, name)) {
        if (name[0] == '\0')
            warnx("%s: the association was added and is not there", e->config);
        else
            code = PDMCTL_OK;
        printf("%s: added [association " SECTION "]\n", e->config);
    }
    free(text);
    return code;
}

/* The agent. */

/* What the primary gave: an association for each pair, called ASSOCIATION/PEER. */
struct given {
    const char *association;
    bool print;
    unsigned pairs;
};

static bool look_at(struct pdm_reader *body, void *context)
{
    struct given *given = context;
    struct pdm_association a;
    char name[PDM_NAME_MAX];
    size_t len = strlen(given->association);

    pdm_get_association(body, &a);
    const char *aead = a.format == PDM_FORMAT_ENCRYPTED ? pdm_aead_name(a.aead) : NULL;

    format_name(name, a.name);
    if (body->bad || strncmp(name, given->association, len) != 0 || name[len] != '/')
        return !body->bad;
    given->pairs++;
    if (given->print)
        printf("enrolled with %s: %s%s%s\n", name + len + 1, format_protect(a.format),
               aead ? ", " : "", aead ? aead : "");
    return true;
}

static enum agent_result look(struct agent_client *client, struct given *given)
{
    given->pairs = 0;
    return agent_list(client, PDM_ASSOCIATIONS, look_at, given);
}

static enum pdmctl_exit wait_for_primary(struct agent_client *client, const char *association)
{
    static const struct timespec pause = {.tv_nsec = LOOK_MS * PDM_NSEC_PER_MSEC};
    struct given given = {.association = association};
    enum agent_result result = AGENT_ANSWERED;

    for (int looks = 0; looks < WAIT_S * 1000 / LOOK_MS; looks++) {
        result = look(client, &given);
        if (result != AGENT_ANSWERED || given.pairs > 0)
            break;
        (void)nanosleep(&pause, NULL);
    }
    if (result != AGENT_ANSWERED)
        return pdmctl_exit_for(result);
    if (given.pairs == 0) {
        warnx("the primary has given nothing within %d seconds: the agent's log and the primary's "
              "say why; is this host on its list (pdmctl primary list), and in agreement with a "
              "peer (pdmctl primary pairs)?",
              WAIT_S);
        return PDMCTL_FAILED;
    }
    given.print = true;
    return pdmctl_exit_for(look(client, &given));
}

/* The agent reads its configuration again; whose it is may do so. */
static bool reload(struct agent_client *client)
{
    struct pdm_status_reply status;

    if (agent_status(client, &status) != AGENT_ANSWERED)
        return false;
    if (status.pid <= 1 || status.pid > INT32_MAX || kill((pid_t)status.pid, SIGHUP) != 0)
        warnx("the agent must read its configuration again: send SIGHUP to process %u", status.pid);
    return true;
}

static enum pdmctl_exit configure(const struct enrolment *e)
{
    static struct agent_client client;
    char name[PDM_NAME_MAX];

    if (!find_association(e, name))
        return PDMCTL_FAILED;
    bool added = name[0] == '\0';
    enum pdmctl_exit code = added ? add_association(e, name) : PDMCTL_OK;

    if (code != PDMCTL_OK)
        return code;
    if (!agent_client_init(&client, e->context->socket))
        return PDMCTL_USAGE;
    if (added && !reload(&client))
        return PDMCTL_NO_AGENT;
    return wait_for_primary(&client, name);
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
