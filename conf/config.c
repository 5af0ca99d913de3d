/* SPDX-License-Identifier: BSD-2-Clause */
/* Loads and checks the configuration: a scan finds sections and keys, iniparser their values. */
#include "conf/config.h"

#include <errno.h>
#include <fcntl.h>
#include <iniparser/iniparser.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conf/key.h"
#include "conf/scan.h"
#include "conf/value.h"
#include "core/suite.h"

#define AGENT_SECTION "agent"
#define ASSOCIATION_SECTION "association"
#define WHAT_MAX 1024 /* octets of one complaint */

struct load {
    const char *file; /* as complaints call it */
    const char *text;
    size_t len;
    struct scan scan;
    dictionary *values;
    struct config *config;
    unsigned complaints;
    config_complain *complain;
    void *arg;
};

__attribute__((format(printf, 3, 4))) static void complain(struct load *l, unsigned line,
                                                           const char *format, ...)
{
    char what[WHAT_MAX];
    char text[2 * WHAT_MAX];
    va_list args;

    l->complaints++;
    if (l->complaints > CONFIG_COMPLAINTS_MAX)
        return;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    if (line != 0)
        snprintf(text, sizeof text, "%s:%u: %s", l->file, line, what);
    else
        snprintf(text, sizeof text, "%s: %s", l->file, what);
    l->complain(l->arg, text);
    if (l->complaints == CONFIG_COMPLAINTS_MAX)
        l->complain(l->arg, "further complaints are not shown");
}

static void scan_complained(void *arg, unsigned line, const char *what)
{
    complain(arg, line, "%s", what);
}

/* "local, peer, mode" */
static const char *key_names(const struct config_key *keys, char out[static WHAT_MAX])
{
    size_t used = 0;

    for (const struct config_key *key = keys; key->name != NULL && used < WHAT_MAX; key++)
        used += (size_t)snprintf(out + used, WHAT_MAX - used, "%s%s", key == keys ? "" : ", ",
                                 key->name);
    return out;
}

static void complain_prefix(struct load *l, const struct scan_item *item, const char *value)
{
    char proposal[CONFIG_PREFIX_TEXT];
    struct pdm_prefix prefix;

    switch (config_prefix(value, &prefix)) {
    case CONFIG_PREFIX_HOST_BITS:
        config_prefix_text(&prefix, proposal);
        complain(l, item->line, "%s = %s: has bits set beyond its length; did you mean %s?",
                 item->key, value, proposal);
        break;
    case CONFIG_PREFIX_NOT_OURS:
        complain(l, item->line,
                 "%s = %s: multicast, IPv4-mapped and unspecified addresses take no part",
                 item->key, value);
        break;
    default:
        complain(l, item->line, "%s = %s: must be %s", item->key, value, CONFIG_PREFIX_ALLOWED);
    }
}

static void take_key(struct load *l, const struct scan_item *item, const struct config_key *keys,
                     void *target)
{
    char name[WHAT_MAX];
    const struct config_key *key = keys;

    while (key->name != NULL && strcmp(key->name, item->key) != 0)
        key++;
    if (key->name == NULL) {
        complain(l, item->line, "%s: unknown key in [%s]; allowed are: %s", item->key,
                 item->section, key_names(keys, name));
        return;
    }
    snprintf(name, sizeof name, "%s:%s", item->section, item->key);
    const char *value = iniparser_getstring(l->values, name, "");
    if (key->set(l->file, key, value, (char *)target + key->offset))
        return;
    if (strcmp(key->allowed, CONFIG_PREFIX_ALLOWED) == 0)
        complain_prefix(l, item, value);
    else
        complain(l, item->line, "%s = %s: must be %s", item->key, value, key->allowed);
}

/* The sections. */

static bool name_allowed(const char *name)
{
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-");

    return length > 0 && length < PDM_NAME_MAX && name[length] == '\0';
}

/* The name in "association NAME", or NULL if SECTION is none. */
static const char *association_name(const char *section)
{
    size_t word = strlen(ASSOCIATION_SECTION);

    if (strncmp(section, ASSOCIATION_SECTION, word) != 0)
        return NULL;
    size_t blanks = strspn(section + word, " \t");
    return blanks > 0 || section[word] == '\0' ? section + word + blanks : NULL;
}

static struct config_association *add_association(struct load *l, const struct scan_item *head,
                                                  const char *name)
{
    struct config *config = l->config;

    if (!name_allowed(name)) {
        complain(
            l, head->line,
            "[%s]: a name is 1 to 63 letters, digits, '.', '_' or '-', as in [association london]",
            head->section);
        return NULL;
    }
    if (config->associations == PDM_POLICY_ENTRIES_MAX) {
        complain(l, head->line, "[%s]: more than %d associations", head->section,
                 PDM_POLICY_ENTRIES_MAX);
        return NULL;
    }
    struct config_association *a = &config->association[config->associations++];
    *a = (struct config_association){.line = head->line,
                                     .format = PDM_FORMAT_ENCRYPTED,
                                     .aead = PDM_AEAD_AES256GCM,
                                     .lifetime_s = PDM_LIFETIME_DEFAULT_S,
                                     .path = CONFIG_PATH_PROBE};
    snprintf(a->name, sizeof a->name, "%s", name);
    return a;
}

