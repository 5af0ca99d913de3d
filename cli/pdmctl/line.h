/* SPDX-License-Identifier: BSD-2-Clause */
/* A line of JSON as pdmctl prints them. */
#ifndef CLI_PDMCTL_LINE_H
#define CLI_PDMCTL_LINE_H

#include "cli/json.h"

/* Begins one of TYPE; json_close() ends it. */
struct json line_open(const char *type);

#endif
