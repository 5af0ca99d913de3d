/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Of one side of a conversation that passes by: its options, by the numbers that they have in its
 * own sequence, and how many of them wait for an answer. So the server delays that may belong to
 * another request can be told, by the rules of core/flow.h, as far as they can be applied here.
 */
#ifndef CLI_PDMCTL_DECODE_ASKER_H
#define CLI_PDMCTL_DECODE_ASKER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/delta.h"
#include "core/limits.h"

/* One option that passed: when, and what its answer must be held against. */
struct asked {
    int64_t at;
    uint16_t psn; /* 0: none */
    uint16_t psnlr;
    struct pdm_delta dtlr;
};

/* All zero at first. */
struct asker {
    uint64_t latest; /* the latest option's number, counted from any; 0: none passed yet */
    uint16_t latest_psn;
    bool doubted;       /* nobody knows what a packet without an option answers */
    uint64_t named;     /* the number of the latest option that the other side named */
    uint64_t answered;  /* up to this one they were answered, or will not be */
    uint64_t presumed;  /* how many of those a packet without an option seems to have answered */
    uint64_t plain;     /* packets without an option that may still be answered */
    uint64_t waiting;   /* that waited for an answer at the last overlapped sample */
    uint32_t steady;    /* samples for which that stayed the same */
    int64_t round_trip; /* from the last option that was named to the one that named it, here */
    int64_t heard_at;   /* the other side's last option passed */
    struct asked sent[DECODE_SENT_RING];
};

/* The side sent an option with PSN, which is not 0. */
void asker_sent(struct asker *a, const struct asked *sent);
/* The option that PSNLR names; its number, from 1 on, is put in *NUMBER. NULL if it is none of the
 * latest that passed. */
const struct asked *asker_find(const struct asker *a, uint16_t psnlr, uint64_t *number);

enum asker_answer { ASKER_NO_ANSWER, ASKER_ANSWERED, ASKER_OVERLAPPED };
/*
 * The other side named option NUMBER. FOLLOWS: none of its options is missing before this one.
 * STREAM: nothing tells requests apart, and the last option is the only one that can be answered.
 */
enum asker_answer asker_answer(struct asker *a, uint64_t number, bool follows, bool stream);
/* To be called behind asker_answer(), for each option of the other side that passes at AT; NUMBER
 * 0: it names none that is known, PSNLR 0: none at all. */
void asker_heard(struct asker *a, uint16_t psnlr, uint64_t number, int64_t at);

/* A packet without an option passed, of this side or of the other. */
void asker_sent_plain(struct asker *a);
void asker_heard_plain(struct asker *a);

#endif
