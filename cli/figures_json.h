/* SPDX-License-Identifier: BSD-2-Clause */
/* A figure as JSON. */
#ifndef CLI_FIGURES_JSON_H
#define CLI_FIGURES_JSON_H

#include "cli/figures.h"
#include "cli/json.h"

/* A member: an object with the delay, or with the reason why there is none. */
void figure_json(struct json *j, const char *key, const struct figure *figure);

#endif
