/* SPDX-License-Identifier: BSD-2-Clause */
/* The search for the Kri that opens an option. */
#include "keyagent/search.h"

#include <arpa/inet.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "core/keys.h"
#include "core/limits.h"
#include "core/seal.h"
#include "keyagent/clock.h"
#include "keyagent/harden.h"
#include "keyagent/keying.h"
#include "keyagent/log.h"

#define F_OCTET (PDM_AAD_LEN - 1) /* of an option: its lowest bit is f */
#define CLOCK_EVERY 32            /* trials between looks at the clock */
#define FOUND_BELOW 32 /* Kri of a tuple that other holders may still use, below its highest */

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

/* What was found, what failed: fixed places, a newcomer replaces whoever is there. */

static struct search_found *found_place(const struct search *s, const struct pdm_tuple *tuple)
{
    return &s->found[pdm_tuple_hash(tuple, s->seed) % AGENT_SEARCH_MEMORY];
}

static const struct search_found *found_get(const struct search *s, uint32_t ledger,
                                            const struct pdm_tuple *tuple)
{
    const struct search_found *found = found_place(s, tuple);

    if (found->used && found->ledger == ledger && pdm_tuple_equal(&found->tuple, tuple))
        return found;
    return NULL;
}

static void found_put(struct search *s, uint32_t ledger, const struct pdm_tuple *tuple,
                      uint64_t kri)
{
    const struct search_found *before = found_get(s, ledger, tuple);

    if (before == NULL || before->kri < kri)
        *found_place(s, tuple) =
            (struct search_found){.used = true, .ledger = ledger, .tuple = *tuple, .kri = kri};
}

/* Keyed, and over the very octets: nobody can make a good option look like one that failed. */
static uint64_t failure_hash(const struct search *s, const struct search_target *target)
{
    uint8_t text[PDM_TUPLE_LEN + PDM_OPTION_MAX];
    uint64_t hash;

    _Static_assert(sizeof s->hash_key == crypto_shorthash_KEYBYTES, "key");
    _Static_assert(sizeof hash == crypto_shorthash_BYTES, "hash");
    pdm_tuple_bytes(&target->tuple, text);
    memcpy(text + PDM_TUPLE_LEN, target->option, PDM_OPTION_MAX);
    crypto_shorthash((uint8_t *)&hash, text, sizeof text, s->hash_key);
    return hash;
}

static enum pdm_status failure_get(const struct search *s, const struct search_target *target,
                                   int64_t now)
{
    uint64_t hash = failure_hash(s, target);
    const struct search_failure *failure = &s->failure[hash % AGENT_SEARCH_MEMORY];

    return failure->hash == hash && failure->until > now ? failure->status : PDM_STATUS_OK;
}

static void failure_put(struct search *s, const struct search_target *target,
                        enum pdm_status status, int64_t now)
{
    uint64_t hash = failure_hash(s, target);

    s->failure[hash % AGENT_SEARCH_MEMORY] = (struct search_failure){
        .hash = hash, .until = now + AGENT_SEARCH_FAILURE_NS, .status = status};
}

/* Peers whose options no key opens. */

static int64_t penalty_for(const struct association *a)
{
    static const int64_t ns[CONFIG_UNDECRYPTABLES] = {
        [CONFIG_UNDECRYPTABLE_THROTTLE] = AGENT_THROTTLE_NS,
        [CONFIG_UNDECRYPTABLE_FILTER] = AGENT_FILTER_NS,
    };

    return ns[a->undecryptable];
}

static struct penalty_peer penalty_peer(const struct association *a, const struct keying *k,
                                        const uint8_t *addr)
{
    return (struct penalty_peer){a->number, k->of[k->count - 1].serial, addr};
}

int64_t search_penalty(const struct search *s, const struct association *a, const struct keying *k,
                       const uint8_t peer[static PDM_ADDR_LEN], int64_t now)
{
    struct penalty_peer who = penalty_peer(a, k, peer);

    return penalty_for(a) != 0 ? penalties_left(&s->penalties, &who, now) : 0;
}

static bool may_search(const struct search *s, const struct keying *k,
                       const struct search_target *target, int64_t now)
{
    const struct association *a = associations_get(s->associations, target->association);

    return search_penalty(s, a, k, target->tuple.saddr, now) == 0;
}

/* The option of TARGET is dropped (draft -02 section 7), and its sender kept in check. */
static void give_up(struct search *s, const struct search_target *target, const struct keying *k,
                    int64_t now)
{
    const struct association *a = associations_get(s->associations, target->association);
    struct penalty_peer who = penalty_peer(a, k, target->tuple.saddr);
    char addr[INET6_ADDRSTRLEN] = "?";

    inet_ntop(AF_INET6, who.addr, addr, sizeof addr);
    log_info("association %s: no key opens an option of %s that looks encrypted", a->name, addr);
    failure_put(s, target, PDM_STATUS_NOT_FOUND, now);
    if (penalty_for(a) == 0)
        return;
    penalties_impose(&s->penalties, &who, now + penalty_for(a));
    log_info("association %s: nothing is searched for %s for %d seconds", a->name, addr,
             (int)(penalty_for(a) / PDM_NSEC_PER_SEC));
}

