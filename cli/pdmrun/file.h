/* SPDX-License-Identifier: BSD-2-Clause */
/* The content of a file, to be looked at. */
#ifndef CLI_PDMRUN_FILE_H
#define CLI_PDMRUN_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct run_file {
    const uint8_t *bytes;
    size_t len;
};

/* A regular file, mapped until file_close; false, and errno, if it is none or cannot be read. */
bool file_open(struct run_file *file, const char *path);
void file_close(struct run_file *file);

#endif
