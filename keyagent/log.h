/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Log lines to stderr, with the journal's priority prefix where stderr is the journal. Each place
 * in the code may write AGENT_LOG_BURST lines per period; how many it wrote beyond that is told
 * afterwards.
 */
#ifndef PDM_KEYAGENT_LOG_H
#define PDM_KEYAGENT_LOG_H

#include <stdbool.h>
#include <stdint.h>

/* syslog's numbers, as the journal's prefix has them. */
enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARNING = 4, LOG_LEVEL_INFO = 6 };

struct log_site {
    const char *place; /* of the first line held back; NULL while this is not in the list */
    enum log_level level;
    int64_t began;
    uint32_t lines;
    uint32_t suppressed;
    struct log_site *next;
};

/* NAME: the daemon's; it stays where it is. */
void log_init(const char *name);
__attribute__((format(printf, 3, 4))) void log_line(struct log_site *site, enum log_level level,
                                                    const char *format, ...);
/* An error line, for those who tell theirs by a function; ARG is not used. */
void log_told(void *arg, const char *line);
/* Tells what was held back in periods that are over. */
void log_flush(void);

#define LOG_AT(level, ...)                                                                         \
    do {                                                                                           \
        static struct log_site log_site_here;                                                      \
        log_line(&log_site_here, level, __VA_ARGS__);                                              \
    } while (0)
#define log_error(...) LOG_AT(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) LOG_AT(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) LOG_AT(LOG_LEVEL_INFO, __VA_ARGS__)

#endif
