/* SPDX-License-Identifier: BSD-2-Clause */
/* The first line of a script, read as the kernel reads it (fs/binfmt_script.c). */
#ifndef CLI_PDMRUN_SCRIPT_H
#define CLI_PDMRUN_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/limits.h"

/* The interpreter that the file names; false if it names none, and is left to /bin/sh. */
bool script_interpreter(const uint8_t *bytes, size_t len, char path[static PDM_SCRIPT_LINE + 1]);

#endif