/* The section that HEAD begins takes ITEMS keys behind it. */
static void take_section(struct load *l, const struct scan_item *head, size_t items)
{
    const char *name = association_name(head->section);
    const struct config_key *keys = config_agent_keys;
    void *target = l->config;

    if (name != NULL) {
        keys = config_association_keys;
        target = add_association(l, head, name);
    } else if (strcmp(head->section, AGENT_SECTION) != 0) {
        complain(l, head->line, "[%s]: unknown section; allowed are [agent] and [association NAME]",
                 head->section);
        target = NULL;
    }
    if (target == NULL)
        return;
    for (size_t i = 1; i <= items; i++)
        take_key(l, &head[i], keys, target);
}

static void take_sections(struct load *l)
{
    const struct scan *scan = &l->scan;

    for (size_t i = 0; i < scan->count;) {
        size_t items = 0;

        while (i + items + 1 < scan->count && scan->item[i + items + 1].key != NULL)
            items++;
        take_section(l, &scan->item[i], items);
        i += items + 1;
    }
}

/* Duplicates: sorted by name, they stand side by side. */

static int compare_names(const struct scan_item *a, const struct scan_item *b)
{
    int order = strcmp(a->section, b->section);

    if (order != 0 || (a->key == NULL && b->key == NULL))
        return order;
    if (a->key == NULL || b->key == NULL)
        return a->key == NULL ? -1 : 1;
    return strcmp(a->key, b->key);
}

static int compare_items(const void *a, const void *b)
{
    const struct scan_item *x = a;
    const struct scan_item *y = b;
    int order = compare_names(x, y);

    return order != 0 ? order : (x->line > y->line) - (x->line < y->line);
}

/*
 * SORTED: COUNT items. Only section heads, or only keys: those of two equal sections are no news.
 */
static void complain_of_duplicates(struct load *l, const struct scan_item *sorted, size_t count,
                                   bool keys)
{
    for (size_t i = 1; i < count; i++) {
        const struct scan_item *first = &sorted[i - 1];
        const struct scan_item *again = &sorted[i];

        if ((again->key != NULL) != keys || compare_names(first, again) != 0)
            continue;
        if (keys)
            complain(l, again->line, "%s: is already set in line %u", again->key, first->line);
        else
            complain(l, again->line, "[%s]: a section of that name already stands in line %u",
                     again->section, first->line);
    }
}

static void find_duplicates(struct load *l)
{
    size_t count = l->scan.count;
    struct scan_item *sorted = reallocarray(NULL, count + 1, sizeof *sorted);

    if (sorted == NULL) {
        complain(l, 0, "out of memory");
        return;
    }
    if (count > 0)
        memcpy(sorted, l->scan.item, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare_items);
    complain_of_duplicates(l, sorted, count, false);
    if (l->complaints == 0)
        complain_of_duplicates(l, sorted, count, true);
    free(sorted);
}

/* What only whole sections can get wrong. */

static void check_association(struct load *l, size_t at)
{
    const struct config_association *a = &l->config->association[at];

    if (!a->has_peer)
        complain(l, a->line, "[association %s]: peer is missing; it must be %s", a->name,
                 CONFIG_PREFIX_ALLOWED);
    if (a->key == NULL && a->format == PDM_FORMAT_ENCRYPTED)
        complain(l, a->line, "[association %s]: key is missing; make one with: pdmctl keygen FILE",
                 a->name);
    for (size_t i = 0; i < at; i++) {
        const struct config_association *b = &l->config->association[i];

        if (pdm_prefix_equal(&a->peer, &b->peer) && pdm_prefix_equal(&a->local, &b->local))
            complain(
                l, a->line,
                "[association %s]: the same peer and local prefixes as [association %s] in line "
                "%u; one of them must be longer or shorter",
                a->name, b->name, b->line);
    }
}

