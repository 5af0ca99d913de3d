/* SPDX-License-Identifier: BSD-2-Clause */
/* The primary's parts, as they see each other. */
#ifndef PDM_KEYAGENT_PRIMARY_PRIMARY_INSIDE_H
#define PDM_KEYAGENT_PRIMARY_PRIMARY_INSIDE_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "conf/primary_config.h"
#include "keyagent/primary/doors.h"
#include "keyagent/primary/identities.h"
#include "keyagent/primary/lists.h"
#include "keyagent/primary/outbox.h"
#include "keyagent/primary/pair.h"
#include "keyagent/primary/primary.h"
#include "keyagent/primary/secondaries.h"
#include "keyagent/primary/store.h"
#include "keyagent/tls/credentials.h"
#include "keyagent/tls/link.h"

struct evdns_base;

struct primary {
    struct primary_config config;
    char *path;
    struct event_base *base;
    struct evdns_base *dns;
    struct event *tick;
    struct credentials *credentials; /* authority 0 vouches for secondaries, 1 + i for peer i */
    struct store *store;
    bool store_up;
    uint64_t changes; /* store_changes() when it was read last */
    struct outbox outbox;
    struct list own[PDM_SIDES];
    struct list barred; /* addresses, as prefixes */
    struct pair **pair; /* in the order of the configuration's peers */
    size_t pairs;
    struct identities *identities; /* NULL until mode ibc is met */
    struct doors doors;
    struct secondaries secondaries;
    int64_t started;
    uint64_t registrations;
    uint64_t refused;
};

/* What a link's data begins with, if it was made by the other end. */
enum caller_kind { CALLER_NOBODY, CALLER_STRANGER, CALLER_SECONDARY, CALLER_PARTNER };
struct caller {
    enum caller_kind kind;
};

static inline int64_t primary_time(void)
{
    return (int64_t)time(NULL);
}

struct pair *primary_pair(const struct primary *primary, uint32_t number);
bool primary_is_barred(const struct primary *primary, const uint8_t addr[static PDM_ADDR_LEN]);
/* The private keys of mode ibc; NULL if they cannot be had, which was told. */
struct identities *primary_identities(struct primary *primary);

/* The configuration. */

/* Its certificates, and all whom it believes. NULL after telling why. */
struct credentials *primary_credentials(const struct primary_config *config);
/* At the start: that in PRIMARY. False after telling why, with *CODE the exit code. */
bool primary_take_config(struct primary *primary, enum exit_code *code);
/* Ends its connections, too. */
void primary_end_pair(struct primary *primary, struct pair *pair);
/* Our own lists as the files of the configuration in force have them, into the store: in a
 * transaction. */
bool primary_store_members(struct primary *primary);

/* What the store has, in memory. False: the store cannot tell. */

bool primary_take_barred(struct primary *primary);
/* Our own lists and who is revoked, as the store has them; tells whom it concerns. */
bool primary_take_own(struct primary *primary);
/* These, and all pairs. */
bool primary_take_all(struct primary *primary);
/* Takes into memory what other primaries of ours have changed in the store. */
void primary_look(struct primary *primary);
/* Secrets whose time is over. */
void primary_expire(struct primary *primary);
/* For the outbox. */
void primary_settled(void *arg, bool committed);
/* PAIR's secrets or list were changed in this transaction: takes them into memory and tells whom
 * they concern. False: the transaction is lost. */
bool primary_pair_changed(struct primary *primary, struct pair *pair);

#endif
