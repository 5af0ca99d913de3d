/* SPDX-License-Identifier: BSD-2-Clause */
/* The keys of a configuration: where their value goes and what is allowed. */
#ifndef PDM_CONF_KEY_H
#define PDM_CONF_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct config_key;
/* Puts TEXT, from FILE, into TARGET; false if it is not allowed. */
typedef bool config_set(const char *file, const struct config_key *key, const char *text,
                        void *target);

struct config_key {
    const char *name;
    config_set *set;
    size_t offset; /* in what the section's keys are put into */
    uint32_t min;
    uint32_t max;
    const char *allowed;
    unsigned choices; /* bits 1 << the section's choice (its mode, its side) that it stands with */
};

/* What is allowed, of prefixes: complaints say more of those. */
extern const char config_prefix_allowed[];   /* one */
extern const char config_prefixes_allowed[]; /* a list */

/* What TARGET is, and MIN to MAX: */
config_set config_set_number;   /* uint32_t */
config_set config_set_octet;    /* uint8_t */
config_set config_set_port;     /* uint16_t */
config_set config_set_duration; /* uint32_t, seconds */
/* char *; a relative path starts at the configuration file's directory. MAX: octets, its end
 * included. */
config_set config_set_path;
config_set config_set_prefix;    /* struct pdm_prefix */
config_set config_set_host_name; /* char * */

/* Finds TEXT among COUNT names. */
bool config_choice(const char *const *names, unsigned count, const char *text, uint8_t *choice);
/*
 * "host", "host:port", "address", "[address]" or "[address]:port", LEN octets of TEXT, as *ENDPOINT
 * (to be freed) with its port. False if it is none.
 */
bool config_endpoint(const char *text, size_t len, char **endpoint);
/* What stands before the next comma, without blanks around it; moves TEXT behind it, or makes it
 * NULL after the last. */
const char *config_part(const char **text, size_t *len);

#endif
