/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists of secondaries in files. */
#include "conf/list_file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/value.h"
#include "core/limits.h"

#define WHAT_MAX 1024 /* octets of a complaint */

struct reading {
    const char *path;
    int fd;
    char text[CONFIG_LIST_CHUNK + 1]; /* a zero behind the last line, if it has no newline */
    size_t begin;                     /* in text: of what is read and not taken yet */
    size_t end;
    bool is_over;
    size_t line;
    size_t entries;
    config_complain *complain;
    void *arg;
};

__attribute__((format(printf, 2, 3))) static bool refuse(const struct reading *r,
                                                         const char *format, ...)
{
    char what[WHAT_MAX];
    char text[2 * WHAT_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    if (r->line > 0)
        snprintf(text, sizeof text, "%s:%zu: %s", r->path, r->line, what);
    else
        snprintf(text, sizeof text, "%s: %s", r->path, what);
    r->complain(r->arg, text);
    return false;
}

/* More of the file behind what is there. */
static bool read_more(struct reading *r)
{
    memmove(r->text, r->text + r->begin, r->end - r->begin);
    r->end -= r->begin;
    r->begin = 0;
    ssize_t got = read(r->fd, r->text + r->end, CONFIG_LIST_CHUNK - r->end);
    if (got < 0) {
        r->line = 0;
        return refuse(r, "cannot be read: %s", strerror(errno));
    }
    r->end += (size_t)got;
    r->is_over = got == 0;
    return true;
}

/* The next line, with a zero in the place of its newline; NULL at the end. False after
 * complaining. */
static bool next_line(struct reading *r, char **line)
{
    char *newline;

    *line = NULL;
    while ((newline = memchr(r->text + r->begin, '\n', r->end - r->begin)) == NULL && !r->is_over &&
           r->end - r->begin <= CONFIG_LIST_LINE_MAX)
        if (!read_more(r))
            return false;
    if (newline == NULL && r->begin == r->end)
        return true;
    char *begin = r->text + r->begin;
    char *end = newline != NULL ? newline : r->text + r->end;
    r->line++;
    if (end - begin > CONFIG_LIST_LINE_MAX)
        return refuse(r, "a line of more than %d octets", CONFIG_LIST_LINE_MAX);
    if (memchr(begin, '\0', (size_t)(end - begin)) != NULL)
        return refuse(r, "a control character; the file is to be plain text");
    *end = '\0';
    *line = begin;
    r->begin = (size_t)(end - r->text) + (newline != NULL);
    return true;
}

/* LINE without blanks around it and without its comment. */
static char *strip(char *line)
{
    size_t len = strcspn(line, "#");

    while (len > 0 && isspace((unsigned char)line[len - 1]))
        len--;
    line[len] = '\0';
    return line + strspn(line, " \t");
}

static bool take_lines(struct reading *r, list_file_take *take, void *arg)
{
    char fault[CONFIG_FAULT_MAX];
    struct pdm_prefix prefix;
    char *line;

    while (next_line(r, &line)) {
        if (line == NULL)
            return true;
        line = strip(line);
        if (*line == '\0')
            continue;
        if (++r->entries > PDM_REGISTRATION_ENTRIES_MAX)
            return refuse(r, "more than %d entries; use shorter prefixes",
                          PDM_REGISTRATION_ENTRIES_MAX);
        if (config_prefix(line, &prefix) != CONFIG_PREFIX_OK)
            return refuse(r, "%s: %s", line, config_prefix_fault(line, fault));
        if (!take(arg, &prefix))
            return false;
    }
    return false;
}

bool list_file_read(const char *path, list_file_take *take, void *arg, config_complain *complain,
                    void *complain_arg)
{
    struct reading *r = calloc(1, sizeof *r);
    bool good = false;

    if (r == NULL) {
        complain(complain_arg, "out of memory");
        return false;
    }
    r->path = path;
    r->complain = complain;
    r->arg = complain_arg;
    r->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (r->fd < 0) {
        refuse(r, "cannot be read: %s", strerror(errno));
        goto out;
    }
    good = take_lines(r, take, arg);
    close(r->fd);
out:
    free(r);
    return good;
}
