/* SPDX-License-Identifier: BSD-2-Clause */
/* A scan finds sections and keys, iniparser their values. */
#include "conf/loader.h"

#include <errno.h>
#include <fcntl.h>
#include <iniparser/iniparser.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "conf/value.h"
#include "core/limits.h"

#define WHAT_MAX 1024 /* octets of one complaint */

void loader_complain(struct loader *l, unsigned line, const char *format, ...)
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
    l->tell(l->arg, text);
    if (l->complaints == CONFIG_COMPLAINTS_MAX)
        l->tell(l->arg, "further complaints are not shown");
}

static void scan_complained(void *arg, unsigned line, const char *what)
{
    loader_complain(arg, line, "%s", what);
}

/* "[agent] and [association NAME]", WORD being "and". */
static const char *head_names(const struct loader_section *sections, const char *word,
                              char out[static WHAT_MAX])
{
    size_t used = 0;

    for (const struct loader_section *s = sections; s->word != NULL && used < WHAT_MAX; s++) {
        const char *before = s == sections ? "" : s[1].word == NULL ? " " : ", ";

        used += (size_t)snprintf(out + used, WHAT_MAX - used, "%s%s%s[%s%s]", before,
                                 *before == ' ' ? word : "", *before == ' ' ? " " : "", s->word,
                                 s->example != NULL ? " NAME" : "");
    }
    return out;
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

/* Values. */

static void complain_prefix(struct loader *l, const struct scan_item *item, const char *value)
{
    char fault[CONFIG_FAULT_MAX];

    loader_complain(l, item->line, "%s = %s: %s", item->key, value,
                    config_prefix_fault(value, fault));
}

/* Of a list, the first that is none; of an empty one, that. */
static void complain_prefixes(struct loader *l, const struct scan_item *item, const char *value)
{
    char word[CONFIG_WORD_MAX] = "";
    struct pdm_prefix prefix;

    while (config_word(&value, word))
        if (config_prefix(word, &prefix) != CONFIG_PREFIX_OK)
            break;
    complain_prefix(l, item, word);
}

static void take_key(struct loader *l, const struct scan_item *item, const struct config_key *keys,
                     void *target)
{
    char name[WHAT_MAX];
    const struct config_key *key = keys;

    while (key->name != NULL && strcmp(key->name, item->key) != 0)
        key++;
    if (key->name == NULL) {
        loader_complain(l, item->line, "%s: unknown key in [%s]; allowed are: %s", item->key,
                        item->section, key_names(keys, name));
        return;
    }
    snprintf(name, sizeof name, "%s:%s", item->section, item->key);
    const char *value = iniparser_getstring(l->values, name, "");
    if (key->set(l->file, key, value, (char *)target + key->offset))
        return;
    if (key->allowed == config_prefix_allowed)
        complain_prefix(l, item, value);
    else if (key->allowed == config_prefixes_allowed)
        complain_prefixes(l, item, value);
    else
        loader_complain(l, item->line, "%s = %s: must be %s", item->key, value, key->allowed);
}

/* Sections. */

static bool name_allowed(const char *name)
{
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-");

    return length > 0 && length < PDM_NAME_MAX && name[length] == '\0';
}

/* What is behind the word of KIND in the head SECTION, or NULL if that is another word. */
static const char *name_behind(const struct loader_section *kind, const char *section)
{
    size_t word = strlen(kind->word);

    if (strncmp(section, kind->word, word) != 0)
        return NULL;
    if (kind->example == NULL)
        return section[word] == '\0' ? "" : NULL;
    size_t blanks = strspn(section + word, " \t");
    return blanks > 0 || section[word] == '\0' ? section + word + blanks : NULL;
}

static const struct loader_section *find_kind(struct loader *l, const struct scan_item *head,
                                              const char **name)
{
    char heads[WHAT_MAX];
    const struct loader_section *kind = l->section;

    while (kind->word != NULL && (*name = name_behind(kind, head->section)) == NULL)
        kind++;
    if (kind->word == NULL) {
        loader_complain(l, head->line, "[%s]: unknown section; allowed are %s", head->section,
                        head_names(l->section, "and", heads));
        return NULL;
    }
    if (kind->example == NULL || name_allowed(*name))
        return kind;
    loader_complain(l, head->line,
                    "[%s]: a name is 1 to 63 letters, digits, '.', '_' or '-', as in [%s %s]",
                    head->section, kind->word, kind->example);
    return NULL;
}

/* The section that HEAD begins takes ITEMS keys behind it. */
static void take_section(struct loader *l, const struct scan_item *head, size_t items)
{
    const char *name;
    const struct loader_section *kind = find_kind(l, head, &name);
    void *target = kind != NULL ? kind->begin(l, head, name) : NULL;

    if (target == NULL)
        return;
    for (size_t i = 1; i <= items; i++)
        take_key(l, &head[i], kind->keys, target);
    if (kind->end != NULL)
        kind->end(l, head, items, target);
}

static void take_sections(struct loader *l)
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

void loader_check_choice(struct loader *l, const struct scan_item *head, size_t items,
                         const struct config_key *keys, unsigned choice, const char *key,
                         const char *name)
{
    for (size_t i = 1; i <= items; i++)
        for (const struct config_key *known = keys; known->name != NULL; known++)
            if (strcmp(known->name, head[i].key) == 0 && (known->choices & 1U << choice) == 0)
                loader_complain(l, head[i].line, "%s: is not for %s = %s", known->name, key, name);
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
static void complain_of_duplicates(struct loader *l, const struct scan_item *sorted, size_t count,
                                   bool keys)
{
    for (size_t i = 1; i < count; i++) {
        const struct scan_item *first = &sorted[i - 1];
        const struct scan_item *again = &sorted[i];

        if ((again->key != NULL) != keys || compare_names(first, again) != 0)
            continue;
        if (keys)
            loader_complain(l, again->line, "%s: is already set in line %u", again->key,
                            first->line);
        else
            loader_complain(l, again->line,
                            "[%s]: a section of that name already stands in line %u",
                            again->section, first->line);
    }
}

static void find_duplicates(struct loader *l)
{
    size_t count = l->scan.count;
    struct scan_item *sorted = reallocarray(NULL, count + 1, sizeof *sorted);

    if (sorted == NULL) {
        loader_complain(l, 0, "out of memory");
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

/* iniparser. */

static struct loader *reading; /* for iniparser's callback, which has no argument */

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
    loader_complain(reading, line, "expected key = value");
    return 0;
}

/*
 * iniparser reads files alone: it gets the text as one, so that what was scanned is what it
 * reads.
 */
static bool read_values(struct loader *l, const char *text, size_t len)
{
    int fd = memfd_create("pdmv2.conf", MFD_CLOEXEC);
    unsigned before = l->complaints;

    if (fd < 0 || write(fd, text, len) != (ssize_t)len) {
        loader_complain(l, 0, "cannot keep a copy: %s", strerror(errno));
    } else {
        char path[sizeof "/proc/self/fd/" + 3 * sizeof(int)];

        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        reading = l;
        iniparser_set_error_callback(iniparser_complained);
        l->values = iniparser_load(path);
        iniparser_set_error_callback(NULL);
        if (l->values == NULL && l->complaints == before)
            loader_complain(l, 0, "cannot be read");
    }
    if (fd >= 0)
        close(fd);
    return l->values != NULL;
}

void loader_take(struct loader *l, const char *text, size_t len)
{
    char heads[WHAT_MAX];

    if (!scan_text(&l->scan, text, len, head_names(l->section, "or", heads), scan_complained, l))
        goto out;
    find_duplicates(l);
    if (l->complaints > 0 || !read_values(l, text, len))
        goto out;
    take_sections(l);
out:
    if (l->values != NULL)
        iniparser_freedict(l->values);
    l->values = NULL;
    scan_free(&l->scan);
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

char *loader_read(const char *path, size_t *len, config_complain *tell, void *arg)
{
    struct loader l = {.file = path, .tell = tell, .arg = arg};
    char *text = malloc(CONFIG_FILE_MAX + 1);
    ssize_t got = text != NULL ? read_file(path, text) : -1;

    if (got < 0)
        loader_complain(&l, 0, "cannot be read: %s", strerror(errno));
    else if ((size_t)got > CONFIG_FILE_MAX)
        loader_complain(&l, 0, "larger than 1 MiB");
    if (l.complaints == 0) {
        *len = (size_t)got;
        return text;
    }
    free(text);
    return NULL;
}
