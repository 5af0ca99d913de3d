/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is kept for one own address and one peer: secrets that were polled of the primary or agreed
 * on in a pairing, refusals, and that the peer has moved to a newer secret. Bounded; what was not
 * used for longest makes room. Losing any of it costs asking again.
 */
#ifndef PDM_KEYAGENT_PAIRWISE_H
#define PDM_KEYAGENT_PAIRWISE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/limits.h"
#include "keyagent/table.h"

enum pairwise_state {
    PAIRWISE_UNUSED,
    PAIRWISE_ASKED,   /* and not answered yet */
    PAIRWISE_REFUSED, /* until UNTIL */
    PAIRWISE_SECRET,  /* pairwise_secret() */
    PAIRWISE_MOVED    /* the peer sends by this epoch; its secret is not kept here */
};

struct pairwise_item {
    uint32_t pair;
    uint64_t epoch;
    uint8_t own[PDM_ADDR_LEN];
    uint8_t peer[PDM_ADDR_LEN];
    uint8_t state; /* enum pairwise_state */
    bool moved;    /* PAIRWISE_SECRET: likewise */
    uint32_t serial;
    int64_t until;
    int64_t send_at;
    uint32_t older; /* by use; TABLE_NONE: the oldest */
    uint32_t newer;
};

struct pairwise {
    struct table table;
    struct pairwise_item *item; /* ENROLMENT_SECRETS_MAX */
    uint8_t (*chunk[ENROLMENT_SECRETS_MAX / ENROLMENT_SECRETS_CHUNK])[PDM_NH_MAX]; /* locked */
    uint32_t oldest;
    uint32_t newest;
    uint32_t asked; /* items in that state */
    uint64_t seed;
};

/* Takes no memory for secrets yet. False: out of memory. */
bool pairwise_init(struct pairwise *p, uint64_t seed);
void pairwise_free(struct pairwise *p);

/* The items of PAIR, OWN and PEER one after the other, AFTER being NULL at first; NULL: no more. */
struct pairwise_item *pairwise_next(const struct pairwise *p, const struct pairwise_item *after,
                                    uint32_t pair, const uint8_t own[static PDM_ADDR_LEN],
                                    const uint8_t peer[static PDM_ADDR_LEN]);
/* The one of EPOCH, or NULL. */
struct pairwise_item *pairwise_find(const struct pairwise *p, uint32_t pair, uint64_t epoch,
                                    const uint8_t own[static PDM_ADDR_LEN],
                                    const uint8_t peer[static PDM_ADDR_LEN]);
/* A new one. */
struct pairwise_item *pairwise_add(struct pairwise *p, uint32_t pair, uint64_t epoch,
                                   const uint8_t own[static PDM_ADDR_LEN],
                                   const uint8_t peer[static PDM_ADDR_LEN],
                                   enum pairwise_state state);
void pairwise_set_state(struct pairwise *p, struct pairwise_item *item, enum pairwise_state state);
/* It will not be the next to make room. */
void pairwise_used(struct pairwise *p, struct pairwise_item *item);
/* Where its secret is, or is to be put; NULL after telling why there is no memory for it. */
uint8_t *pairwise_secret(struct pairwise *p, const struct pairwise_item *item);
/* Its secret is wiped. */
void pairwise_remove(struct pairwise *p, struct pairwise_item *item);
/* Removes those that WANTED says no to. */
void pairwise_keep(struct pairwise *p, bool (*wanted)(void *arg, const struct pairwise_item *item),
                   void *arg);

#endif
