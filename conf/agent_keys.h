/* SPDX-License-Identifier: BSD-2-Clause */
/* The keys of the key agent's configuration. */
#ifndef PDM_CONF_AGENT_KEYS_H
#define PDM_CONF_AGENT_KEYS_H

#include "conf/key.h"

/* The last has no name. */
extern const struct config_key config_agent_keys[];
extern const struct config_key config_association_keys[]; /* choices: enum config_mode */
extern const char *const config_mode_names[];             /* by enum config_mode */

#endif
