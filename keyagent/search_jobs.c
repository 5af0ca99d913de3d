/* SPDX-License-Identifier: BSD-2-Clause */
/* The part of a search that goes on in slices. */
#include <string.h>

#include "core/limits.h"
#include "keyagent/clock.h"
#include "keyagent/search_inside.h"

#define CLOCK_EVERY 32 /* trials between looks at the clock */

static uint64_t trials_in(const struct search_span *span)
{
    return (uint64_t)span->generations * span->counters;
}

/* The shorter first: the long part of one secret must not keep the likely one of another waiting
 * for longer than many a flow lives. */
static void add_span(struct search_job *job, uint32_t serial, uint64_t first, uint64_t end,
                     uint32_t counter, uint32_t counters)
{
    if (end > UINT64_C(1) << 32)
        end = UINT64_C(1) << 32;
    if (first >= end)
        return;
    const struct search_span span = {serial, (uint32_t)first, (uint32_t)(end - first), counter,
                                     counters};
    uint32_t at = job->spans++;

    for (; at > 0 && trials_in(&job->span[at - 1]) > trials_in(&span); at--)
        job->span[at] = job->span[at - 1];
    job->span[at] = span;
}

void search_plan(struct search_job *job, uint32_t serial, const struct peer *peer)
{
    if (peer->seen_count == 0) {
        add_span(job, serial, 0, PDM_SEARCH_FIRST, 0, 2);
        add_span(job, serial, 0, AGENT_SEARCH_FIRST_FULL, 2, PDM_SEARCH_COUNTERS - 2);
        return;
    }
    uint64_t highest = peer->highest;
    uint64_t below = highest > AGENT_SEARCH_PAST ? highest - AGENT_SEARCH_PAST : 0;
    uint64_t ahead = highest + 1 + PDM_SEARCH_AHEAD;

    add_span(job, serial, highest + 1, ahead, 0, PDM_SEARCH_COUNTERS);
    add_span(job, serial, below, highest, 0, PDM_SEARCH_COUNTERS);
    add_span(job, serial, ahead, PDM_SEARCH_FIRST, 0, 2);
}

struct search_job *search_job_of(struct search *s, const struct search_target *target)
{
    for (uint32_t i = 0; i < AGENT_SEARCH_JOBS; i++) {
        struct search_job *job = &s->job[i];

        if (job->used && job->target.association == target->association &&
            pdm_tuple_equal(&job->target.tuple, &target->tuple))
            return job;
    }
    return NULL;
}

static uint32_t jobs_of_peer(const struct search *s, const struct search_target *target)
{
    uint32_t jobs = 0;

    for (uint32_t i = 0; i < AGENT_SEARCH_JOBS; i++)
        jobs += s->job[i].used && s->job[i].target.association == target->association &&
                memcmp(s->job[i].target.tuple.saddr, target->tuple.saddr, PDM_ADDR_LEN) == 0;
    return jobs;
}

/*
 * JOB says what is to be done. What one finds of a peer spares the others of that peer their
 * search, so a few are soon done, where many would keep each other waiting for longer than a flow
 * lives.
 */
enum pdm_status search_enqueue(struct search *s, const struct search_job *job)
{
    struct search_job *place = s->job;

    if (jobs_of_peer(s, &job->target) >= AGENT_SEARCH_PEER_JOBS)
        return PDM_STATUS_LATER;
    if (s->jobs == AGENT_SEARCH_JOBS)
        return PDM_STATUS_QUOTA;
    while (place->used)
        place++;
    *place = *job;
    s->jobs++;
    return PDM_STATUS_LATER;
}

/* Slices. */

/* Moves JOB to its next Kri in the span that it is at; false if that was the last there. */
static bool job_next(struct search_job *job, uint64_t *kri)
{
    const struct search_span *span = &job->span[job->at_span];

    while (job->generation < span->generations) {
        uint64_t counter = search_with_f(&job->target, (uint64_t)span->counter + job->counter);

        if (counter < (uint64_t)span->counter + span->counters) {
            *kri = ((uint64_t)span->first + job->generation) << 32 | counter;
            job->counter = (uint32_t)(counter - span->counter) + 1;
            return true;
        }
        job->counter = 0;
        job->generation++;
    }
    job->generation = 0;
    job->at_span++;
    return false;
}

