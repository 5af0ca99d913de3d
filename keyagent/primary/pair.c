/* SPDX-License-Identifier: BSD-2-Clause */
/* What is known of one peer. */
#include "keyagent/primary/pair.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "keyagent/harden.h"
#include "keyagent/log.h"

/* A secret is renewed at 3/4 of its lifetime or earlier, by up to 1/8, so that not all are at once.
 */
#define RENEWAL_QUARTERS 3
#define RENEWAL_JITTER 8

struct pair *pair_new(struct store *store, const struct primary_peer *peer)
{
    struct pair *p = calloc(1, sizeof *p);

    if (p == NULL) {
        log_error("no memory for peer %s", peer->name);
        return NULL;
    }
    p->peer = peer;
    p->secret = harden_alloc(STORE_SECRETS_MAX, sizeof *p->secret);
    if (p->secret != NULL && store_pair(store, peer->name, peer->side, &p->row)) {
        p->list.pair = p->row.pair;
        p->list.side = peer->side == PDM_SIDE_CLIENT ? PDM_SIDE_SERVER : PDM_SIDE_CLIENT;
        if (pair_sync(p, store))
            return p;
    }
    pair_free(p);
    return NULL;
}

void pair_free(struct pair *p)
{
    if (p == NULL)
        return;
    sodium_free(p->secret);
    list_free(&p->list);
    parcel_drop(p->parcel);
    free(p);
}

bool pair_sync(struct pair *p, struct store *store)
{
    return store_pair(store, p->peer->name, p->peer->side, &p->row) &&
           store_secrets(store, p->row.pair, p->secret, &p->secrets) && list_sync(&p->list, store);
}

const struct store_secret *pair_secret(const struct pair *p, uint64_t epoch)
{
    for (size_t i = 0; i < p->secrets; i++)
        if (p->secret[i].epoch == epoch)
            return &p->secret[i];
    return NULL;
}

const struct store_secret *pair_tagged(const struct pair *p, uint64_t epoch,
                                       const uint8_t tag[static PDM_TAG_ID_LEN])
{
    const struct store_secret *s = pair_secret(p, epoch);

    return s != NULL && sodium_memcmp(s->tag, tag, PDM_TAG_ID_LEN) == 0 ? s : NULL;
}

static bool is_alive(const struct store_secret *s, int64_t now)
{
    return s->lifetime_s == 0 || now < s->made_at + s->lifetime_s;
}

const struct store_secret *pair_current(const struct pair *p, int64_t now)
{
    const struct store_secret *s = grants_current(p->secret, p->secrets);

    return s != NULL && s->epoch >= p->row.usable_from && is_alive(s, now) ? s : NULL;
}

void pair_want(struct pair *p)
{
    p->wanted_from = p->row.negotiations;
}

bool pair_is_wanted(const struct pair *p)
{
    const struct store_secret *s = grants_current(p->secret, p->secrets);
    const uint64_t from = p->row.renew_from > p->wanted_from ? p->row.renew_from : p->wanted_from;

    return from > 0 && (s == NULL || s->epoch < from);
}

bool pair_may_negotiate(struct pair *p, int64_t now)
{
    /* Slowed down, a bucket's second is a minute. */
    return bucket_take(&p->negotiations, now / 60, PRIMARY_NEGOTIATIONS_MINUTE);
}

bool pair_is_due(const struct pair *p, int64_t now)
{
    const struct store_secret *s = pair_current(p, now);

    if (s == NULL || pair_is_wanted(p))
        return true;
    if (s->lifetime_s == 0)
        return false;
    int64_t renewal = (int64_t)s->lifetime_s * RENEWAL_QUARTERS / 4 -
                      (int64_t)s->lifetime_s * s->tag[0] / UINT8_MAX / RENEWAL_JITTER;
    return now >= s->made_at + renewal;
}

bool pair_has_ended(const struct pair *p, int64_t now)
{
    for (size_t i = 0; i < p->secrets; i++)
        if (p->secret[i].ends_at != 0 && p->secret[i].ends_at < now)
            return true;
    return false;
}

size_t pair_epochs(const struct pair *p, int64_t now,
                   struct grants_epoch epoch[static PDM_PEER_SECRETS])
{
    return grants_epochs(p->secret, p->secrets, p->row.usable_from, now, epoch);
}

struct parcel *pair_list_parcel(struct pair *p, struct store *store, uint64_t from)
{
    const struct pdm_list_request head = {.pair = p->row.pair};

    if (p->parcel == NULL || p->parcel_from != from || p->parcel_to != p->list.version) {
        parcel_drop(p->parcel);
        p->parcel = list_parcel(&p->list, store, from, &head);
        p->parcel_from = from;
        p->parcel_to = p->list.version;
    }
    return p->parcel != NULL ? parcel_hold(p->parcel) : NULL;
}

void pair_rest(struct pair *p)
{
    parcel_drop(p->parcel);
    p->parcel = NULL;
}