/* Trials. */

static bool opens(const struct search *s, const struct keying_secret *k,
                  const struct search_target *target, uint64_t kri)
{
    struct pdm_key key;
    struct pdm_fields fields;
    bool good = kri % 2 == (target->option[F_OCTET] & 1U) &&
                pdm_kri_key(&k->suite, *s->secret, kri, &key) &&
                pdm_open(&k->suite, &key, target->option, &fields);

    sodium_memzero(&key, sizeof key);
    return good;
}

static bool begin_trials(struct search *s, const struct keying_secret *k,
                         const struct search_target *target)
{
    return pdm_flow_secret(&k->suite, k->shared, &target->tuple, *s->secret);
}

static void end_trials(struct search *s)
{
    sodium_memzero(s->secret, sizeof *s->secret);
}

static enum pdm_status keying_for(const struct search *s, const struct search_target *target,
                                  int64_t now, struct keying *k)
{
    const struct association *a = associations_get(s->associations, target->association);
    const struct pdm_tuple *tuple = &target->tuple;

    if (a != NULL)
        return keying_of(s->associations, a, tuple->daddr, tuple->saddr, target->group, now, k);
    *k = (struct keying){0};
    return PDM_STATUS_NOT_NAMED;
}

static const char *name_of(const struct search *s, const struct search_target *target)
{
    return associations_get(s->associations, target->association)->name;
}

static struct peer *peer_of(const struct search *s, const struct keying_secret *k,
                            const struct search_target *target)
{
    return peers_find(s->peers, s->ledger->secret[k->ledger].id, target->tuple.saddr);
}

/* KRI under K opens TARGET: is it a good one? */
static enum pdm_status judge(struct search *s, const struct keying_secret *k,
                             const struct search_target *target, uint64_t kri, int64_t now)
{
    const struct peer *peer = peer_of(s, k, target);
    uint32_t generation = (uint32_t)(kri >> 32);

    if (peer != NULL && peer_is_past(peer, generation)) {
        log_warning("association %s: an option of generation %u, long past, was replayed",
                    name_of(s, target), generation);
        failure_put(s, target, PDM_STATUS_REPLAY, now);
        return PDM_STATUS_REPLAY;
    }
    peers_saw(s->peers, s->ledger->secret[k->ledger].id, target->tuple.saddr, generation);
    found_put(s, k->ledger, &target->tuple, kri);
    s->count_found++;
    return PDM_STATUS_OK;
}

/* The first counter from COUNTER on whose lowest bit is the option's f. */
static uint64_t with_f(const struct search_target *target, uint64_t counter)
{
    return counter + (counter % 2 != (target->option[F_OCTET] & 1U));
}

static bool try_generation(const struct search *s, const struct keying_secret *k,
                           const struct search_target *target, const struct search_span *span,
                           uint64_t *kri)
{
    uint64_t end = (uint64_t)span->counter + span->counters;

    for (uint64_t c = with_f(target, span->counter); c < end && c <= UINT32_MAX; c += 2) {
        *kri = (uint64_t)span->first << 32 | c;
        if (opens(s, k, target, *kri))
            return true;
    }
    return false;
}

/* The part that is done at once. */

static struct search_span span_in(uint32_t generation, const uint64_t *highest,
                                  const struct search_found *found)
{
    struct search_span span = {
        .first = generation, .generations = 1, .counters = PDM_SEARCH_COUNTERS};

    if (highest != NULL && *highest >> 32 == generation && (uint32_t)*highest != UINT32_MAX) {
        span.counter = (uint32_t)*highest + 1;
    } else if (found != NULL && found->kri >> 32 == generation) {
        uint32_t counter = (uint32_t)found->kri;

        span.counter = counter > FOUND_BELOW ? counter - FOUND_BELOW : 0;
        span.counters += counter - span.counter + 1;
    }
    return span;
}

/* A peer whose ledger is full goes on in the next generation: this must not wait for a search that
 * goes on for an option of before, perhaps under a secret that is gone. */
static bool try_next_generations(const struct search *s, const struct keying_secret *k,
                                 const struct search_target *target, const struct peer *peer,
                                 uint64_t *kri)
{
    struct search_span span = {.first = peer->highest, .generations = 1, .counters = 2};

    for (uint32_t i = 0; peer->seen_count > 0 && i < PDM_SEARCH_GENERATIONS; i++) {
        if (span.first++ == UINT32_MAX)
            return false;
        if (try_generation(s, k, target, &span, kri))
            return true;
    }
    return false;
}

static bool try_at_once(const struct search *s, const struct keying_secret *k,
                        const struct search_target *target, const struct peer *peer,
                        const uint64_t *highest, uint64_t *kri)
{
    const struct search_found *found = found_get(s, k->ledger, &target->tuple);
    uint32_t generation[PDM_SEARCH_GENERATIONS] = {0, 1, 2, 3}; /* of a peer never heard of */
    uint32_t count = PDM_SEARCH_GENERATIONS;

    if (peer->seen_count > 0)
        count = peer_latest(peer, generation);
    if (found != NULL) {
        *kri = found->kri;
        if (opens(s, k, target, *kri))
            return true;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct search_span span = span_in(generation[i], highest, found);

        if (try_generation(s, k, target, &span, kri))
            return true;
    }
    return try_next_generations(s, k, target, peer, kri);
}