static void job_end(struct search *s, struct search_job *job)
{
    job->used = false;
    s->jobs--;
}

static void job_found(struct search *s, struct search_job *job, const struct keying_secret *k,
                      uint64_t kri, int64_t now, struct search_hit *hit)
{
    hit->found = search_judge(s, k, &job->target, kri, now) == PDM_STATUS_OK;
    hit->target = job->target;
    hit->serial = k->serial;
    job_end(s, job);
}

/* One span, whose secret is K, for as long as a slice lasts. False: no more, for now or at all. */
static bool job_span(struct search *s, struct search_job *job, const struct keying_secret *k,
                     int64_t now, struct search_hit *hit)
{
    uint64_t kri;

    for (uint32_t n = 1; job_next(job, &kri); n++) {
        if (search_opens(s, k, &job->target, kri)) {
            job_found(s, job, k, kri, now, hit);
            return false;
        }
        if (n % CLOCK_EVERY == 0 && clock_now() - now > AGENT_SEARCH_SLICE_NS)
            return false;
    }
    return true;
}

/* Another search may have shown meanwhile which generation the peer is in. */
static bool job_again(struct search *s, struct search_job *job, const struct keying *k, int64_t now,
                      struct search_hit *hit)
{
    bool opened = false;
    uint64_t kri;

    for (unsigned i = 0; i < k->count && !opened; i++) {
        const struct peer view = search_view(search_peer(s, &k->of[i], &job->target), NULL);

        if (search_begin_trials(s, &k->of[i], &job->target))
            opened = search_try_at_once(s, &k->of[i], &job->target, &view, NULL, &kri);
        search_end_trials(s);
        if (opened)
            job_found(s, job, &k->of[i], kri, now, hit);
    }
    return opened;
}

/* A secret that has come since the search began was not tried: that what was asked for is no good
 * cannot be said then. Whoever asks again has it searched for under that, too. */
static bool has_tried(const struct search_job *job, const struct keying *k)
{
    const uint32_t newest = k->of[k->count - 1].serial;

    for (uint32_t i = 0; i < job->spans; i++)
        if (job->span[i].serial == newest)
            return true;
    return false;
}

/* Secrets may have come and gone since the search began: one that is gone opens nothing. */
static void job_slice(struct search *s, struct search_job *job, const struct keying *k, int64_t now,
                      struct search_hit *hit)
{
    bool more = true;

    if (job->as_of != s->count_found) {
        job->as_of = s->count_found;
        if (job_again(s, job, k, now, hit))
            return;
    }
    while (more && job->at_span < job->spans) {
        const struct keying_secret *secret = keying_find(k, job->span[job->at_span].serial);

        if (secret != NULL && search_begin_trials(s, secret, &job->target))
            more = job_span(s, job, secret, now, hit);
        else
            job->at_span++;
        search_end_trials(s);
    }
    if (!more)
        return;
    if (has_tried(job, k))
        search_give_up(s, &job->target, k, now);
    job_end(s, job);
}

bool search_run(struct search *s, int64_t now, struct search_hit *hit)
{
    struct keying k;

    *hit = (struct search_hit){.found = false};
    if (s->jobs == 0)
        return false;
    do
        s->turn = (s->turn + 1) % AGENT_SEARCH_JOBS;
    while (!s->job[s->turn].used);

    struct search_job *job = &s->job[s->turn];
    if (search_keying(s, &job->target, now, &k) == PDM_STATUS_OK &&
        search_is_allowed(s, &k, &job->target, now))
        job_slice(s, job, &k, now, hit);
    else
        job_end(s, job);
    keying_wipe(&k);
    return s->jobs > 0;
}
