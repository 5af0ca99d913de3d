/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Peers that began a pairing: those that wait for an answer, and the answers of the last seconds,
 * since an INIT that comes again gets the same one. At most one of each peer.
 *
 * Those who wait stand in lines, one for each entry of a list, which take turns: whoever owns all
 * addresses of one entry gets the share of one entry. If there is no room, the last in the longest
 * line goes.
 */
#ifndef PDM_KEYAGENT_CALLERS_H
#define PDM_KEYAGENT_CALLERS_H

#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/limits.h"
#include "core/pairing.h"
#include "core/prefix.h"
#include "keyagent/enrolment/enrolment.h"
#include "keyagent/pairing/ends.h"
#include "keyagent/table.h"

enum caller_state {
    CALLER_UNUSED,
    CALLER_WAITS,
    CALLER_SERVED,   /* being computed for */
    CALLER_ANSWERED, /* with RESP */
    CALLER_REFUSED   /* its INIT was none for us: no answer */
};

struct caller {
    struct ends ends;
    enum caller_state state;
    struct enrolment *enrolment;
    uint32_t pair;
    int64_t since; /* in that state */
    uint32_t line;
    uint32_t before; /* in the line, or TABLE_NONE */
    uint32_t behind;
    uint8_t init[PDM_PAIRING_INIT_LEN];
    uint8_t resp[PDM_PAIRING_RESP_LEN];
    uint8_t proof[PDM_PAIRING_CONFIRM_LEN]; /* that its DONE is to show */
    uint32_t serial;                        /* of the key; 0: it is not kept */
};

struct callers_line {
    struct pdm_prefix entry;
    uint32_t count; /* 0: unused */
    uint32_t first;
    uint32_t last;
};

struct callers {
    struct table table;
    struct caller *caller; /* PAIRING_WAITING_MAX + PAIRING_ANSWERS_MAX + 1 */
    struct callers_line line[PAIRING_WAITING_MAX];
    uint32_t waiting;
    uint32_t turn; /* of the lines */
    uint8_t key[crypto_shorthash_KEYBYTES];
};

/* False: out of memory. */
bool callers_init(struct callers *c);
void callers_free(struct callers *c);

struct caller *callers_find(const struct callers *c, const struct ends *ends);
/* One that is not there yet waits, in the line of ENTRY; NULL: no room, and it is none. */
struct caller *callers_wait(struct callers *c, const struct ends *ends,
                            const struct pdm_prefix *entry, int64_t now);
/* Who is next: it is being served from now on; NULL: nobody waits. Who has waited for too long is
 * gone. */
struct caller *callers_next(struct callers *c, int64_t now);
/* CALLER was served. */
void callers_served(struct callers *c, struct caller *caller, bool answered, int64_t now);
void callers_remove(struct callers *c, struct caller *caller);
/* Answers that were kept for long enough go. */
void callers_expire(struct callers *c, int64_t now);
/* Those of PAIR (0: any) of ENROLMENT go. */
void callers_forget(struct callers *c, const struct enrolment *enrolment, uint32_t pair);

#endif
