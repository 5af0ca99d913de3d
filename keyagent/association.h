/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The associations in force, with their secrets and the ends of their lifetimes: first those that
 * the configuration spells out, with keys of files or without; then those that primaries make
 * (keyagent/enrolment/pairs.h), whatever the configuration says of them.
 */
#ifndef PDM_KEYAGENT_ASSOCIATION_H
#define PDM_KEYAGENT_ASSOCIATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/config.h"
#include "core/suite.h"
#include "keyagent/enrolment/enrolment.h"
#include "keyagent/enrolment/roster.h"
#include "keyagent/ledger.h"
#include "keyagent/segment.h"

#define ASSOCIATION_NO_END INT64_MAX

struct association {
    uint32_t number; /* stays the same through reloads for as long as the name is there */
    char name[PDM_NAME_MAX];
    struct pdm_prefix local;
    struct pdm_prefix peer;
    enum pdm_format format;
    enum config_path path;
    enum config_undecryptable undecryptable;
    struct pdm_suite suite; /* a pair's: the newest */
    uint32_t lifetime_s;
    int64_t ends_at; /* of monitoring (RFC 8250 section 4.4) */
    bool ended;
    /* Encrypted, of a key file: */
    uint32_t secret; /* in the ledger */
    size_t section;  /* of the configuration; its SharedSecret's place, too */
    /* Of a pair of organisations: */
    struct enrolment *enrolment;
    const struct enrolled_pair *pair; /* NULL: of none */
    uint32_t pair_number;
    struct pdm_prefix *own; /* this host's addresses that take part; local and peer say nothing */
    size_t owns;
    struct roster roster;
    uint64_t sending; /* the epoch whose time to be sent under was seen to have come */
    bool told_tie;    /* that a peer of the roster is another association's already */
};

struct associations {
    struct association *item;
    size_t count;
    size_t configured; /* the first so many are the configuration's */
    size_t room;       /* for items */
    uint32_t next_number;
    uint8_t (*shared)[PDM_NH_MAX]; /* SharedSecrets of key files; locked memory */
};

/*
 * Reads the keys of CONFIG's associations. What is the same as in BEFORE keeps its number and the
 * end of its lifetime. False after telling why, and SET is empty.
 */
bool associations_load(struct associations *set, const struct associations *before,
                       const struct config *config, struct ledger *ledger, int64_t now);
void associations_free(struct associations *set);
/* Moves what primaries made from BEFORE, which SET was loaded after, to SET. False: out of memory,
 * and nothing was moved. */
bool associations_carry(struct associations *set, struct associations *before);

/* Both sets have the same associations of the configuration on the same terms. */
bool associations_same(const struct associations *a, const struct associations *b);
/* The one with NUMBER, or NULL. */
const struct association *associations_get(const struct associations *set, uint32_t number);
/* Its SharedSecret: of one with a key file. */
const uint8_t *associations_shared(const struct associations *set, const struct association *a);
/* Marks those whose lifetime is over; true if any was marked now. */
bool associations_expire(struct associations *set, int64_t now);
/* Has the policy name those that have not ended, and no others; all flows ask again. */
void associations_publish(struct associations *set, const struct pdm_policy_settings *settings,
                          struct segment *segment);

#endif
