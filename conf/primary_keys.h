/* SPDX-License-Identifier: BSD-2-Clause */
/* The keys of a primary's configuration. */
#ifndef PDM_CONF_PRIMARY_KEYS_H
#define PDM_CONF_PRIMARY_KEYS_H

#include "conf/key.h"

/* The last has no name. */
extern const struct config_key primary_keys[];
extern const struct config_key primary_clients_keys[];
extern const struct config_key primary_servers_keys[];
extern const struct config_key primary_peer_keys[]; /* choices: enum pdm_side */

#endif
