/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where each section and each key of a configuration file stands: iniparser, which reads the
 * values, does not tell, and takes the last of two equal keys without a word.
 */
#ifndef PDM_CONF_SCAN_H
#define PDM_CONF_SCAN_H

#include <stdbool.h>
#include <stddef.h>

/* A section's head (key is NULL) or a key in it. Names are in lower case, as iniparser has them. */
struct scan_item {
    char *section;
    char *key;
    unsigned line;
};

struct scan {
    struct scan_item *item;
    size_t count;
};

typedef void scan_complain(void *arg, unsigned line, const char *what);

/*
 * LEN octets of TEXT. HEADS: what heads of sections look like, for complaints. False after at least
 * one complaint; SCAN is to be freed in any case.
 */
bool scan_text(struct scan *scan, const char *text, size_t len, const char *heads,
               scan_complain *complain, void *arg);
void scan_free(struct scan *scan);

#endif
