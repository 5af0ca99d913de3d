/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Our own secondaries as the configuration has them: its members and its list files. Single thread.
 */
#ifndef PDM_KEYAGENT_PRIMARY_MEMBERS_H
#define PDM_KEYAGENT_PRIMARY_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/primary_config.h"
#include "keyagent/primary/lists.h"
#include "keyagent/primary/store.h"

struct members {
    struct store_entry *entry;
    size_t count;
    size_t room;
};

/* Those of SIDE, but for the addresses that are BARRED. False after telling why, and there are
 * none: a list cannot be read, or has what a peer may have. */
bool members_read(struct members *m, const struct primary_config *config, uint8_t side,
                  const struct list *barred);
void members_free(struct members *m);
/* The peer whose addresses PREFIX would share, or NULL. */
const struct primary_peer *members_owner(const struct primary_config *config,
                                         const struct pdm_prefix *prefix);

#endif
