/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The store's tables and every statement on them, one text for SQLite and PostgreSQL. Several
 * primaries may work in them at once, each transaction seeing what others have committed: so what
 * must not be taken twice is taken by one statement that changes and returns (UPDATE or INSERT,
 * RETURNING), which also keeps others out until the end of the transaction; and keys are unique.
 */
#ifndef PDM_KEYAGENT_PRIMARY_STORE_SQL_H
#define PDM_KEYAGENT_PRIMARY_STORE_SQL_H

/* Asked before anything is known of a database, so of every version. */
#define STORE_SQL_ROOT                                                                             \
    "CREATE TABLE IF NOT EXISTS pdmv2_store ("                                                     \
    "one BIGINT PRIMARY KEY CHECK (one = 1), version BIGINT NOT NULL, id BYTEA NOT NULL,"          \
    " sealed BYTEA NOT NULL, changes BIGINT NOT NULL, pairs BIGINT NOT NULL)"
#define STORE_SQL_VERSION "SELECT version FROM pdmv2_store"

/*
 * pdmv2_epochs remembers every negotiation that had a secret: it has none again. pdmv2_grants
 * belong to a secret and go with it: none is made for a secret that is gone.
 */
#define STORE_SQL_TABLES                                                                           \
    "CREATE TABLE pdmv2_pairs ("                                                                   \
    "pair BIGINT PRIMARY KEY, name BYTEA NOT NULL, side BIGINT NOT NULL,"                          \
    " negotiations BIGINT NOT NULL, list_version BIGINT NOT NULL, renew_from BIGINT NOT NULL,"     \
    " usable_from BIGINT NOT NULL, claimed_at BIGINT NOT NULL,"                                    \
    " claimed_by BIGINT NOT NULL, UNIQUE (name, side))",                                           \
        "CREATE TABLE pdmv2_epochs ("                                                              \
        "pair BIGINT NOT NULL REFERENCES pdmv2_pairs (pair), epoch BIGINT NOT NULL,"               \
        " PRIMARY KEY (pair, epoch))",                                                             \
        "CREATE TABLE pdmv2_secrets ("                                                             \
        "pair BIGINT NOT NULL, epoch BIGINT NOT NULL, state BIGINT NOT NULL, kem BIGINT NOT NULL," \
        " kdf BIGINT NOT NULL, aead BIGINT NOT NULL, tag BYTEA NOT NULL, secmop BIGINT NOT NULL,"  \
        " poller BIGINT NOT NULL, unprotected BIGINT NOT NULL, lifetime_s BIGINT NOT NULL,"        \
        " grace_s BIGINT NOT NULL, made_at BIGINT NOT NULL, ends_at BIGINT NOT NULL,"              \
        " sealed BYTEA NOT NULL, PRIMARY KEY (pair, epoch),"                                       \
        " FOREIGN KEY (pair, epoch) REFERENCES pdmv2_epochs (pair, epoch))",                       \
        "CREATE TABLE pdmv2_grants ("                                                              \
        "pair BIGINT NOT NULL, epoch BIGINT NOT NULL, addr BYTEA NOT NULL, next BIGINT NOT NULL,"  \
        " PRIMARY KEY (pair, epoch, addr),"                                                        \
        " FOREIGN KEY (pair, epoch) REFERENCES pdmv2_secrets (pair, epoch) ON DELETE CASCADE)",    \
        "CREATE TABLE pdmv2_lists ("                                                               \
        "pair BIGINT NOT NULL, side BIGINT NOT NULL, version BIGINT NOT NULL,"                     \
        " PRIMARY KEY (pair, side))",                                                              \
        "CREATE TABLE pdmv2_entries ("                                                             \
        "pair BIGINT NOT NULL, side BIGINT NOT NULL, addr BYTEA NOT NULL, len BIGINT NOT NULL,"    \
        " source BIGINT NOT NULL, grp BIGINT NOT NULL,"                                            \
        " PRIMARY KEY (pair, side, addr, len, source))",                                           \
        "CREATE TABLE pdmv2_changes ("                                                             \
        "pair BIGINT NOT NULL, side BIGINT NOT NULL, version BIGINT NOT NULL,"                     \
        " added BIGINT NOT NULL, addr BYTEA NOT NULL, len BIGINT NOT NULL, source BIGINT NOT "     \
        "NULL,"                                                                                    \
        " grp BIGINT NOT NULL, PRIMARY KEY (pair, side, version))",                                \
        "CREATE TABLE pdmv2_secondaries ("                                                         \
        "addr BYTEA PRIMARY KEY, side BIGINT NOT NULL, barred BIGINT NOT NULL,"                    \
        " seen_at BIGINT NOT NULL)"

