/* SPDX-License-Identifier: BSD-2-Clause */
/* A pre-shared key's file: 64 hexadecimal digits and perhaps a newline, its owner's alone. */
#ifndef PDM_KEYAGENT_KEYFILE_H
#define PDM_KEYAGENT_KEYFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/limits.h"

#define KEYFILE_ID_LEN 16

/*
 * Opens the key at PATH for reading, after checking that it is a regular file with one name,
 * owned by this user or root and closed to all others. -1 after telling why not.
 */
int keyfile_open(const char *path);
/* The key in FD, opened from PATH. PSK is to be locked memory. False after telling why. */
bool keyfile_read(int fd, const char *path, uint8_t psk[static PDM_PSK_LEN]);
/* A hash that tells one key from another. */
void keyfile_id(const uint8_t psk[static PDM_PSK_LEN], uint8_t id[static KEYFILE_ID_LEN]);

#endif
