/* SPDX-License-Identifier: BSD-2-Clause */
/* PairDeviceKeys: what two addresses agreed on in a pairing (ibc). */
#include "keyagent/enrolment/enrolment_inside.h"

#include <string.h>

/* A goes before B: it is of an earlier negotiation, or pairing. */
static bool is_older(const struct pairwise_item *a, const struct pairwise_item *b)
{
    return a->epoch != b->epoch ? a->epoch < b->epoch : a->serial < b->serial;
}

/* The keys that OWN and PEER agreed on, older first. Returns how many. */
static unsigned paired_keys(const struct enrolment *e, uint32_t pair,
                            const uint8_t own[static PDM_ADDR_LEN],
                            const uint8_t peer[static PDM_ADDR_LEN],
                            struct pairwise_item *key[static PDM_PEER_SECRETS])
{
    unsigned count = 0;

    for (struct pairwise_item *item = pairwise_next(&e->pairwise, NULL, pair, own, peer);
         item != NULL && count < PDM_PEER_SECRETS;
         item = pairwise_next(&e->pairwise, item, pair, own, peer)) {
        unsigned at = count++;

        for (; at > 0 && is_older(item, key[at - 1]); at--)
            key[at] = key[at - 1];
        key[at] = item;
    }
    return count;
}

/* NEWEST: the epoch of the latest key of theirs, or NULL. */
static enum pdm_status ask_peer(struct enrolment *e, const struct enrolled_pair *pair,
                                const uint8_t own[static PDM_ADDR_LEN],
                                const uint8_t peer[static PDM_ADDR_LEN], const uint64_t *newest)
{
    struct enrolment_pairing request = {.pair = pair, .peer = peer};

    for (unsigned i = pair->epochs; i-- > 0 && request.scope == NULL;) {
        request.epoch = &pair->epoch[i];
        request.scope = enrolled_scope_find(request.epoch, own);
    }
    if (request.scope == NULL || e->hooks.pairing == NULL)
        return PDM_STATUS_NOT_NAMED;
    return newest == NULL || *newest < request.epoch->epoch ? e->hooks.pairing(e->arg, e, &request)
                                                            : PDM_STATUS_OK;
}

/*
 * Two keys of one negotiation, neither of which the peer has shown to have: somebody may have begun
 * pairings in its name, and it may have none of them. One of our own settles it.
 */
static bool is_contested(struct pairwise_item *key[static PDM_PEER_SECRETS], unsigned keys)
{
    return keys == PDM_PEER_SECRETS && key[0]->epoch == key[1]->epoch &&
           key[0]->send_at == INT64_MAX && key[1]->send_at == INT64_MAX;
}

enum pdm_status enrolment_device_keys(struct enrolment *e, const struct enrolled_pair *pair,
                                      const uint8_t own[static PDM_ADDR_LEN],
                                      const uint8_t peer[static PDM_ADDR_LEN],
                                      struct enrolled_secret secret[static PDM_PEER_SECRETS],
                                      unsigned *count)
{
    struct pairwise_item *key[PDM_PEER_SECRETS];
    unsigned keys = paired_keys(e, pair->pair, own, peer, key);
    const uint64_t *newest = NULL;

    for (unsigned i = 0; i < keys; i++) {
        const struct enrolled_epoch *epoch = enrolled_epoch_find(pair, key[i]->epoch);
        const struct enrolled_scope *scope = enrolled_scope_find(epoch, own);

        if (scope == NULL)
            continue;
        pairwise_used(&e->pairwise, key[i]);
        secret[*count] = (struct enrolled_secret){.suite = epoch->suite,
                                                  .ledger = scope->ledger,
                                                  .serial = key[i]->serial,
                                                  .send_at = key[i]->send_at};
        memcpy(secret[*count].shared, pairwise_secret(&e->pairwise, key[i]), sizeof secret->shared);
        ++*count;
        newest = &epoch->epoch;
    }
    return ask_peer(e, pair, own, peer, is_contested(key, keys) ? NULL : newest);
}

/*
 * Of two keys and a third one goes: one that the peer has not shown to have, for anyone can begin a
 * pairing in another's name, and of two such the newer, for the older may be in use: while it was
 * the only one nothing could show that; else the older.
 */
static struct pairwise_item *dispensable(struct pairwise_item *key[static PDM_PEER_SECRETS])
{
    for (unsigned i = PDM_PEER_SECRETS; i-- > 0;)
        if (key[i]->send_at == INT64_MAX)
            return key[i];
    return key[0];
}

uint32_t enrolment_pair_device_key(struct enrolment *e, uint32_t pair, uint64_t epoch,
                                   const uint8_t own[static PDM_ADDR_LEN],
                                   const uint8_t peer[static PDM_ADDR_LEN],
                                   const uint8_t key[static PDM_NH_MAX], bool initiator)
{
    struct pairwise_item *held[PDM_PEER_SECRETS];
    const struct enrolled_pair *of = enrolled_pair_find(&e->held, pair);
    const struct enrolled_epoch *by = enrolled_epoch_find(of, epoch);

    if (enrolled_scope_find(by, own) == NULL || of->secmop != PDM_SECMOP_IBC)
        return 0;
    if (paired_keys(e, pair, own, peer, held) == PDM_PEER_SECRETS)
        pairwise_remove(&e->pairwise, dispensable(held));
    struct pairwise_item *item =
        pairwise_add(&e->pairwise, pair, epoch, own, peer, PAIRWISE_UNUSED);
    uint8_t *secret = pairwise_secret(&e->pairwise, item);
    if (secret == NULL) {
        pairwise_remove(&e->pairwise, item);
        return 0;
    }
    memset(secret, 0, PDM_NH_MAX);
    memcpy(secret, key, pdm_suite_nh(&by->suite));
    item->serial = enrolled_next_serial();
    item->send_at = initiator ? 0 : INT64_MAX;
    pairwise_set_state(&e->pairwise, item, PAIRWISE_SECRET);
    e->hooks.peer_changed(e->arg, e, pair, own, peer);
    return item->serial;
}

void enrolment_device_key_moved(struct enrolment *e, uint32_t pair,
                                const uint8_t own[static PDM_ADDR_LEN],
                                const uint8_t peer[static PDM_ADDR_LEN], uint32_t serial)
{
    struct pairwise_item *key[PDM_PEER_SECRETS];
    unsigned keys = paired_keys(e, pair, own, peer, key);

    for (unsigned i = 0; i < keys; i++)
        if (key[i]->serial == serial)
            key[i]->send_at = 0;
}

void enrolment_pair_device_key_shown(struct enrolment *e, uint32_t pair,
                                     const uint8_t own[static PDM_ADDR_LEN],
                                     const uint8_t peer[static PDM_ADDR_LEN], uint32_t serial)
{
    if (enrolled_pair_find(&e->held, pair) == NULL)
        return;
    enrolment_device_key_moved(e, pair, own, peer, serial);
    e->hooks.peer_changed(e->arg, e, pair, own, peer);
}
