/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The associations that a primary makes: one for each enrolled association of the configuration
 * and each pair of organisations, made and unmade as the primary says. The policy names each of
 * the host's own addresses in the pair with each entry of the pair's list of peers, and is changed
 * entry by entry. Of two associations that name just the same, one of the configuration comes
 * first, and then the older.
 *
 * Single thread.
 */
#ifndef PDM_KEYAGENT_PAIRS_H
#define PDM_KEYAGENT_PAIRS_H

#include <stdbool.h>
#include <stdint.h>

#include "keyagent/association.h"

/* That of ENROLMENT and its pair number PAIR, or NULL. */
struct association *pairs_find(const struct associations *set, const struct enrolment *enrolment,
                               uint32_t pair);
/*
 * Makes or changes that of ENROLMENT, which section FROM of the configuration is about, and PAIR,
 * which stays where it is until the next call. NULL after telling why.
 */
struct association *pairs_set(struct associations *set, struct segment *segment,
                              const struct config_association *from, struct enrolment *enrolment,
                              const struct enrolled_pair *pair, int64_t now);
void pairs_drop(struct associations *set, struct segment *segment, struct association *a);

/* PEER stands in A's list, in GROUP. False after telling why. */
bool pairs_name(struct associations *set, struct segment *segment, struct association *a,
                const struct pdm_prefix *peer, uint16_t group);
void pairs_unname(struct associations *set, struct segment *segment, struct association *a,
                  const struct pdm_prefix *peer);
/* A's list is empty. */
void pairs_clear(struct associations *set, struct segment *segment, struct association *a);

/* Adds to the policy what is missing there, of all of them. */
void pairs_publish(struct associations *set, struct segment *segment);

#endif
