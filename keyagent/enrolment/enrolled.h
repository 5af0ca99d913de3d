/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a primary has for an agent, as SECRET responses bring it: pairs of organisations, in each
 * the negotiations (epochs), and in each of those the host's own addresses (scopes). What is read
 * is checked against its neighbours and against core/limits.h; nothing but memory is touched.
 * Single thread.
 */
#ifndef PDM_KEYAGENT_ENROLLED_H
#define PDM_KEYAGENT_ENROLLED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/limits.h"
#include "core/message.h"
#include "core/registration.h"
#include "core/suite.h"

/* Generations FIRST and up, not taken yet. */
struct enrolled_block {
    uint32_t first;
    uint32_t count;
};

/* Of one negotiation, for one of our own addresses. */
struct enrolled_scope {
    uint8_t address[PDM_ADDR_LEN];
    uint32_t ledger; /* its number in the ledger: generations are granted by scope */
    struct enrolled_block block;
    struct enrolled_block next;  /* for when BLOCK is used up; higher */
    struct enrolled_block given; /* the latest that the primary gave */
    bool asked;                  /* for more of them */
    bool refused_block;          /* and told of it */
    int64_t ask_at;              /* not before then */
    uint16_t grants;
    uint16_t *group;               /* GRANTS of them */
    uint8_t (*secret)[PDM_NH_MAX]; /* likewise; locked memory */
    uint32_t *serial;              /* likewise, but at least one */
    uint8_t *p_pub;                /* ibc: PDM_IBC_POINT_LEN octets; else NULL */
    uint8_t *s_id;                 /* ibc: likewise; locked memory */
};

struct enrolled_epoch {
    uint64_t epoch;
    uint8_t tag[PDM_TAG_ID_LEN];
    struct pdm_suite suite;
    int64_t send_at; /* CLOCK_MONOTONIC: sent under from then on, or once the peer does */
    bool sending;    /* that was so at the last tick */
    int64_t ends_at; /* INT64_MAX: not known */
    uint8_t scopes;
    struct enrolled_scope *scope;
    uint8_t *locked; /* what the scopes' secrets lie in */
};

/* How much of a pair's list of peers we have. */
struct enrolled_list {
    uint64_t version; /* 0: not all of any */
    uint64_t from;    /* of the change that parts are still to come of */
    uint64_t to;
    bool partial;
};

struct enrolled_pair {
    uint32_t pair; /* the primary's number */
    char name[PDM_NAME_MAX];
    uint8_t side;        /* enum pdm_side: ours */
    uint8_t secmop;      /* enum pdm_mode_of_operation */
    uint8_t poller;      /* enum pdm_side */
    uint8_t unprotected; /* enum pdm_unprotected */
    struct enrolled_list list;
    uint8_t epochs;
    struct enrolled_epoch epoch[PDM_PEER_SECRETS];
};

struct enrolled_set {
    struct enrolled_pair **pair; /* each its own allocation */
    size_t pairs;
};

/*
 * Reads BODY, received at NOW, into SET. Scopes have the blocks that were given in GIVEN, and
 * neither ledger nor serials. NULL if it is good, else what is wrong, and SET is empty.
 */
const char *enrolled_read(struct pdm_reader *body, int64_t now, struct enrolled_set *set,
                          enum pdm_registration_status *status);
void enrolled_set_free(struct enrolled_set *set);
/* PAIR and its secrets; NULL is allowed. */
void enrolled_pair_free(struct enrolled_pair *pair);
void enrolled_epoch_free(struct enrolled_epoch *epoch);
/* Scope number AT of EPOCH; the last takes its place. Its secrets are wiped. */
void enrolled_scope_remove(struct enrolled_epoch *epoch, unsigned at);

/* By number, or by address; NULL: not there. Of what is not there (NULL) nothing is. */
struct enrolled_pair *enrolled_pair_find(const struct enrolled_set *set, uint32_t number);
const struct enrolled_epoch *enrolled_epoch_find(const struct enrolled_pair *pair, uint64_t epoch);
struct enrolled_scope *enrolled_scope_find(const struct enrolled_epoch *epoch,
                                           const uint8_t own[static PDM_ADDR_LEN]);
/*
 * OLD's epoch that EPOCH of PAIR is: negotiated at once with it, and used in the same way; NULL:
 * none is, or there is no OLD.
 */
const struct enrolled_epoch *enrolled_epoch_same(const struct enrolled_pair *old,
                                                 const struct enrolled_pair *pair,
                                                 const struct enrolled_epoch *epoch);
/* Both are the same identity (ibc), or none. */
bool enrolled_identity_same(const struct enrolled_scope *a, const struct enrolled_scope *b);

/* SECRET, followed by zeros, is as long as SUITE's are, and not all zeros. */
bool enrolled_is_secret(const struct pdm_suite *suite, const uint8_t secret[static PDM_NH_MAX]);
/* One that no other secret of any enrolment has had; bit 31 is set. */
uint32_t enrolled_next_serial(void);
/* CLOCK_MONOTONIC of NOW and MS milliseconds, INT64_MAX if that is beyond it. */
int64_t enrolled_time(int64_t now, uint64_t ms);

#endif
