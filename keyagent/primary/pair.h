/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is known of one peer and the side that we are on towards it: the store's part of it, held in
 * memory, and what is to happen next. Single thread.
 */
#ifndef PDM_KEYAGENT_PRIMARY_PAIR_H
#define PDM_KEYAGENT_PRIMARY_PAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/primary_config.h"
#include "keyagent/bucket.h"
#include "keyagent/primary/grants.h"
#include "keyagent/primary/lists.h"
#include "keyagent/primary/parcel.h"
#include "keyagent/primary/store.h"

struct partner;
struct dial;

struct pair {
    const struct primary_peer *peer; /* of the configuration in force */
    struct store_pair row;
    struct list list;            /* the peer's */
    struct store_secret *secret; /* STORE_SECRETS_MAX of them, locked; lowest epoch first */
    size_t secrets;
    uint64_t wanted_from;    /* as row.renew_from, but until this program ends */
    int64_t suspected_at;    /* when a secondary last brought that about */
    uint64_t told;           /* version of our own list that the peer has acknowledged */
    bool refused_list;       /* its list was, which was told */
    struct partner *partner; /* the connections with its primaries */
    struct dial *dial;       /* making one of them, where we are client */
    /* Of all connections together: SETUPs that come; negotiations that we begin or answer. */
    struct bucket setups;
    struct bucket negotiations;
    /* Changes of its list, as made last. */
    struct parcel *parcel;
    uint64_t parcel_from;
    uint64_t parcel_to;
};

/* Finds PEER's in STORE, or makes it: in a transaction. NULL: it cannot be had, which was told. */
struct pair *pair_new(struct store *store, const struct primary_peer *peer);
/* Wipes it; NULL is allowed. It has no connections any more. */
void pair_free(struct pair *p);
/* Reads again what may have changed. False: the store could not tell. */
bool pair_sync(struct pair *p, struct store *store);

/* The secret with EPOCH, or NULL; the one with EPOCH and TAG. */
const struct store_secret *pair_secret(const struct pair *p, uint64_t epoch);
const struct store_secret *pair_tagged(const struct pair *p, uint64_t epoch,
                                       const uint8_t tag[static PDM_TAG_ID_LEN]);
/* The one in force NOW (seconds), or NULL. */
const struct store_secret *pair_current(const struct pair *p, int64_t now);
/* Another is wanted than any of a negotiation begun so far. */
void pair_want(struct pair *p);
bool pair_is_wanted(const struct pair *p);
/* There may be one more negotiation NOW (CLOCK_MONOTONIC): each changes what secondaries have. */
bool pair_may_negotiate(struct pair *p, int64_t now);
/* A new one is to be had by now. */
bool pair_is_due(const struct pair *p, int64_t now);
/* Some secret's time is over. */
bool pair_has_ended(const struct pair *p, int64_t now);
/* Those in force, for secondaries. */
size_t pair_epochs(const struct pair *p, int64_t now,
                   struct grants_epoch epoch[static PDM_PEER_SECRETS]);

/* LIST requests for a secondary that has version FROM of the list; the caller drops it. NULL: no
 * memory, or the store cannot tell. */
struct parcel *pair_list_parcel(struct pair *p, struct store *store, uint64_t from);
/* Lets go of what is kept for those who want it at the same time. */
void pair_rest(struct pair *p);

#endif
