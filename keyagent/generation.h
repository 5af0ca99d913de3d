/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The generation of a pre-shared key, in KEY.gen beside the key: one decimal number, the next
 * generation to take. All agents of the host that use the key take from it, under a lock on the
 * key's file. A number is taken by writing its successor durably; whoever crashes in between has
 * lost a number, never used one twice.
 */
#ifndef PDM_KEYAGENT_GENERATION_H
#define PDM_KEYAGENT_GENERATION_H

#include <stdbool.h>
#include <stdint.h>

#include "keyagent/keyfile.h"

/* There is a generation to take. False after telling why not. Writes nothing. */
bool generation_check(const char *key);
/*
 * Takes the next one: once this returns true, no agent takes it again. ID is the key's: were
 * another key in the file by now, the number beside it would be that key's. False after telling
 * why not.
 */
bool generation_take(const char *key, const uint8_t id[static KEYFILE_ID_LEN],
                     uint32_t *generation);

#endif
