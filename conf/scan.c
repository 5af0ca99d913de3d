/* SPDX-License-Identifier: BSD-2-Clause */
/* One pass over the lines of a configuration file. */
#include "conf/scan.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_OCTETS 1000 /* iniparser reads lines of 1024 octets */
#define FIRST_ITEMS 64
#define WHAT_MAX 256

struct pass {
    struct scan *scan;
    size_t room;         /* items that scan->item has room for */
    const char *section; /* NULL before the first */
    unsigned line;
    bool good;
    const char *heads;
    scan_complain *complain;
    void *arg;
};

static void complain(struct pass *p, const char *what)
{
    p->good = false;
    p->complain(p->arg, p->line, what);
}

static void complain_of_heads(struct pass *p, const char *before)
{
    char what[WHAT_MAX];

    snprintf(what, sizeof what, "%s %s", before, p->heads);
    complain(p, what);
}

/* LEN octets of TEXT without blanks around them, in lower case. */
static char *lower_copy(const char *text, size_t len)
{
    while (len > 0 && isspace((unsigned char)text[0])) {
        text++;
        len--;
    }
    while (len > 0 && isspace((unsigned char)text[len - 1]))
        len--;
    char *copy = strndup(text, len);
    for (char *at = copy; at != NULL && *at != '\0'; at++)
        *at = (char)tolower((unsigned char)*at);
    return copy;
}

static bool make_room(struct pass *p)
{
    if (p->scan->count < p->room)
        return true;
    size_t room = p->room == 0 ? FIRST_ITEMS : 2 * p->room;
    struct scan_item *item = reallocarray(p->scan->item, room, sizeof *item);
    if (item == NULL)
        return false;
    p->scan->item = item;
    p->room = room;
    return true;
}

/* Takes SECTION and KEY over. */
static void add(struct pass *p, char *section, char *key, bool has_key)
{
    if (section == NULL || (has_key && key == NULL) || !make_room(p)) {
        free(section);
        free(key);
        complain(p, "out of memory");
        return;
    }
    p->scan->item[p->scan->count++] =
        (struct scan_item){.section = section, .key = key, .line = p->line};
}

static void take_section(struct pass *p, const char *text, size_t len)
{
    const char *close = memchr(text, ']', len);

    if (close != text + len - 1) {
        complain_of_heads(p, "expected");
        return;
    }
    size_t before = p->scan->count;
    add(p, lower_copy(text + 1, len - 2), NULL, false);
    if (p->scan->count > before)
        p->section = p->scan->item[before].section;
}

static void take_key(struct pass *p, const char *text, size_t len)
{
    const char *equals = memchr(text, '=', len);

    if (equals == NULL || equals == text) {
        complain(p, "expected key = value");
        return;
    }
    if (p->section == NULL) {
        complain_of_heads(p, "a key outside of a section; begin with");
        return;
    }
    add(p, strdup(p->section), lower_copy(text, (size_t)(equals - text)), true);
}

static bool has_control(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (iscntrl((unsigned char)text[i]) && text[i] != '\t')
            return true;
    return false;
}

static void take_line(struct pass *p, const char *text, size_t len)
{
    while (len > 0 && isspace((unsigned char)text[0])) {
        text++;
        len--;
    }
    while (len > 0 && isspace((unsigned char)text[len - 1]))
        len--;
    if (len == 0)
        return;
    if (has_control(text, len))
        complain(p, "a control character; the file is to be plain text");
    else if (text[len - 1] == '\\') /* iniparser would join the lines, also behind a comment */
        complain(p, "a line may not end in a backslash");
    else if (text[0] == '[')
        take_section(p, text, len);
    else if (text[0] != '#' && text[0] != ';')
        take_key(p, text, len);
}

bool scan_text(struct scan *scan, const char *text, size_t len, const char *heads,
               scan_complain *complain_to, void *arg)
{
    struct pass p = {
        .scan = scan, .good = true, .heads = heads, .complain = complain_to, .arg = arg};

    *scan = (struct scan){0};
    for (const char *end = text + len; text < end;) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        size_t line = newline != NULL ? (size_t)(newline - text) : (size_t)(end - text);

        p.line++;
        if (line > LINE_MAX_OCTETS)
            complain(&p, "a line of more than 1000 octets");
        else
            take_line(&p, text, line);
        text += line + (newline != NULL);
    }
    return p.good;
}

void scan_free(struct scan *scan)
{
    for (size_t i = 0; i < scan->count; i++) {
        free(scan->item[i].section);
        free(scan->item[i].key);
    }
    free(scan->item);
    *scan = (struct scan){0};
}
