/* SPDX-License-Identifier: BSD-2-Clause */
/* The agents of our own secondaries, as the parts that serve them see one. */
#ifndef PDM_KEYAGENT_PRIMARY_SECONDARY_INSIDE_H
#define PDM_KEYAGENT_PRIMARY_SECONDARY_INSIDE_H

#include <string.h>

#include "keyagent/bucket.h"
#include "keyagent/primary/primary_inside.h"

enum { KNOWN_LEN = PDM_TAG_ID_LEN + PDM_ADDR_LEN + 4 }; /* of a SECRET request */

/* What it was given by this connection: told again, it is known again. */
struct block {
    uint32_t pair;
    uint64_t epoch;
    uint32_t first;
    uint32_t count;
    unsigned address; /* its number in the certificate */
};

struct told {
    uint32_t pair;
    bool given;       /* in the latest SECRET: who is not given a pair drops its list, too */
    uint64_t version; /* of its list */
};

struct secondary {
    struct caller caller;
    struct link *link;
    size_t place;    /* in secondaries.item */
    uint32_t number; /* in secondaries.numbered */
    int64_t use_by;  /* it is closed then; INT64_MAX: it has registered */
    bool enrolled;
    bool due_secrets;
    bool due_lists;
    bool queued;
    struct secondary *next_due;
    struct bucket requests;
    struct bucket secrets; /* SECRET requests: each costs much */
    uint64_t entitled;     /* stands for what it was entitled to when it was told last */
    struct block *block;
    size_t blocks;
    struct told *told;
    size_t tolds;
};

/* One answer to be made. */
struct answer {
    struct primary *primary;
    struct secondary *secondary;
    const uint8_t *known; /* KNOWN_LEN octets each: what it says that it has used */
    size_t knowns;
    uint16_t pairs;
};

static inline const char *secondary_from(const struct secondary *s)
{
    return link_peer(s->link)->from;
}

/* The entry of our own list of SIDE that entitles ADDR. */
static inline const struct list_entry *secondary_entry(const struct primary *primary, unsigned side,
                                                       const uint8_t addr[static PDM_ADDR_LEN])
{
    return primary_is_barred(primary, addr) ? NULL : list_find(&primary->own[side], addr);
}

static inline bool secondary_owns(const struct secondary *s,
                                  const uint8_t addr[static PDM_ADDR_LEN], unsigned *number)
{
    const struct link_peer *peer = link_peer(s->link);

    for (*number = 0; *number < peer->addresses; ++*number)
        if (memcmp(peer->address[*number], addr, PDM_ADDR_LEN) == 0)
            return true;
    return false;
}

/* Stands for what our lists entitle it to; 0: to nothing. */
uint64_t secondary_entitlement(const struct primary *primary, const struct secondary *s);
/* Closes it and tells WHY. */
void secondary_refuse(struct primary *primary, struct secondary *s, const char *why);
/* What is due to it is told to it soon. */
void secondary_queue(struct primary *primary, struct secondary *s);

/* A SECRET response that is nothing but STATUS. */
struct parcel *secondary_secret_status(uint8_t status);
/* Answers with all that it is entitled to, and what of lists it has not: in a transaction. */
void secondary_tell_secrets(struct answer *a);
void secondary_tell_lists(struct primary *primary, struct secondary *s);
/* What it was told of a pair; NULL after telling why there can be none. */
struct told *secondary_told(struct secondary *s, uint32_t pair);
/* False after telling that there is no memory. */
bool secondary_remember_block(struct secondary *s, const struct block *block);
/*
 * A secondary has used what the store never granted: it is an older one than that, and whatever it
 * grants under this secret may be used already. One that says so without need cannot have a pair
 * renegotiated all the time. In a transaction.
 */
void secondary_suspect(struct primary *primary, const struct secondary *s, struct pair *pair,
                       uint64_t epoch);

#endif
