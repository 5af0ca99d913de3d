/* SPDX-License-Identifier: BSD-2-Clause */
/* Log lines to stderr. */
#include "keyagent/log.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/limits.h"
#include "keyagent/clock.h"

static const char *name_shown = "pdmkeyagent";
static bool to_journal;
static struct log_site *sites;

/* systemd.exec(5): JOURNAL_STREAM names device and inode; a redirected stderr has others. */
void log_init(const char *name)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat at;
    char *colon;

    name_shown = name;
    to_journal = false;
    if (stream == NULL || fstat(STDERR_FILENO, &at) != 0)
        return;
    unsigned long long device = strtoull(stream, &colon, 10);
    if (*colon != ':')
        return;
    to_journal = device == at.st_dev && strtoull(colon + 1, NULL, 10) == at.st_ino;
}

/* One write per line: lines of several processes on one stderr stay whole. */
static void put(enum log_level level, const char *text)
{
    char line[AGENT_LOG_LINE + 32];
    int len = to_journal ? snprintf(line, sizeof line, "<%d>%s\n", (int)level, text)
                         : snprintf(line, sizeof line, "%s: %s\n", name_shown, text);

    if (len > 0 && write(STDERR_FILENO, line, (size_t)len) < 0)
        return; /* nobody left to tell */
}

static void tell_suppressed(struct log_site *site)
{
    if (site->suppressed > 0) {
        char text[AGENT_LOG_LINE];

        snprintf(text, sizeof text, "%u suppressed: %s", site->suppressed, site->place);
        put(site->level, text);
    }
    site->suppressed = 0;
    site->lines = 0;
}

/* Paths may hold anything: a control character would forge a line of its own. */
static void make_printable(char *text)
{
    for (; *text != '\0'; text++)
        if (iscntrl((unsigned char)*text))
            *text = '?';
}

void log_line(struct log_site *site, enum log_level level, const char *format, ...)
{
    int64_t now = clock_now();
    char text[AGENT_LOG_LINE];
    va_list args;

    if (site->place == NULL) {
        site->place = format;
        site->level = level;
        site->next = sites;
        sites = site;
    }
    if (site->lines == 0 || now - site->began > AGENT_LOG_PERIOD_NS) {
        tell_suppressed(site);
        site->began = now;
    }
    if (site->lines == AGENT_LOG_BURST) {
        site->suppressed++;
        return;
    }
    site->lines++;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    make_printable(text);
    put(level, text);
}

void log_told(void *arg, const char *line)
{
    (void)arg;
    log_error("%s", line);
}

void log_flush(void)
{
    int64_t now = clock_now();

    for (struct log_site *site = sites; site != NULL; site = site->next)
        if (now - site->began > AGENT_LOG_PERIOD_NS)
            tell_suppressed(site);
}
