/* SPDX-License-Identifier: BSD-2-Clause */
/* The socket that metrics are served on. */
#ifndef PDM_KEYAGENT_DOOR_H
#define PDM_KEYAGENT_DOOR_H

#include <stdbool.h>

#include "conf/config.h"

/*
 * A socket that listens on ADDRESS, a loopback one or a path; of a path, with the mode and the
 * group of the agent's own socket. -1 after telling why.
 */
int door_open(const union config_address *address);
/* Both are the same address, or none. */
bool door_is_same(const union config_address *a, const union config_address *b);
/* Of a path, removes the socket; ADDRESS may also be of no family. */
void door_remove(const union config_address *address);

#endif
