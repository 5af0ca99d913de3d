/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an administrator holds to read options with: key files, and those that an agent's
 * configuration names. Kept in locked memory. sodium_init() must have been called.
 */
#ifndef CLI_PDMCTL_DECODE_SECRETS_H
#define CLI_PDMCTL_DECODE_SECRETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/limits.h"
#include "core/policy.h"
#include "core/suite.h"

/* One SharedSecret, of hosts in two prefixes. */
struct secret {
    struct pdm_suite suite;
    struct pdm_prefix one, other;
    uint8_t shared[PDM_NH_MAX];
};

struct secrets {
    struct secret *list; /* DECODE_SECRETS_MAX; NULL: none was ever added */
    size_t count;
    uint8_t option_type; /* the configuration's, or the protocol's */
};

/* Without any. */
struct secrets secrets_none(void);
/* The key file PATH, for any two hosts and with either AEAD. False after a line that says why not.
 */
bool secrets_add_key(struct secrets *s, const char *path);
/* The key files of all associations of the configuration PATH, for their addresses, and its option
 * type. Likewise. */
bool secrets_add_config(struct secrets *s, const char *path);
/* The next of those that two hosts may have in common, *AT being 0 at first; NULL after the last.
 */
const struct secret *secrets_next(const struct secrets *s, size_t *at,
                                  const uint8_t one[static PDM_ADDR_LEN],
                                  const uint8_t other[static PDM_ADDR_LEN]);
void secrets_free(struct secrets *s);

#endif
