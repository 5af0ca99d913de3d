/* SPDX-License-Identifier: BSD-2-Clause */
/* What keeps secrets inside this process. */
#ifndef PDM_KEYAGENT_HARDEN_H
#define PDM_KEYAGENT_HARDEN_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Neither dumped nor traced by other processes of the user, no new privileges, umask 077; and
 * memory can be locked. False after telling what cannot be had. sodium_init() has been called.
 */
bool harden_process(void);
/*
 * COUNT items of SIZE zeroed octets, locked in memory and left out of core files; NULL after
 * telling why. Freed with sodium_free, which wipes.
 */
void *harden_alloc(size_t count, size_t size);

#endif
