/* SPDX-License-Identifier: BSD-2-Clause */
/* Opening what a peer sealed: the set of its live Kri. */
#include "core/receiver.h"

#include <sodium.h>
#include <string.h>

#include "core/seal.h"

static bool derive_next(const struct pdm_suite *suite, struct pdm_receiver_secret *s, uint64_t kri)
{
    s->next_kri = kri;
    s->next_valid = pdm_kri_key(suite, s->flow, kri, &s->next_key);
    return s->next_valid;
}

/* --- the secrets --- */

/* The place of the secret of SERIAL; PDM_PEER_SECRETS if there is none. */
static unsigned place_of(const struct pdm_receiver *r, uint32_t serial)
{
    unsigned at = 0;

    while (at < PDM_PEER_SECRETS && !(r->secret[at].used && r->secret[at].serial == serial)) {
        at++;
    }
    return at;
}

/* A secret is told by its octets: whatever its serial, it shall not be replayed. */
static bool is_same(const struct pdm_receiver_secret *s, const struct pdm_peer_secret *given)
{
    return s->used && sodium_memcmp(s->flow, given->flow, sizeof(s->flow)) == 0;
}

static void forget(struct pdm_receiver *r, unsigned at)
{
    for (unsigned i = 0; i < PDM_LIVE_KRI; i++) {
        if (r->live[i].used && r->live[i].secret == at) {
            sodium_memzero(&r->live[i], sizeof(r->live[i]));
        }
    }
    sodium_memzero(&r->secret[at], sizeof(r->secret[at]));
}

static bool is_given(const struct pdm_receiver_secret *s, const struct pdm_peer_secret *given,
                     unsigned secrets)
{
    for (unsigned i = 0; i < secrets; i++) {
        if (is_same(s, &given[i])) {
            return true;
        }
    }
    return false;
}

/* The place of GIVEN: its own or, since what is not given any more was forgotten, an empty one. */
static unsigned place_for(const struct pdm_receiver *r, const struct pdm_peer_secret *given)
{
    for (unsigned at = 0; at < PDM_PEER_SECRETS; at++) {
        if (is_same(&r->secret[at], given)) {
            return at;
        }
    }
    return r->secret[0].used ? 1 : 0;
}

static bool put(struct pdm_receiver *r, unsigned at, const struct pdm_peer_secret *given)
{
    struct pdm_receiver_secret *s = &r->secret[at];

    s->serial = given->serial;
    if (s->used) {
        return true;
    }
    s->used = true;
    memcpy(s->flow, given->flow, sizeof(s->flow));
    return derive_next(&r->suite, s, given->guess);
}

bool pdm_receiver_use(struct pdm_receiver *r, const struct pdm_suite *suite,
                      const struct pdm_peer_secret *given, unsigned secrets)
{
    bool same = memcmp(&r->suite, suite, sizeof(*suite)) == 0;

    for (unsigned at = 0; at < PDM_PEER_SECRETS; at++) {
        if (!same || !is_given(&r->secret[at], given, secrets)) {
            forget(r, at);
        }
    }
    r->suite = *suite;
    for (unsigned i = 0; i < secrets; i++) {
        if (!put(r, place_for(r, &given[i]), &given[i])) {
            return false;
        }
    }
    r->likelier = (uint8_t)place_for(r, &given[0]);
    r->awaits_newer = secrets > 1 && given[1].newer;
    r->newer_seen = false;
    return true;
}

bool pdm_receiver_knows(const struct pdm_receiver *r, uint32_t serial)
{
    return place_of(r, serial) < PDM_PEER_SECRETS;
}

/* --- the live Kri --- */

static bool highest_of(const struct pdm_receiver *r, unsigned secret, uint64_t *kri)
{
    bool any = false;
    for (unsigned i = 0; i < PDM_LIVE_KRI; i++) {
        const struct pdm_live *live = &r->live[i];
        if (live->used && live->secret == secret && (!any || live->kri > *kri)) {
            *kri = live->kri;
            any = true;
        }
    }
    return any;
}

bool pdm_receiver_highest(const struct pdm_receiver *r, uint32_t *serial, uint64_t *kri)
{
    const struct pdm_live *latest = NULL;
    for (unsigned i = 0; i < PDM_LIVE_KRI; i++) {
        const struct pdm_live *live = &r->live[i];
        if (live->used && (latest == NULL || live->last_use > latest->last_use)) {
            latest = live;
        }
    }
    if (latest == NULL) {
        return false;
    }
    *serial = r->secret[latest->secret].serial;
    return highest_of(r, latest->secret, kri);
}

