/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A file of secondaries: a prefix, or an address, a line; '#' begins a comment, and lines may be
 * blank.
 */
#ifndef PDM_CONF_LIST_FILE_H
#define PDM_CONF_LIST_FILE_H

#include <stdbool.h>

#include "conf/complain.h"
#include "core/prefix.h"

/* Gets the prefixes in their order; false ends the reading. */
typedef bool list_file_take(void *arg, const struct pdm_prefix *prefix);

/*
 * Reads the file at PATH, up to PDM_REGISTRATION_ENTRIES_MAX prefixes, with little memory. False
 * after complaining, at the first line that is wrong, or after TAKE returned false.
 */
bool list_file_read(const char *path, list_file_take *take, void *arg, config_complain *complain,
                    void *complain_arg);

#endif
