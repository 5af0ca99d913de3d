/* SPDX-License-Identifier: BSD-2-Clause */
/* Handshakes, as their parts see them. */
#ifndef PDM_KEYAGENT_HANDSHAKE_INSIDE_H
#define PDM_KEYAGENT_HANDSHAKE_INSIDE_H

#include "keyagent/bucket.h"
#include "keyagent/pairing/callers.h"
#include "keyagent/pairing/cookies.h"
#include "keyagent/pairing/handshake.h"
#include "keyagent/pairing/initiations.h"

/* What is being computed for. */
struct handshake_task {
    bool under_way;
    bool forgotten; /* it comes to nothing */
    enum pairing_work work;
    struct ends ends;
};

struct handshakes {
    struct handshake_hooks hooks;
    void *arg;
    struct cookies cookies;
    struct callers callers;
    struct initiations initiations;
    struct bucket own_budget;
    struct bucket answer_budget;
    struct handshake_task task;
    struct pairing_counters counters;
};

/*
 * PAIR's negotiation EPOCH, with TAG, and OWN's part in it, *SCOPE; NULL: there is no such part any
 * more, or PAIR is NULL.
 */
const struct enrolled_epoch *handshake_part(const struct enrolled_pair *pair, uint64_t epoch,
                                            const uint8_t tag[static PDM_TAG_ID_LEN],
                                            const uint8_t own[static PDM_ADDR_LEN],
                                            const struct enrolled_scope **scope);
/* The peer of ENDS has begun one itself, which is to be answered first. */
bool handshake_is_called(const struct handshakes *h, const struct ends *ends);
/* Sends I's message, for the first time or again. */
void handshake_send(struct handshakes *h, struct initiation *i, int64_t now);
/* I goes, and a job for it comes to nothing. */
void handshake_end(struct handshakes *h, struct initiation *i);

void handshake_warn(const char *what, const struct ends *ends);
void handshake_tell(const char *what, const struct ends *ends);

#endif
