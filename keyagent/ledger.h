/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ledger of leases: what makes sure that no Kri of a directed tuple is granted twice under
 * one secret. A Kri is a generation (upper half) and a counter (lower half). The generation
 * belongs to the secret and is taken, durably, at the first grant under it; the counter belongs
 * to the tuple. Forgetting never resets: when the table is full it is emptied, and every secret
 * takes a new generation at its next grant.
 *
 * What a primary gave for one of the host's addresses, in one negotiation, is a scope: it stands
 * here as one secret does, although what two addresses share depends on the peer's address, too.
 * One tuple's secrets of one scope, where there are several, count on together.
 *
 * Single thread.
 */
#ifndef PDM_KEYAGENT_LEDGER_H
#define PDM_KEYAGENT_LEDGER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/suite.h"
#include "core/tuple.h"
#include "keyagent/keyfile.h"
#include "keyagent/table.h"

#define LEDGER_ID_LEN 16 /* octets of the hash that stands for a secret and its suite */

struct enrolment;

struct ledger_secret {
    uint8_t id[LEDGER_ID_LEN];
    char *key; /* path of the key file that the generation lies beside; NULL: of a scope */
    uint8_t key_id[KEYFILE_ID_LEN];
    struct enrolment *enrolment; /* that a scope's generations come from */
    bool has_generation;         /* one that grants may be made in */
    bool had_generation;         /* since this agent started */
    uint32_t generation;         /* the latest taken */
    int64_t retry_at;            /* not before this time, after a failure */
};

struct ledger_entry {
    struct pdm_tuple tuple;
    uint32_t secret;
    uint32_t generation;  /* that NEXT belongs to */
    uint64_t next;        /* counter of the next Kri to grant; 2^32: none left */
    uint64_t lease_first; /* counter that the latest lease began with */
    pid_t pid;            /* that it was granted to */
};

/* Takes scope NUMBER's next generation, durably. */
typedef bool ledger_take(struct enrolment *enrolment, uint32_t number, uint32_t *generation);

struct ledger {
    struct table table;
    struct ledger_entry *entry;
    struct ledger_secret *secret; /* grows only by new keys of a configuration, and by scopes */
    uint32_t secrets;
    uint32_t scopes;
    uint64_t seed;
    ledger_take *take; /* to be set before the first grant of a scope */
};

/* False: out of memory. */
bool ledger_init(struct ledger *l, uint32_t entries, uint64_t seed);
void ledger_free(struct ledger *l);

/* What stands for a secret and its suite. */
void ledger_id(const struct pdm_suite *suite, const uint8_t shared[static PDM_NH_MAX],
               uint8_t id[static LEDGER_ID_LEN]);
/*
 * The number of secret ID, known already or new, that comes from file KEY with KEY_ID. False: out
 * of memory.
 */
bool ledger_secret(struct ledger *l, const uint8_t id[static LEDGER_ID_LEN], const char *key,
                   const uint8_t key_id[static KEYFILE_ID_LEN], uint32_t *number);
/*
 * The number of scope ID, known already or new, whose generations come from ENROLMENT from now on.
 * The number is that scope's for the agent's life, and no other's. False after telling why.
 */
bool ledger_scope(struct ledger *l, const uint8_t id[static LEDGER_ID_LEN],
                  struct enrolment *enrolment, uint32_t *number);

/*
 * Grants COUNT Kri of TUPLE from FIRST on, which nobody was granted before, to process PID. False
 * if no generation could be taken, after telling why. COUNT is at least 1.
 */
bool ledger_grant(struct ledger *l, uint32_t secret, const struct pdm_tuple *tuple, pid_t pid,
                  uint32_t count, int64_t now, uint64_t *first);
/* PID hands back the end of its lease, never used. What is not exactly that is ignored. */
void ledger_return(struct ledger *l, uint32_t secret, const struct pdm_tuple *tuple, pid_t pid,
                   uint64_t first, uint32_t count);
/* Forgets all; every secret takes a new generation. */
void ledger_empty(struct ledger *l);

#endif
