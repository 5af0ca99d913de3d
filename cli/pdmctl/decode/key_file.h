/* SPDX-License-Identifier: BSD-2-Clause */
/* A pre-shared key's file, as pdmctl keygen makes it: 64 hexadecimal digits, its owner's alone. */
#ifndef CLI_PDMCTL_DECODE_KEY_FILE_H
#define CLI_PDMCTL_DECODE_KEY_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/limits.h"

/* Reads the file PATH. False after a line that says what is wrong with it. */
bool key_file_read(const char *path, uint8_t psk[static PDM_PSK_LEN]);

#endif
