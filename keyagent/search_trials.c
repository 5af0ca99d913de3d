/* SPDX-License-Identifier: BSD-2-Clause */
/* The trials of a search under one secret: what is done at once, and what a Kri that opens is
 * worth. */
#include <sodium.h>

#include "core/keys.h"
#include "core/limits.h"
#include "core/seal.h"
#include "keyagent/log.h"
#include "keyagent/search_inside.h"

#define F_OCTET (PDM_AAD_LEN - 1) /* of an option: its lowest bit is f */
#define FOUND_BELOW 32 /* Kri of a tuple that other holders may still use, below its highest */

enum pdm_status search_keying(const struct search *s, const struct search_target *target,
                              int64_t now, struct keying *k)
{
    const struct association *a = associations_get(s->associations, target->association);
    const struct pdm_tuple *tuple = &target->tuple;

    if (a != NULL)
        return keying_of(s->associations, a, tuple->daddr, tuple->saddr, target->group, now, k);
    *k = (struct keying){0};
    return PDM_STATUS_NOT_NAMED;
}

struct peer *search_peer(const struct search *s, const struct keying_secret *k,
                         const struct search_target *target)
{
    return peers_find(s->peers, s->ledger->secret[k->ledger].id, target->tuple.saddr);
}

struct peer search_view(const struct peer *peer, const uint64_t *highest)
{
    struct peer view = {0};

    if (peer != NULL)
        view = *peer;
    if (highest != NULL)
        peer_saw(&view, (uint32_t)(*highest >> 32));
    return view;
}

bool search_begin_trials(struct search *s, const struct keying_secret *k,
                         const struct search_target *target)
{
    return pdm_flow_secret(&k->suite, k->shared, &target->tuple, *s->secret);
}

void search_end_trials(struct search *s)
{
    sodium_memzero(s->secret, sizeof *s->secret);
}

bool search_opens(const struct search *s, const struct keying_secret *k,
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

/* At once. */

uint64_t search_with_f(const struct search_target *target, uint64_t counter)
{
    return counter + (counter % 2 != (target->option[F_OCTET] & 1U));
}

static bool try_generation(const struct search *s, const struct keying_secret *k,
                           const struct search_target *target, const struct search_span *span,
                           uint64_t *kri)
{
    uint64_t end = (uint64_t)span->counter + span->counters;

    for (uint64_t c = search_with_f(target, span->counter); c < end && c <= UINT32_MAX; c += 2) {
        *kri = (uint64_t)span->first << 32 | c;
        if (search_opens(s, k, target, *kri))
            return true;
    }
    return false;
}

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

bool search_try_at_once(const struct search *s, const struct keying_secret *k,
                        const struct search_target *target, const struct peer *peer,
                        const uint64_t *highest, uint64_t *kri)
{
    const struct search_found *found = search_found_get(s, k->ledger, &target->tuple);
    uint32_t generation[PDM_SEARCH_GENERATIONS] = {0, 1, 2, 3}; /* of a peer never heard of */
    uint32_t count = PDM_SEARCH_GENERATIONS;

    if (peer->seen_count > 0)
        count = peer_latest(peer, generation);
    if (found != NULL) {
        *kri = found->kri;
        if (search_opens(s, k, target, *kri))
            return true;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct search_span span = span_in(generation[i], highest, found);

        if (try_generation(s, k, target, &span, kri))
            return true;
    }
    return try_next_generations(s, k, target, peer, kri);
}

/* A Kri that opens. */

static const char *name_of(const struct search *s, const struct search_target *target)
{
    return associations_get(s->associations, target->association)->name;
}

enum pdm_status search_judge(struct search *s, const struct keying_secret *k,
                             const struct search_target *target, uint64_t kri, int64_t now)
{
    const struct peer *peer = search_peer(s, k, target);
    uint32_t generation = (uint32_t)(kri >> 32);

    if (peer != NULL && peer_is_past(peer, generation)) {
        log_warning("association %s: an option of generation %u, long past, was replayed",
                    name_of(s, target), generation);
        search_failure_put(s, target, PDM_STATUS_REPLAY, now);
        return PDM_STATUS_REPLAY;
    }
    peers_saw(s->peers, s->ledger->secret[k->ledger].id, target->tuple.saddr, generation);
    search_found_put(s, k->ledger, &target->tuple, kri);
    s->count_found++;
    return PDM_STATUS_OK;
}
