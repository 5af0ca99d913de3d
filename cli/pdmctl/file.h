/* SPDX-License-Identifier: BSD-2-Clause */
/* Files that are kept, durably, for their owner alone. Each prints a line if it fails. */
#ifndef CLI_PDMCTL_FILE_H
#define CLI_PDMCTL_FILE_H

#include <stdbool.h>
#include <stddef.h>

/* Whether there is a file at PATH, or at the end of the link there; prints nothing. */
bool file_exists(const char *path);
/* All LEN octets of TEXT; false, with errno and nothing printed, if they could not be written. */
bool file_write(int fd, const char *text, size_t len);
/*
 * Makes PATH, which must not be there, with the LEN octets of TEXT. What it made it removes if
 * anything after fails.
 */
bool file_make(const char *path, const char *text, size_t len);
/* What was made or renamed in PATH's directory is there after a crash. */
bool file_sync_directory(const char *path);

#endif
