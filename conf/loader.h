/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What all configuration files have in common: sections with or without names, keys that stand in
 * tables, values that iniparser reads, nothing twice, and complaints that say which line. Single
 * thread.
 */
#ifndef PDM_CONF_LOADER_H
#define PDM_CONF_LOADER_H

#include <stdbool.h>
#include <stddef.h>

#include "conf/complain.h"
#include "conf/key.h"
#include "conf/scan.h"

struct loader;
struct _dictionary_; /* iniparser's */

struct loader_section {
    const char *word;    /* "agent"; or what stands before the name, as in [association NAME] */
    const char *example; /* of a name; NULL: the section has none */
    const struct config_key *keys;
    /* What the keys of the section are put into, until the next one begins; NULL after complaining.
     * NAME is "" if it has none. */
    void *(*begin)(struct loader *l, const struct scan_item *head, const char *name);
    /* Its keys, ITEMS behind HEAD, are in TARGET. May be NULL. */
    void (*end)(struct loader *l, const struct scan_item *head, size_t items, void *target);
};

struct loader {
    const char *file;                     /* as complaints call it */
    const struct loader_section *section; /* all that there are; the last has no word */
    void *config;                         /* for begin and end */
    config_complain *tell;
    void *arg;
    /* The loader's own, 0 at first: */
    struct scan scan;
    struct _dictionary_ *values;
    unsigned complaints;
};

/* LINE 0: of the file as a whole. */
__attribute__((format(printf, 3, 4))) void loader_complain(struct loader *l, unsigned line,
                                                           const char *format, ...);
/*
 * Takes LEN octets of TEXT, section by section. Nothing of it counts if there was a complaint,
 * which L counts.
 */
void loader_take(struct loader *l, const char *text, size_t len);
/*
 * For a section's end: complains of keys that do not stand with choice number CHOICE (config_key's
 * choices), which KEY makes by its value NAME.
 */
void loader_check_choice(struct loader *l, const struct scan_item *head, size_t items,
                         const struct config_key *keys, unsigned choice, const char *key,
                         const char *name);
/*
 * The file at PATH, up to CONFIG_FILE_MAX octets, to be freed. NULL after complaining.
 */
char *loader_read(const char *path, size_t *len, config_complain *tell, void *arg);

#endif
