/* SPDX-License-Identifier: BSD-2-Clause */
/* A search, as its parts see it. */
#ifndef PDM_KEYAGENT_SEARCH_INSIDE_H
#define PDM_KEYAGENT_SEARCH_INSIDE_H

#include "keyagent/search.h"

/* Penalties. */

/* Not while its sender has a penalty. */
bool search_is_allowed(const struct search *s, const struct keying *k,
                       const struct search_target *target, int64_t now);
/* The option of TARGET is dropped (draft -02 section 7), and its sender kept in check. */
void search_give_up(struct search *s, const struct search_target *target, const struct keying *k,
                    int64_t now);

/* Memory. */

/* NULL: none. */
const struct search_found *search_found_get(const struct search *s, uint32_t ledger,
                                            const struct pdm_tuple *tuple);
/* Unless a higher one is there. */
void search_found_put(struct search *s, uint32_t ledger, const struct pdm_tuple *tuple,
                      uint64_t kri);
/* PDM_STATUS_OK: it did not fail lately. */
enum pdm_status search_failure_get(const struct search *s, const struct search_target *target,
                                   int64_t now);
void search_failure_put(struct search *s, const struct search_target *target,
                        enum pdm_status status, int64_t now);

/* Trials. */

/* The secrets to look for TARGET under, to be wiped. */
enum pdm_status search_keying(const struct search *s, const struct search_target *target,
                              int64_t now, struct keying *k);
/* What is tried under one secret is tried between these. */
bool search_begin_trials(struct search *s, const struct keying_secret *k,
                         const struct search_target *target);
void search_end_trials(struct search *s);
bool search_opens(const struct search *s, const struct keying_secret *k,
                  const struct search_target *target, uint64_t kri);
/* The first counter from COUNTER on whose lowest bit is the option's f. */
uint64_t search_with_f(const struct search_target *target, uint64_t counter);
/* The likely ones of a PEER as search_view() shows it; HIGHEST: that the asking end has seen. */
bool search_try_at_once(const struct search *s, const struct keying_secret *k,
                        const struct search_target *target, const struct peer *peer,
                        const uint64_t *highest, uint64_t *kri);
/* NULL: nothing of it was opened under K yet. */
struct peer *search_peer(const struct search *s, const struct keying_secret *k,
                         const struct search_target *target);
/* What the asking end has seen counts for its own search; only what was opened here is kept. */
struct peer search_view(const struct peer *peer, const uint64_t *highest);
/* KRI under K opens TARGET: is it a good one? */
enum pdm_status search_judge(struct search *s, const struct keying_secret *k,
                             const struct search_target *target, uint64_t kri, int64_t now);

/* Jobs: what is not done at once. */

/* The one that goes on for TARGET's tuple, or NULL. */
struct search_job *search_job_of(struct search *s, const struct search_target *target);
/* Adds to JOB what is to be tried of PEER under the secret with SERIAL. */
void search_plan(struct search_job *job, uint32_t serial, const struct peer *peer);
/* PDM_STATUS_LATER, or PDM_STATUS_QUOTA: there is no room for JOB. */
enum pdm_status search_enqueue(struct search *s, const struct search_job *job);

#endif
