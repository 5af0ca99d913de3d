/* SPDX-License-Identifier: BSD-2-Clause */
/* Opening what a peer sealed: the set of its live Kri. */
#include "core/receiver.h"

#include <string.h>

#include "core/seal.h"

static bool derive_next(struct pdm_receiver *r, uint64_t kri)
{
    r->next_kri = kri;
    r->next_valid = pdm_kri_key(&r->suite, r->secret, kri, &r->next_key);
    return r->next_valid;
}

bool pdm_receiver_init(struct pdm_receiver *r, const struct pdm_suite *suite,
                       const uint8_t secret[static PDM_NH_MAX], uint64_t guess)
{
    *r = (struct pdm_receiver){.suite = *suite};
    memcpy(r->secret, secret, sizeof(r->secret));
    return derive_next(r, guess);
}

bool pdm_receiver_highest(const struct pdm_receiver *r, uint64_t *kri)
{
    bool any = false;
    for (unsigned i = 0; i < PDM_LIVE_KRI; i++) {
        const struct pdm_live *live = &r->live[i];
        if (live->used && (!any || live->kri > *kri)) {
            *kri = live->kri;
            any = true;
        }
    }
    return any;
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

/* An unused place, or else the least recently used one but that of the highest Kri. */
static struct pdm_live *place(struct pdm_receiver *r)
{
    uint64_t highest = 0;
    (void)pdm_receiver_highest(r, &highest);
    struct pdm_live *oldest = NULL;
    for (unsigned i = 0; i < PDM_LIVE_KRI; i++) {
        struct pdm_live *live = &r->live[i];
        if (!live->used) {
            return live;
        }
        if (live->kri != highest && (oldest == NULL || live->last_use < oldest->last_use)) {
            oldest = live;
        }
    }
    return oldest;
}

/* The guess proved right: it becomes live, and the successor of the highest is derived ahead. */
static struct pdm_live *promote(struct pdm_receiver *r)
{
    struct pdm_live *live = place(r);
    if (live->used && live->kri >= r->fresh) {
        r->fresh = live->kri + 1;
    }
    *live = (struct pdm_live){.used = true, .kri = r->next_kri, .key = r->next_key};
    uint64_t highest = live->kri;
    (void)pdm_receiver_highest(r, &highest);
    r->next_valid = false;
    if (highest < UINT64_MAX) {
        (void)derive_next(r, highest + 1);
    }
    return live;
}

static struct pdm_live *touch(struct pdm_receiver *r, struct pdm_live *live)
{
    live->last_use = ++r->turn;
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
    if (r->next_valid && (r->next_kri & 1) == f &&
        pdm_open(&r->suite, &r->next_key, option, fields)) {
        return touch(r, promote(r));
    }
    return NULL;
}

bool pdm_receiver_expect(struct pdm_receiver *r, uint64_t kri)
{
    for (unsigned i = 0; i < PDM_LIVE_KRI; i++) {
        if (r->live[i].used && r->live[i].kri == kri) {
            return true;
        }
    }
    if (r->next_valid && r->next_kri == kri) {
        return true;
    }
    return kri >= r->fresh && derive_next(r, kri);
}
