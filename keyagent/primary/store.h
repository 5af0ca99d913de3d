/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a primary must not lose: pairs and their PairMasterSecrets (sealed), the lists of
 * secondaries on both sides with their changes, the secondaries, and the generations granted to
 * them. In SQLite (a path) or PostgreSQL (postgresql://...), the same statements for both; several
 * primaries of one organisation may share the latter, so that what is read here may be changed by
 * others at any time, and what must be unique is made so by the database.
 *
 * Times are seconds since 1970. Every function that returns bool returns false if the database
 * could not do it, after telling why; nothing is then known to be changed. Not thread-safe.
 *
 * Changes belong to a transaction: store_begin(), then any number of calls, then store_commit().
 * What was granted may be told to others only after store_commit() returned true: it is durable
 * then. A failed call makes the transaction fail as a whole. If the connection is lost while
 * PostgreSQL commits, what was asked for may have happened all the same: numbers and generations
 * are skipped then, and a secret that is added again is taken.
 *
 * No call waits for a server or a lock for longer than about two seconds (DB_TIME_NS); a call that
 * does much (a list of a million) takes longer, busy all the time. A server that could not be
 * reached is not asked again at once. SQLite's file is of one process, and of its owner, alone.
 * Secrets are bound to their store, pair and epoch: exchanged, they are refused.
 */
#ifndef PDM_KEYAGENT_PRIMARY_STORE_H
#define PDM_KEYAGENT_PRIMARY_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/limits.h"
#include "core/prefix.h"
#include "core/registration.h"
#include "core/suite.h"

struct store;

/*
 * WHERE: a path, or postgresql://... KEY: file of 64 hexadecimal digits under which secrets are
 * sealed, readable by its owner alone. A new store is made; one of another KEY, damaged, or of a
 * later version is refused. NULL after telling why.
 */
struct store *store_open(const char *where, const char *key);
void store_close(struct store *store);

bool store_begin(struct store *store);
bool store_commit(struct store *store);
void store_rollback(struct store *store);

/* A number that is another after any change that other primaries must know of: pairs, secrets,
 * lists, barred secondaries. Grants of generations do not change it. */
bool store_changes(struct store *store, uint64_t *number);

/* Pairs: one for each peer organisation and side. */

struct store_pair {
    uint32_t pair; /* from 1 on; never used again */
    char name[PDM_NAME_MAX];
    uint8_t side;          /* enum pdm_side: our own */
    uint64_t negotiations; /* begun so far: the epoch of the next */
    uint64_t list_version; /* of the peer's list, as it numbers it */
    uint64_t renew_from;  /* another secret is wanted until one of this epoch or later is current */
    uint64_t usable_from; /* no secret of an epoch below may be used any more */
};

/* Finds the one for NAME and SIDE, or makes it, which needs a transaction. */
bool store_pair(struct store *store, const char *name, uint8_t side, struct store_pair *pair);
/* Wants another secret for PAIR than any of a negotiation begun so far, and gives up those of
 * epochs below USABLE_FROM. */
bool store_pair_renew(struct store *store, uint32_t pair, uint64_t usable_from);
/*
 * This program sets about a negotiation of PAIR at NOW, in seconds. Not *OURS if another primary
 * has within PRIMARY_CLAIM_S: whatever the reason, it has seen it too. A
 * claim further off, such as one by a clock that is wrong, counts for nothing.
 */
bool store_pair_claim(struct store *store, uint32_t pair, int64_t now, bool *ours);
/* Wants another secret for all pairs that we are on SIDE of, configured now or not. */
bool store_side_renew(struct store *store, uint8_t side);

enum store_secret_state {
    STORE_SECRET_PENDING, /* the other side has not shown yet that it has it */
    STORE_SECRET_CURRENT,
    STORE_SECRET_PREVIOUS /* until ENDS_AT */
};

struct store_secret {
    uint64_t epoch;
    uint8_t state; /* enum store_secret_state */
    struct pdm_suite suite;
    uint8_t tag[PDM_TAG_ID_LEN];
    uint8_t secmop;
    uint8_t poller;
    uint8_t unprotected;
    uint32_t lifetime_s;
    uint32_t grace_s;
    int64_t made_at;
    int64_t ends_at;         /* 0: no end */
    uint8_t pms[PDM_NH_MAX]; /* sealed at rest; wipe after use */
};

/*
 * Takes the number of the negotiation that begins: at least AT_LEAST (up to STORE_EPOCH_MAX), never
 * given before for this pair, and above all that had a secret. *EPOCH is above STORE_EPOCH_MAX once
 * they are used up, and a secret of it could not be added.
 */
bool store_negotiation(struct store *store, uint32_t pair, uint64_t at_least, uint64_t *epoch);
/*
 * A new one, PENDING. False with *TAKEN if that epoch has or had one already: nothing is told then,
 * and the transaction goes on. Of those pending, the STORE_SECRETS_PENDING latest are kept.
 */
bool store_secret_add(struct store *store, uint32_t pair, const struct store_secret *secret,
                      bool *taken);
/*
 * EPOCH becomes CURRENT as of NOW, and what was current PREVIOUS until NOW + its successor's
 * grace; what was previous, and what is pending below EPOCH, is forgotten. Changes nothing if EPOCH
 * is not pending (any more), or below what is current: ask store_secrets() for what is.
 */
bool store_secret_confirm(struct store *store, uint32_t pair, uint64_t epoch, int64_t now);
/* All of PAIR, lowest epoch first; SECRET has room for STORE_SECRETS_MAX. */
bool store_secrets(struct store *store, uint32_t pair, struct store_secret *secret, size_t *count);
/* Forgets those whose end is before NOW, and what was granted under them. *ANY: there were some. */
bool store_secrets_expire(struct store *store, int64_t now, bool *any);

/*
 * Lists. PAIR 0: our own secondaries, of SIDE; else the peer's of that pair, whatever SIDE. A
 * prefix may be on it from several sources; what is seen is one entry, the COMMAND's group before
 * the FILE's, and only what changes what is seen counts as a change. Prefixes have no bits beyond
 * their length.
 */

enum store_source {
    STORE_SOURCE_FILE,
    STORE_SOURCE_COMMAND,
    STORE_SOURCE_PEER,
    STORE_SOURCE_ASIDE /* a COMMAND's, while its address is barred: it is not seen */
};

struct store_entry {
    struct pdm_prefix prefix;
    uint16_t group;
    uint8_t source; /* enum store_source */
};

struct store_change {
    uint64_t version; /* that the list has with it */
    bool add;         /* also: of what is there, with another group */
    struct store_entry entry;
};

/* The list's version: counts its changes, never goes back. 0: nothing was ever on it. */
bool store_list_version(struct store *store, uint32_t pair, uint8_t side, uint64_t *version);
/*
 * Calls EACH for every entry, in the order of their prefixes; EACH returns false to end it. Where
 * others may change it meanwhile, ask for its version before: all later changes, applied to what is
 * seen here, give the list as it is then.
 */
bool store_list(struct store *store, uint32_t pair, uint8_t side,
                bool (*each)(void *arg, const struct store_entry *entry), void *arg);
/* Applies COUNT changes (versions are given here); those that change nothing count for nothing. */
bool store_list_change(struct store *store, uint32_t pair, uint8_t side,
                       const struct store_change *change, size_t count);
/* What our own list of SIDE has of PREFIX from FROM is from TO, unless there is something already.
 */
bool store_list_move(struct store *store, uint8_t side, const struct pdm_prefix *prefix,
                     uint8_t from, uint8_t to);
/*
 * Replaces what the list has from SOURCE by ENTRIES, in any order; of what comes twice, the last
 * counts. Writes what differs alone. *CHANGED: by how much the version grew.
 */
bool store_list_replace(struct store *store, uint32_t pair, uint8_t side, uint8_t source,
                        const struct store_entry *entry, size_t entries, size_t *changed);
/*
 * The changes after version FROM, in order. *WHOLE instead if they are not all kept any more
 * (STORE_CHANGES_KEPT), whatever EACH got before, or FROM is later than the list's own.
 */
bool store_list_changes(struct store *store, uint32_t pair, uint8_t side, uint64_t from,
                        bool (*each)(void *arg, const struct store_change *change), void *arg,
                        bool *whole);
/* The peer's own number for what store_list has of it (struct store_pair.list_version). */
bool store_pair_list_version(struct store *store, uint32_t pair, uint64_t version);

/* Secondaries, by address. */

struct store_secondary {
    uint8_t addr[PDM_ADDR_LEN];
    uint8_t side;
    bool barred;     /* revoked: gets nothing until it is admitted again */
    int64_t seen_at; /* its last SECRET */
};

bool store_secondary_seen(struct store *store, const uint8_t addr[static PDM_ADDR_LEN],
                          uint8_t side, int64_t now, bool *barred);
bool store_secondary_bar(struct store *store, const uint8_t addr[static PDM_ADDR_LEN], bool bar);
/* From the STARTth on, in the order of their addresses; EACH returns false to end it. */
bool store_secondaries(struct store *store, uint32_t start,
                       bool (*each)(void *arg, const struct store_secondary *s), void *arg);

/*
 * Generations of ADDR under the secret of PAIR and EPOCH: grants COUNT from *FIRST on, none of
 * which was granted before. KNOWN: a generation that the secondary says it has used, or NULL; if it
 * is not below the next to grant, this store is older than that: *OLD is set, nothing is granted,
 * and the secret may not be used any more (the caller renegotiates). Likewise if fewer than COUNT
 * are left of 2^32, or the secret is forgotten. True in all these cases.
 */
bool store_grant(struct store *store, uint32_t pair, uint64_t epoch,
                 const uint8_t addr[static PDM_ADDR_LEN], const uint32_t *known, uint32_t count,
                 uint32_t *first, bool *old);
/* The next to grant; 0 if none was. */
bool store_granted(struct store *store, uint32_t pair, uint64_t epoch,
                   const uint8_t addr[static PDM_ADDR_LEN], uint32_t *next);

#endif
