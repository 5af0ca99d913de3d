/* SPDX-License-Identifier: BSD-2-Clause */
/* Arguments that may name a file, as curl has them: @FILE is its content, @- standard input's. */
#ifndef CLI_PDMPERF_ARGUMENT_H
#define CLI_PDMPERF_ARGUMENT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The text that TEXT, the argument of the option NAME, is or names; it lives as long as the
 * program. NULL, and a line on standard error, if it cannot be read.
 */
const char *argument_text(const char *name, const char *text);
/*
 * Adds one -d to the LEN octets of *DATA, which the caller frees: an & goes between two, and line
 * ends of a file are left out. False, and a line on standard error, if it cannot be read.
 */
bool argument_add_data(const char *text, char **data, size_t *len);

#endif
