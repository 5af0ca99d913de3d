/* SPDX-License-Identifier: BSD-2-Clause */
/* The text of -w, with curl's variables and ours. */
#ifndef CLI_PDMPERF_FORMAT_H
#define CLI_PDMPERF_FORMAT_H

#include <stdbool.h>
#include <stdio.h>

#include "cli/pdmperf/result.h"

enum { FORMAT_NAME_MAX = 63 };

/*
 * Whether FORMAT has no variable but those known. If not, the first unknown one is in BAD, cut to
 * its size.
 */
bool format_check(const char *format, char bad[static FORMAT_NAME_MAX + 1]);
/* Writes what a checked FORMAT says of RESULT to OUT, and after %{stderr} to ERR. */
void format_print(const char *format, const struct result *result, FILE *out, FILE *err);

#endif
