/* SPDX-License-Identifier: BSD-2-Clause */
/* The search for the Kri that opens an option. */
#include "keyagent/search.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "keyagent/harden.h"
#include "keyagent/keying.h"
#include "keyagent/search_inside.h"

bool search_init(struct search *s, const struct associations *associations,
                 const struct ledger *ledger, struct peers *peers, uint64_t seed)
{
    *s = (struct search){
        .associations = associations, .ledger = ledger, .peers = peers, .seed = seed};
    randombytes_buf(s->hash_key, sizeof s->hash_key);
    s->found = calloc(AGENT_SEARCH_MEMORY, sizeof *s->found);
    s->failure = calloc(AGENT_SEARCH_MEMORY, sizeof *s->failure);
    s->secret = harden_alloc(1, sizeof *s->secret);
    if (penalties_init(&s->penalties) && s->found != NULL && s->failure != NULL &&
        s->secret != NULL)
        return true;
    search_free(s);
    return false;
}

void search_free(struct search *s)
{
    free(s->found);
    free(s->failure);
    penalties_free(&s->penalties);
    if (s->secret != NULL)
        sodium_free(s->secret);
    *s = (struct search){0};
}

void search_reset(struct search *s)
{
    memset(s->job, 0, sizeof s->job);
    s->jobs = 0;
    memset(s->failure, 0, AGENT_SEARCH_MEMORY * sizeof *s->failure);
    penalties_reset(&s->penalties);
}

/* What is asked. */

/*
 * Tuples that an attacker makes up use up neither the budget of those that are known nor other
 * peers' budgets.
 */
static bool within_budget(struct search *s, struct peer *peer, bool known, int64_t now)
{
    if (peer == NULL)
        return bucket_take(&s->strangers, now, AGENT_SEARCH_STRANGER_RATE);
    if (known)
        return bucket_take(&peer->known_tuples, now, AGENT_SEARCH_KNOWN_RATE);
    return bucket_take(&peer->new_tuples, now, AGENT_SEARCH_NEW_RATE);
}

/* By any of its secrets: a new one does not make a stranger of a peer. */
static bool pay(struct search *s, const struct keying *k, const struct search_target *target,
                bool known, int64_t now)
{
    struct peer *peer = NULL;

    for (unsigned i = 0; i < k->count; i++) {
        if (peer == NULL)
            peer = search_peer(s, &k->of[i], target);
        known = known || search_found_get(s, k->of[i].ledger, &target->tuple) != NULL;
    }
    return within_budget(s, peer, known, now);
}

/* What can be done at once with one secret; for the rest, JOB. */
static enum pdm_status ask_of(struct search *s, const struct keying_secret *k,
                              const struct search_target *target, const struct search_kri *highest,
                              int64_t now, struct search_kri *found, struct search_job *job)
{
    const uint64_t *seen = highest != NULL && highest->serial == k->serial ? &highest->kri : NULL;
    struct peer view = search_view(search_peer(s, k, target), seen);

    if (!search_begin_trials(s, k, target))
        return PDM_STATUS_LATER; /* the others may do */
    bool opened = search_try_at_once(s, k, target, &view, seen, &found->kri);
    search_end_trials(s);
    found->serial = k->serial;
    if (opened)
        return search_judge(s, k, target, found->kri, now);
    search_plan(job, k->serial, &view);
    return PDM_STATUS_LATER;
}

static enum pdm_status ask_of_each(struct search *s, const struct keying *k,
                                   const struct search_target *target,
                                   const struct search_kri *highest, int64_t now,
                                   struct search_kri *found)
{
    struct search_job job = {.used = true, .target = *target, .as_of = s->count_found};
    enum pdm_status status = PDM_STATUS_LATER;

    for (unsigned i = 0; i < k->count && status == PDM_STATUS_LATER; i++) {
        if (!pay(s, k, target, highest != NULL, now))
            return PDM_STATUS_QUOTA;
        status = ask_of(s, &k->of[(k->send + i) % k->count], target, highest, now, found, &job);
    }
    if (status != PDM_STATUS_LATER || search_job_of(s, target) != NULL)
        return status;
    return job.spans > 0 ? search_enqueue(s, &job) : PDM_STATUS_NOT_FOUND;
}

enum pdm_status search_ask(struct search *s, const struct search_target *target,
                           const struct search_kri *highest, int64_t now, struct search_kri *found)
{
    enum pdm_status status = search_failure_get(s, target, now);
    struct keying k;

    s->count++;
    if (status != PDM_STATUS_OK)
        return status;
    status = search_keying(s, target, now, &k);
    if (status == PDM_STATUS_OK)
        status = search_is_allowed(s, &k, target, now)
                     ? ask_of_each(s, &k, target, highest, now, found)
                     : PDM_STATUS_NOT_FOUND;
    keying_wipe(&k);
    return status;
}