/* S(name, text). Enumerations in them: state 0, 1, 2 is PENDING, CURRENT, PREVIOUS. */
#define STORE_SQL_STATEMENTS(S)                                                                    \
    S(STORE_MAKE, "INSERT INTO pdmv2_store (one, version, id, sealed, changes, pairs)"             \
                  " VALUES (1, $1, $2, $3, 1, 0)")                                                 \
    S(STORE_ROOT, "SELECT id, sealed FROM pdmv2_store")                                            \
    S(STORE_CHANGES, "SELECT changes FROM pdmv2_store")                                            \
    S(STORE_CHANGED, "UPDATE pdmv2_store SET changes = changes + 1")                               \
    S(PAIR_FIND, "SELECT pair, negotiations, list_version, renew_from, usable_from"                \
                 " FROM pdmv2_pairs WHERE name = $1 AND side = $2")                                \
    S(PAIR_NUMBER, "UPDATE pdmv2_store SET pairs = pairs + 1 RETURNING pairs")                     \
    S(PAIR_MAKE, "INSERT INTO pdmv2_pairs (pair, name, side, negotiations, list_version,"          \
                 " renew_from, usable_from, claimed_at, claimed_by)"                               \
                 " VALUES ($1, $2, $3, 0, 0, 0, 0, 0, 0)"                                          \
                 " ON CONFLICT (name, side) DO NOTHING")                                           \
    S(PAIR_LOCK, "UPDATE pdmv2_pairs SET pair = pair WHERE pair = $1 RETURNING pair")              \
    S(PAIR_NEGOTIATE, "UPDATE pdmv2_pairs SET negotiations ="                                      \
                      " CASE WHEN negotiations < $2 THEN $2 ELSE negotiations END + 1"             \
                      " WHERE pair = $1 RETURNING negotiations")                                   \
    S(PAIR_NEGOTIATED, "UPDATE pdmv2_pairs SET negotiations ="                                     \
                       " CASE WHEN negotiations < $2 THEN $2 ELSE negotiations END"                \
                       " WHERE pair = $1 RETURNING pair")                                          \
    S(PAIR_LIST_VERSION,                                                                           \
      "UPDATE pdmv2_pairs SET list_version = $2 WHERE pair = $1 RETURNING pair")                   \
    S(PAIR_RENEW, "UPDATE pdmv2_pairs SET renew_from = negotiations, usable_from ="                \
                  " CASE WHEN usable_from < $2 THEN $2 ELSE usable_from END"                       \
                  " WHERE pair = $1 RETURNING pair")                                               \
    S(PAIR_CLAIM, "UPDATE pdmv2_pairs SET claimed_at = $2, claimed_by = $3 WHERE pair = $1"        \
                  " AND (claimed_by = $3 OR claimed_at < $4 OR claimed_at > $5) RETURNING pair")   \
    S(SIDE_RENEW, "UPDATE pdmv2_pairs SET renew_from = negotiations WHERE side = $1")              \
    S(EPOCH_ADD, "INSERT INTO pdmv2_epochs (pair, epoch) VALUES ($1, $2)"                          \
                 " ON CONFLICT (pair, epoch) DO NOTHING RETURNING epoch")                          \
    S(SECRET_ADD, "INSERT INTO pdmv2_secrets (pair, epoch, state, kem, kdf, aead, tag, secmop,"    \
                  " poller, unprotected, lifetime_s, grace_s, made_at, ends_at, sealed)"           \
                  " VALUES ($1, $2, 0, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)")      \
    S(SECRET_TRIM, "DELETE FROM pdmv2_secrets WHERE pair = $1 AND state = 0 AND epoch <="          \
                   " (SELECT epoch FROM pdmv2_secrets WHERE pair = $1 AND state = 0"               \
                   " ORDER BY epoch DESC LIMIT 1 OFFSET $2)")                                      \
    S(SECRET_STATES, "SELECT epoch, state, grace_s FROM pdmv2_secrets WHERE pair = $1")            \
    S(SECRET_MAKE_PREVIOUS, "UPDATE pdmv2_secrets SET state = 2, ends_at = $2"                     \
                            " WHERE pair = $1 AND state = 1")                                      \
    S(SECRET_MAKE_CURRENT, "UPDATE pdmv2_secrets SET state = 1 WHERE pair = $1 AND epoch = $2")    \
    S(SECRETS, "SELECT epoch, state, kem, kdf, aead, tag, secmop, poller, unprotected,"            \
               " lifetime_s, grace_s, made_at, ends_at, sealed FROM pdmv2_secrets"                 \
               " WHERE pair = $1 ORDER BY epoch")                                                  \
    S(SECRET_ENDED, "SELECT pair, epoch FROM pdmv2_secrets WHERE ends_at <> 0 AND ends_at < $1"    \
                    " ORDER BY pair, epoch LIMIT 1")                                               \
    S(SECRET_FORGET, "DELETE FROM pdmv2_secrets WHERE pair = $1 AND epoch = $2")                   \
    S(GRANTS_PAGE, "SELECT addr FROM pdmv2_grants WHERE pair = $1 AND epoch = $2 AND addr > $3"    \
                   " ORDER BY addr LIMIT 1 OFFSET $4")                                             \
    S(GRANTS_FORGET, "DELETE FROM pdmv2_grants WHERE pair = $1 AND epoch = $2"                     \
                     " AND addr > $3 AND addr <= $4")                                              \
    S(GRANT_FIRST, "INSERT INTO pdmv2_grants (pair, epoch, addr, next)"                            \
                   " SELECT pair, epoch, $3, $4 FROM pdmv2_secrets"                                \
                   " WHERE pair = $1 AND epoch = $2"                                               \
                   " ON CONFLICT (pair, epoch, addr) DO UPDATE SET next = pdmv2_grants.next + $4"  \
                   " WHERE pdmv2_grants.next + $4 <= 4294967296 RETURNING next")                   \
    S(GRANT_NEXT, "UPDATE pdmv2_grants SET next = next + $4"                                       \
                  " WHERE pair = $1 AND epoch = $2 AND addr = $3 AND next > $5"                    \
                  " AND next + $4 <= 4294967296 RETURNING next")                                   \
    S(GRANTED, "SELECT next FROM pdmv2_grants WHERE pair = $1 AND epoch = $2 AND addr = $3")       \
    S(LIST_LOCK, "INSERT INTO pdmv2_lists (pair, side, version) VALUES ($1, $2, 0)"                \
                 " ON CONFLICT (pair, side) DO UPDATE SET version = pdmv2_lists.version"           \
                 " RETURNING version")                                                             \
    S(LIST_VERSION, "SELECT version FROM pdmv2_lists WHERE pair = $1 AND side = $2")               \
    S(LIST_ADVANCE, "UPDATE pdmv2_lists SET version = $3 WHERE pair = $1 AND side = $2")           \
    S(LIST_PAGE, "SELECT addr, len, source, grp FROM pdmv2_entries WHERE pair = $1 AND side = $2"  \
                 " AND (addr, len, source) > ($3, $4, $5) ORDER BY addr, len, source LIMIT $6")    \
    S(LIST_PREFIX, "SELECT addr, len, source, grp FROM pdmv2_entries"                              \
                   " WHERE pair = $1 AND side = $2 AND addr = $3 AND len = $4")                    \
    S(LIST_PUT, "INSERT INTO pdmv2_entries (pair, side, addr, len, source, grp)"                   \
                " VALUES ($1, $2, $3, $4, $5, $6)"                                                 \
                " ON CONFLICT (pair, side, addr, len, source) DO UPDATE SET grp = $6")             \
    S(LIST_DROP, "DELETE FROM pdmv2_entries WHERE pair = $1 AND side = $2 AND addr = $3"           \
                 " AND len = $4 AND source = $5")                                                  \
    S(LOG_PUT, "INSERT INTO pdmv2_changes (pair, side, version, added, addr, len, source, grp)"    \
               " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")                                         \
    S(LOG_TRIM, "DELETE FROM pdmv2_changes WHERE pair = $1 AND side = $2 AND version <= $3")       \
    S(LOG_PAGE, "SELECT version, added, addr, len, source, grp FROM pdmv2_changes"                 \
                " WHERE pair = $1 AND side = $2 AND version > $3 AND version <= $4"                \
                " ORDER BY version LIMIT $5")                                                      \
    S(SECONDARY_SEEN, "INSERT INTO pdmv2_secondaries (addr, side, barred, seen_at)"                \
                      " VALUES ($1, $2, 0, $3) ON CONFLICT (addr) DO UPDATE SET side = $2,"        \
                      " seen_at = $3 RETURNING barred")                                            \
    S(SECONDARY_BAR, "INSERT INTO pdmv2_secondaries (addr, side, barred, seen_at)"                 \
                     " VALUES ($1, 0, $2, 0) ON CONFLICT (addr) DO UPDATE SET barred = $2")        \
    S(SECONDARY_PAGE, "SELECT addr, side, barred, seen_at FROM pdmv2_secondaries"                  \
                      " WHERE addr > $1 ORDER BY addr LIMIT $2 OFFSET $3")

#define STORE_SQL_NAME(name, text) name,
#define STORE_SQL_TEXT(name, text) text,

enum store_sql { STORE_SQL_STATEMENTS(STORE_SQL_NAME) };

#endif
