/* SPDX-License-Identifier: BSD-2-Clause */
/* Connections with primaries of peers, as the parts that serve them see one. */
#ifndef PDM_KEYAGENT_PRIMARY_PARTNER_INSIDE_H
#define PDM_KEYAGENT_PRIMARY_PARTNER_INSIDE_H

#include <stdbool.h>
#include <stdint.h>

#include "keyagent/bucket.h"
#include "keyagent/primary/claims.h"
#include "keyagent/primary/negotiation.h"
#include "keyagent/primary/primary_inside.h"

struct partner {
    struct caller caller;
    struct primary *primary;
    struct pair *pair;
    struct link *link;
    struct partner *next;
    bool agreed; /* on a secret, by this connection */
    bool ending;
    bool refused;                    /* for what it said */
    struct negotiation *negotiation; /* under way, or NULL */
    struct claim offered;            /* the other side's list, in its SETUP */
    uint64_t offered_epoch;          /* of the negotiation that it waits with to be confirmed */
    uint64_t offered_own;            /* version of our list, in ours */
    int64_t negotiated_at;           /* when the latest began, or was left to another; 0: never */
    int64_t asked_at;                /* when a NEGOTIATE was sent last */
    struct claim claim;              /* LIST: what has come so far */
    uint64_t told;                   /* version of our list that the other side has; 0: none */
    uint64_t sent;                   /* in the LIST that is not answered yet */
    bool unanswered;                 /* there is one */
    uint64_t not_taken;              /* version of our list that it refused */
    int64_t waiting_from;            /* for any answer; 0: for none */
    int64_t use_by; /* of the server: it is closed then; INT64_MAX: a LIST has come */
    struct bucket requests;
};

static inline const struct list *partner_own_list(const struct partner *p)
{
    return &p->primary->own[p->pair->row.side];
}

static inline bool partner_is_client(const struct partner *p)
{
    return p->pair->row.side == PDM_SIDE_CLIENT;
}

static inline const char *partner_name(const struct partner *p)
{
    return p->pair->peer->name;
}

static inline struct claim_bounds partner_bounds(const struct partner *p)
{
    return (struct claim_bounds){.allowed = p->pair->peer->addresses,
                                 .allowed_count = p->pair->peer->addresses_count,
                                 .own = p->primary->own,
                                 .peer = &p->pair->list};
}

/* Closes it once what was sent before is. */
void partner_end(struct partner *p);
/* Likewise, and tells WHAT it did: a predicate. */
void partner_refuse(struct partner *p, const char *what);
void partner_send(struct partner *p, struct parcel *parcel);
/* What an answer is waited for to. */
void partner_ask(struct partner *p, struct parcel *parcel);
void partner_answered(struct partner *p);

/* Our list: whole or in part, with the secret in force; or only if it has changed. */
void partner_tell_list(struct partner *p);
void partner_tell_changes(struct partner *p);
void partner_take_list_response(struct partner *p, struct pdm_reader *body);
void partner_take_list_request(struct partner *p, struct pdm_reader *body);

/* The client begins, the server asks it to. */
void partner_negotiate(struct partner *p);
void partner_drop_negotiation(struct partner *p);
void partner_take_setup_request(struct partner *p, struct pdm_reader *body);
void partner_take_setup_response(struct partner *p, struct pdm_reader *body);
void partner_take_kem_request(struct partner *p, struct pdm_reader *body);
void partner_take_kem_response(struct partner *p, struct pdm_reader *body);
void partner_take_negotiate(struct partner *p, struct pdm_reader *body);

#endif
