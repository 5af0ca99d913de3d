/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The associations in force: those of the configuration, with their secrets and the ends of their
 * lifetimes.
 */
#ifndef PDM_KEYAGENT_ASSOCIATION_H
#define PDM_KEYAGENT_ASSOCIATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/config.h"
#include "core/suite.h"
#include "keyagent/ledger.h"

#define ASSOCIATION_NO_END INT64_MAX

struct association {
    uint32_t number; /* stays the same through reloads for as long as the name is there */
    char name[PDM_NAME_MAX];
    struct pdm_prefix local;
    struct pdm_prefix peer;
    enum pdm_format format;
    enum config_path path;
    struct pdm_suite suite;
    uint32_t secret; /* in the ledger; encrypted only */
    uint32_t lifetime_s;
    int64_t ends_at; /* of monitoring (RFC 8250 section 4.4) */
    bool ended;
};

struct associations {
    struct association *item;
    size_t count;
    uint32_t next_number;
    uint8_t (*shared)[PDM_NH_MAX]; /* SharedSecret of each; locked memory */
};

/*
 * Reads the keys of CONFIG's associations. What is the same as in BEFORE keeps its number and the
 * end of its lifetime. False after telling why, and SET is empty.
 */
bool associations_load(struct associations *set, const struct associations *before,
                       const struct config *config, struct ledger *ledger, int64_t now);
void associations_free(struct associations *set);

/* Both sets have the same associations on the same terms. */
bool associations_same(const struct associations *a, const struct associations *b);
/* The one with NUMBER, or NULL. */
const struct association *associations_get(const struct associations *set, uint32_t number);
/* Its SharedSecret. */
const uint8_t *associations_shared(const struct associations *set, const struct association *a);
/* Marks those whose lifetime is over; true if any was marked now. */
bool associations_expire(struct associations *set, int64_t now);
/* Writes the policy: those that have not ended. */
void associations_publish(const struct associations *set,
                          const struct pdm_policy_settings *settings, struct pdm_policy *policy);

#endif
