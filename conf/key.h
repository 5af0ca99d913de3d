/* SPDX-License-Identifier: BSD-2-Clause */
/* The keys of the configuration: where their value goes and what is allowed. */
#ifndef PDM_CONF_KEY_H
#define PDM_CONF_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_PREFIX_ALLOWED "an IPv6 prefix such as 2001:db8::/32, or an address"

struct config_key {
    const char *name;
    /* Puts TEXT, from FILE, into TARGET; false if it is not allowed. */
    bool (*set)(const char *file, const struct config_key *key, const char *text, void *target);
    size_t offset; /* in struct config or struct config_association */
    uint32_t min;
    uint32_t max;
    const char *allowed;
};

/* The last has no name. */
extern const struct config_key config_agent_keys[];
extern const struct config_key config_association_keys[];

#endif