/* The most recently used live Kri with that F among those used before turn BEFORE, or NULL. */
static struct pdm_live *most_recent(struct pdm_receiver *r, uint8_t f, uint64_t before)
{
    struct pdm_live *best = NULL;
    for (unsigned i = 0; i < PDM_LIVE_KRI; i++) {
        struct pdm_live *live = &r->live[i];
        if (live->used && (live->kri & 1) == f && live->last_use < before &&
            (best == NULL || live->last_use > best->last_use)) {
            best = live;
        }
    }
    return best;
}

static bool is_highest(const struct pdm_receiver *r, const struct pdm_live *live)
{
    uint64_t highest = 0;
    return highest_of(r, live->secret, &highest) && live->kri == highest;
}

/* An unused place, or else the least recently used one but that of either secret's highest Kri. */
static struct pdm_live *place(struct pdm_receiver *r)
{
    struct pdm_live *oldest = NULL;
    for (unsigned i = 0; i < PDM_LIVE_KRI; i++) {
        struct pdm_live *live = &r->live[i];
        if (!live->used) {
            return live;
        }
        if (!is_highest(r, live) && (oldest == NULL || live->last_use < oldest->last_use)) {
            oldest = live;
        }
    }
    return oldest;
}

_Static_assert(PDM_LIVE_KRI > PDM_PEER_SECRETS, "one more than the highest Kri of all");

/* The guess proved right: it becomes live, and the successor of the highest is derived ahead. */
static struct pdm_live *promote(struct pdm_receiver *r, unsigned secret)
{
    struct pdm_receiver_secret *s = &r->secret[secret];
    struct pdm_live *live = place(r);
    struct pdm_receiver_secret *loser = &r->secret[live->secret];
    if (live->used && live->kri >= loser->fresh) {
        loser->fresh = live->kri + 1;
    }
    *live = (struct pdm_live){
        .used = true, .secret = (uint8_t)secret, .kri = s->next_kri, .key = s->next_key};
    uint64_t highest = live->kri;
    (void)highest_of(r, secret, &highest);
    s->next_valid = false;
    if (highest < UINT64_MAX) {
        (void)derive_next(&r->suite, s, highest + 1);
    }
    return live;
}

static struct pdm_live *touch(struct pdm_receiver *r, struct pdm_live *live)
{
    live->last_use = ++r->turn;
    if (r->awaits_newer && live->secret != r->likelier) {
        r->newer_seen = true;
    }
    return live;
}

struct pdm_live *pdm_receiver_open(struct pdm_receiver *r,
                                   const uint8_t option[static PDM_OPTION_MAX],
                                   struct pdm_fields *fields)
{
    uint8_t f = option[PDM_AAD_LEN - 1] & 1;
    struct pdm_live *live = most_recent(r, f, UINT64_MAX);
    while (live != NULL) {
        if (pdm_open(&r->suite, &live->key, option, fields)) {
            return touch(r, live);
        }
        live = most_recent(r, f, live->last_use);
    }
    for (unsigned i = 0; i < PDM_PEER_SECRETS; i++) {
        unsigned secret = (r->likelier + i) % PDM_PEER_SECRETS;
        const struct pdm_receiver_secret *s = &r->secret[secret];
        if (s->next_valid && (s->next_kri & 1) == f &&
            pdm_open(&r->suite, &s->next_key, option, fields)) {
            return touch(r, promote(r, secret));
        }
    }
    return NULL;
}

bool pdm_receiver_expect(struct pdm_receiver *r, uint32_t serial, uint64_t kri)
{
    unsigned secret = place_of(r, serial);
    if (secret == PDM_PEER_SECRETS) {
        return false;
    }
    for (unsigned i = 0; i < PDM_LIVE_KRI; i++) {
        if (r->live[i].used && r->live[i].secret == secret && r->live[i].kri == kri) {
            return true;
        }
    }
    struct pdm_receiver_secret *s = &r->secret[secret];
    if (s->next_valid && s->next_kri == kri) {
        return true;
    }
    return kri >= s->fresh && derive_next(&r->suite, s, kri);
}
