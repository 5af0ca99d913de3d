/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pairings that are begun here, at most one with each peer of each own address. A peer that did
 * not answer is left alone for a pause, which is longer each time; if there is no room, the one
 * whose pause ends first makes it. Single thread.
 */
#ifndef PDM_KEYAGENT_INITIATIONS_H
#define PDM_KEYAGENT_INITIATIONS_H

#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/limits.h"
#include "core/pairing.h"
#include "keyagent/enrolment/enrolment.h"
#include "keyagent/pairing/ends.h"
#include "keyagent/table.h"

enum initiation_phase {
    INITIATION_UNUSED,
    INITIATION_HELLO,  /* sent */
    INITIATION_BEGIN,  /* a cookie is there, INIT is to be computed */
    INITIATION_INIT,   /* sent */
    INITIATION_FINISH, /* an answer is there, to be computed with */
    INITIATION_PAUSE   /* no answer; not again until AT */
};

struct initiation {
    struct ends ends;
    enum initiation_phase phase;
    struct enrolment *enrolment;
    uint32_t pair;
    uint64_t epoch;
    uint8_t tag[PDM_TAG_ID_LEN];
    unsigned tries; /* of the phase's message */
    unsigned forged;
    int64_t at;    /* the next one; or the end of the pause */
    int64_t pause; /* the latest; 0: none yet */
    uint8_t token[PDM_PAIRING_TOKEN_LEN];
    uint8_t cookie[PDM_PAIRING_COOKIE_LEN];
    uint8_t id[PDM_PAIRING_ID_LEN];
    uint8_t init[PDM_PAIRING_INIT_LEN];
    uint8_t resp[PDM_PAIRING_RESP_LEN];
};

struct initiations {
    struct table table;
    struct initiation *initiation;     /* PAIRING_OWN_MAX */
    uint8_t (*k_i)[PDM_PAIRING_K_LEN]; /* likewise; locked memory */
    uint32_t active;                   /* not in INITIATION_PAUSE */
    uint32_t ready;                    /* a job is due, or under way */
    uint32_t turn;                     /* of the jobs */
    uint8_t key[crypto_shorthash_KEYBYTES];
};

/* False after telling why. */
bool initiations_init(struct initiations *s);
void initiations_free(struct initiations *s);

struct initiation *initiations_find(const struct initiations *s, const struct ends *ends);
/* One that is not there yet, INITIATION_UNUSED; NULL: no room, all others are active. */
struct initiation *initiations_add(struct initiations *s, const struct ends *ends);
/* Its k_i is wiped. */
void initiations_remove(struct initiations *s, struct initiation *i);
/* The secret that its INIT carries: PDM_PAIRING_K_LEN octets. */
uint8_t *initiations_k_i(const struct initiations *s, const struct initiation *i);

/* The tries of its message begin anew; or they are counted on. */
void initiations_enter(struct initiations *s, struct initiation *i, enum initiation_phase phase);
void initiations_resume(struct initiations *s, struct initiation *i, enum initiation_phase phase);
/* INITIATION_PAUSE, from NOW on. */
void initiations_pause(struct initiations *s, struct initiation *i, int64_t now);

#endif
