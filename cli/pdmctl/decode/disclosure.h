/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The plaintexts of decrypted options, in a file for conf/wireshark/pdmv2.lua: so that no key has
 * to be given to Wireshark, or to whoever looks at the capture. One line an option, in hexadecimal:
 *
 *   5-tuple (37 octets) SP option (36) SP Kri (8) SP plaintext (14)
 */
#ifndef CLI_PDMCTL_DECODE_DISCLOSURE_H
#define CLI_PDMCTL_DECODE_DISCLOSURE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#include "core/option.h"
#include "core/tuple.h"

/* Makes, or empties, the file PATH, which must not be the CAPTURE; NULL after a line. */
FILE *disclosure_open(const char *path, const struct stat *capture);
void disclosure_add(FILE *file, const struct pdm_tuple *tuple, const struct pdm_found *found,
                    uint64_t kri);
/* False, after a line, if not all of it was written. */
bool disclosure_close(FILE *file, const char *path);

#endif
