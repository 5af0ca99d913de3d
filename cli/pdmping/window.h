/* SPDX-License-Identifier: BSD-2-Clause */
/* What became of each probe: the latest ones are remembered, so that a late reply, a second one and
 * one out of order are known as such. */
#ifndef CLI_PDMPING_WINDOW_H
#define CLI_PDMPING_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

enum { WINDOW_PROBES = 65536 };

enum fate { FATE_WAITING, FATE_ANSWERED, FATE_TIMED_OUT, FATE_FAILED };

struct sent {
    int64_t at; /* CLOCK_MONOTONIC */
    enum fate fate;
};

struct window {
    struct sent sent[WINDOW_PROBES]; /* by sequence number */
    uint64_t next;                   /* the first is 1 */
    uint64_t oldest;                 /* all probes before it met their fate */
    uint64_t waiting;
    uint64_t answered_to; /* the highest number that was answered; 0: none */
};

struct answer {
    bool known;     /* it answers a probe that is remembered; else the rest means nothing */
    bool duplicate; /* not the first answer */
    bool late;      /* the wait was over */
    bool reordered; /* a later probe was answered before */
    bool alone;     /* no other probe was waiting */
};

void window_init(struct window *w);
/* A probe leaves at AT; returns its number. */
uint64_t window_send(struct window *w, int64_t at);
/* An answer came to the probe SEQ that says it was sent AT. */
struct answer window_answer(struct window *w, uint64_t seq, int64_t at);
/* The probe failed; false if it waited no more. */
bool window_fail(struct window *w, uint64_t seq);
/*
 * Takes the next probe for which the wait is over at NOW, or whose place is needed: its number goes
 * to SEQ, its age to AGE. False if there is none.
 */
bool window_expire(struct window *w, int64_t now, int64_t wait, uint64_t *seq, int64_t *age);
/* Whether the probe SEQ still waits. */
bool window_waits(const struct window *w, uint64_t seq);
/* When the oldest waiting probe was sent; INT64_MAX if none is waiting. */
int64_t window_oldest(const struct window *w);

#endif