/* The part that goes on in slices. */

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

static void plan(struct search_job *job, uint32_t serial, const struct peer *peer)
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

static struct search_job *job_of(struct search *s, const struct search_target *target)
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
static enum pdm_status enqueue(struct search *s, const struct search_job *job)
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

/* What the asking end has seen counts for its own search; only what was opened here is kept. */
static struct peer view_of(const struct peer *peer, const uint64_t *highest)
{
    struct peer view = {0};

    if (peer != NULL)
        view = *peer;
    if (highest != NULL)
        peer_saw(&view, (uint32_t)(*highest >> 32));
    return view;
}

/* By any of its secrets: a new one does not make a stranger of a peer. */
static bool pay(struct search *s, const struct keying *k, const struct search_target *target,
                bool known, int64_t now)
{
    struct peer *peer = NULL;

    for (unsigned i = 0; i < k->count; i++) {
        if (peer == NULL)
            peer = peer_of(s, &k->of[i], target);
        known = known || found_get(s, k->of[i].ledger, &target->tuple) != NULL;
    }
    return within_budget(s, peer, known, now);
}

/* What can be done at once with one secret; for the rest, JOB. */
static enum pdm_status ask_of(struct search *s, const struct keying_secret *k,
                              const struct search_target *target, const struct search_kri *highest,
                              int64_t now, struct search_kri *found, struct search_job *job)
{
    const uint64_t *seen = highest != NULL && highest->serial == k->serial ? &highest->kri : NULL;
    struct peer view = view_of(peer_of(s, k, target), seen);

    if (!begin_trials(s, k, target))
        return PDM_STATUS_LATER; /* the others may do */
    bool opened = try_at_once(s, k, target, &view, seen, &found->kri);
    end_trials(s);
    found->serial = k->serial;
    if (opened)
        return judge(s, k, target, found->kri, now);
    plan(job, k->serial, &view);
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
    if (status != PDM_STATUS_LATER || job_of(s, target) != NULL)
        return status;
    return job.spans > 0 ? enqueue(s, &job) : PDM_STATUS_NOT_FOUND;
}

enum pdm_status search_ask(struct search *s, const struct search_target *target,
                           const struct search_kri *highest, int64_t now, struct search_kri *found)
{
    enum pdm_status status = failure_get(s, target, now);
    struct keying k;

    s->count++;
    if (status != PDM_STATUS_OK)
        return status;
    status = keying_for(s, target, now, &k);
    if (status == PDM_STATUS_OK)
        status = may_search(s, &k, target, now) ? ask_of_each(s, &k, target, highest, now, found)
                                                : PDM_STATUS_NOT_FOUND;
    keying_wipe(&k);
    return status;
}

/* Moves JOB to its next Kri in the span that it is at; false if that was the last there. */
static bool job_next(struct search_job *job, uint64_t *kri)
{
    const struct search_span *span = &job->span[job->at_span];

    while (job->generation < span->generations) {
        uint64_t counter = with_f(&job->target, (uint64_t)span->counter + job->counter);

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
    hit->found = judge(s, k, &job->target, kri, now) == PDM_STATUS_OK;
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
        if (opens(s, k, &job->target, kri)) {
            job_found(s, job, k, kri, now, hit);
            return false;
        }
        if (n % CLOCK_EVERY == 0 && clock_now() - now > AGENT_SEARCH_SLICE_NS)
            return false;
    }
    return true;
}

/* Secrets may have come and gone since the search began: one that is gone opens nothing. */
/* Another search may have shown meanwhile which generation the peer is in. */
static bool job_again(struct search *s, struct search_job *job, const struct keying *k, int64_t now,
                      struct search_hit *hit)
{
    bool opened = false;
    uint64_t kri;

    for (unsigned i = 0; i < k->count && !opened; i++) {
        const struct peer view = view_of(peer_of(s, &k->of[i], &job->target), NULL);

        if (begin_trials(s, &k->of[i], &job->target))
            opened = try_at_once(s, &k->of[i], &job->target, &view, NULL, &kri);
        end_trials(s);
        if (opened)
            job_found(s, job, &k->of[i], kri, now, hit);
    }
    return opened;
}

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

        if (secret != NULL && begin_trials(s, secret, &job->target))
            more = job_span(s, job, secret, now, hit);
        else
            job->at_span++;
        end_trials(s);
    }
    if (!more)
        return;
    give_up(s, &job->target, k, now);
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
    if (keying_for(s, &job->target, now, &k) == PDM_STATUS_OK &&
        may_search(s, &k, &job->target, now))
        job_slice(s, job, &k, now, hit);
    else
        job_end(s, job);
    keying_wipe(&k);
    return s->jobs > 0;
}
