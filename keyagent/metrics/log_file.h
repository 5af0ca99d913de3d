/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A file that lines are added to, and that gives way to a new one when it is too large or too old:
 * FILE becomes FILE.1, that FILE.2, and so on; the last goes. Nothing is flushed to the disk.
 */
#ifndef PDM_KEYAGENT_LOG_FILE_H
#define PDM_KEYAGENT_LOG_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct log_file {
    char *path; /* NULL: none */
    uint64_t size_max;
    uint32_t age_max_s;
    uint32_t files; /* kept, beside the one that is written to */
    int fd;         /* -1: to be opened */
    uint64_t size;
    int64_t began_s; /* when it was made, since 1970 */
};

/* To write to PATH, which is copied, from now on; it is opened when there is something to write.
 * Files beyond FILES are removed. False: out of memory. */
bool log_file_set(struct log_file *f, const char *path, uint64_t size_max, uint32_t age_max_s,
                  uint32_t files);
void log_file_close(struct log_file *f);
/*
 * Adds LEN octets, all or nothing, at NOW_S seconds since 1970. False: errno says why; EEXIST if
 * what is there is no regular file.
 */
bool log_file_write(struct log_file *f, const char *data, size_t len, int64_t now_s);

#endif
