/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The SECRET response taken apart: the pairs that a primary has for this agent. Everything in it
 * is checked against its neighbours and against core/limits.h; nothing but memory is touched.
 */
#ifndef PDM_KEYAGENT_ENROLLED_H
#define PDM_KEYAGENT_ENROLLED_H

#include <stddef.h>
#include <stdint.h>

#include "core/registration.h"
#include "keyagent/enrolment/enrolment.h"

struct enrolled_set {
    struct enrolled_pair **pair; /* each its own allocation; NULL behind the last */
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

/* CLOCK_MONOTONIC of NOW and MS milliseconds, INT64_MAX if that is beyond it. */
int64_t enrolled_time(int64_t now, uint64_t ms);

#endif