static void set_agent_defaults(struct load *l)
{
    struct config *config = l->config;
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    bool failed = false;

    config->settings = (struct pdm_policy_settings){.option_type = PDM_OPTION_TYPE,
                                                    .budget_us = PDM_BUDGET_US_DEFAULT,
                                                    .share = PDM_SHARE_DEFAULT,
                                                    .max_flows = PDM_FLOWS_DEFAULT,
                                                    .flow_idle_s = PDM_FLOW_IDLE_DEFAULT_S};
    config->max_slots = CONFIG_SLOTS_DEFAULT;
    config->max_ledger = CONFIG_LEDGER_DEFAULT;
    config->requests_per_client = CONFIG_REQUESTS_DEFAULT;
    config->flows_per_client = CONFIG_FLOWS_DEFAULT;
    /* The XDG Base Directory Specification: a path that is not absolute is to be ignored. */
    if (runtime != NULL && runtime[0] == '/')
        failed = asprintf(&config->socket, "%s/pdmv2/agent.sock", runtime) < 0;
    else
        failed = (config->socket = strdup("/run/pdmv2/agent.sock")) == NULL;
    if (geteuid() == 0)
        failed |= (config->state = strdup("/var/lib/pdmv2")) == NULL;
    else if (state != NULL && state[0] == '/')
        failed |= asprintf(&config->state, "%s/pdmv2", state) < 0;
    else if (home != NULL && home[0] == '/')
        failed |= asprintf(&config->state, "%s/.local/state/pdmv2", home) < 0;
    if (failed)
        complain(l, 0, "out of memory");
}

/* iniparser. */

static struct load *reading; /* for iniparser's callback, which has no argument */

__attribute__((format(printf, 1, 2))) static int iniparser_complained(const char *format, ...)
{
    char what[WHAT_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    /* "iniparser: syntax error in /proc/self/fd/5 (3):\n-> the line" */
    const char *open = strstr(what, " (");
    unsigned line = open != NULL ? (unsigned)strtoul(open + 2, NULL, 10) : 0;
    complain(reading, line, "expected key = value");
    return 0;
}

/*
 * iniparser reads files alone: it gets the text as one, so that what was scanned is what it
 * reads.
 */
static bool read_values(struct load *l)
{
    int fd = memfd_create("pdmv2.conf", MFD_CLOEXEC);
    unsigned before = l->complaints;

    if (fd < 0 || write(fd, l->text, l->len) != (ssize_t)l->len) {
        complain(l, 0, "cannot keep a copy: %s", strerror(errno));
    } else {
        char path[sizeof "/proc/self/fd/" + 3 * sizeof(int)];

        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        reading = l;
        iniparser_set_error_callback(iniparser_complained);
        l->values = iniparser_load(path);
        iniparser_set_error_callback(NULL);
        if (l->values == NULL && l->complaints == before)
            complain(l, 0, "cannot be read");
    }
    if (fd >= 0)
        close(fd);
    return l->values != NULL;
}

static bool allocate_associations(struct load *l)
{
    l->config->association = calloc(PDM_POLICY_ENTRIES_MAX, sizeof *l->config->association);
    if (l->config->association == NULL)
        complain(l, 0, "out of memory");
    return l->config->association != NULL;
}

bool config_parse(const char *name, const char *text, size_t len, struct config *config,
                  config_complain *complain_to, void *arg)
{
    struct load l = {.file = name,
                     .text = text,
                     .len = len,
                     .config = config,
                     .complain = complain_to,
                     .arg = arg};

    *config = (struct config){0};
    set_agent_defaults(&l);
    if (!scan_text(&l.scan, text, len, scan_complained, &l))
        goto out;
    find_duplicates(&l);
    if (l.complaints > 0 || !allocate_associations(&l) || !read_values(&l))
        goto out;
    take_sections(&l);
    for (size_t i = 0; i < config->associations && l.complaints == 0; i++)
        check_association(&l, i);
out:
    if (l.values != NULL)
        iniparser_freedict(l.values);
    scan_free(&l.scan);
    if (l.complaints > 0)
        config_free(config);
    return l.complaints == 0;
}

/* Up to CONFIG_FILE_MAX octets and one, so that a longer file shows. */
static ssize_t read_file(const char *path, char *text)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t len = 0;
    ssize_t got = -1;

    if (fd < 0)
        return -1;
    while (len <= CONFIG_FILE_MAX) {
        got = read(fd, text + len, CONFIG_FILE_MAX + 1 - len);
        if (got <= 0)
            break;
        len += (size_t)got;
    }
    int error = errno;
    close(fd);
    errno = error;
    return got < 0 ? -1 : (ssize_t)len;
}

bool config_load(const char *path, struct config *config, config_complain *complain_to, void *arg)
{
    struct load l = {.file = path, .complain = complain_to, .arg = arg};
    char *text = malloc(CONFIG_FILE_MAX + 1);
    bool good = false;

    *config = (struct config){0};
    ssize_t len = text != NULL ? read_file(path, text) : -1;
    if (len < 0)
        complain(&l, 0, "cannot be read: %s", strerror(errno));
    else if ((size_t)len > CONFIG_FILE_MAX)
        complain(&l, 0, "larger than 1 MiB");
    else
        good = config_parse(path, text, (size_t)len, config, complain_to, arg);
    free(text);
    return good;
}

void config_free(struct config *config)
{
    for (size_t i = 0; i < config->associations; i++)
        free(config->association[i].key);
    free(config->association);
    free(config->socket);
    free(config->state);
    *config = (struct config){0};
}
