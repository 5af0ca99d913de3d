/* SPDX-License-Identifier: BSD-2-Clause */
/* The secrets of two addresses, by what their primaries negotiated. */
#include "keyagent/enrolment/enrolment_inside.h"

#include <sodium.h>
#include <string.h>

#include "core/modes.h"
#include "keyagent/clock.h"

static bool is_poller(const struct enrolled_pair *pair)
{
    return pair->secmop == PDM_SECMOP_ASYMMETRIC_POLL && pair->poller == pair->side;
}

/* Polled of the primary. */

static enum pdm_status poll_for(struct enrolment *e, const struct enrolled_pair *pair,
                                const struct enrolled_epoch *epoch,
                                const uint8_t own[static PDM_ADDR_LEN],
                                const uint8_t peer[static PDM_ADDR_LEN])
{
    struct pdm_poll_request request = {.pair = pair->pair, .epoch = epoch->epoch};

    if (e->pairwise.asked >= ENROLMENT_POLLS_MAX)
        return PDM_STATUS_QUOTA;
    memcpy(request.own, own, sizeof request.own);
    memcpy(request.peer, peer, sizeof request.peer);
    if (e->hooks.poll(e->arg, &request))
        pairwise_add(&e->pairwise, pair->pair, epoch->epoch, own, peer, PAIRWISE_ASKED);
    return PDM_STATUS_LATER;
}

static enum pdm_status of_poll(struct enrolment *e, const struct enrolled_pair *pair,
                               const struct enrolled_epoch *epoch,
                               const struct enrolled_scope *scope,
                               const uint8_t peer[static PDM_ADDR_LEN], int64_t now,
                               struct enrolled_secret *secret)
{
    struct pairwise_item *item =
        pairwise_find(&e->pairwise, pair->pair, epoch->epoch, scope->address, peer);

    if (item != NULL && item->state == PAIRWISE_REFUSED && item->until <= now) {
        pairwise_remove(&e->pairwise, item);
        item = NULL;
    }
    if (item == NULL)
        return poll_for(e, pair, epoch, scope->address, peer);
    if (item->state != PAIRWISE_SECRET)
        return item->state == PAIRWISE_ASKED ? PDM_STATUS_LATER : PDM_STATUS_NOT_NAMED;
    pairwise_used(&e->pairwise, item);
    memcpy(secret->shared, pairwise_secret(&e->pairwise, item), sizeof secret->shared);
    secret->serial = scope->serial[0];
    return PDM_STATUS_OK;
}

static const char *take_polled(struct enrolment *e, struct pairwise_item *item,
                               const struct enrolled_epoch *epoch,
                               const uint8_t secret[static PDM_NH_MAX])
{
    if (!enrolled_is_secret(&epoch->suite, secret))
        return "a secret of another length than its suite's";
    uint8_t *kept = pairwise_secret(&e->pairwise, item);
    if (kept == NULL) {
        pairwise_remove(&e->pairwise, item);
        return NULL;
    }
    memcpy(kept, secret, PDM_NH_MAX);
    pairwise_set_state(&e->pairwise, item, PAIRWISE_SECRET);
    return NULL;
}

const char *enrolment_take_poll(struct enrolment *e, struct pdm_reader *body, int64_t now)
{
    struct pdm_poll_response response;
    const char *wrong = NULL;

    pdm_get_poll_response(body, &response);
    const struct enrolled_epoch *epoch =
        enrolled_epoch_find(enrolled_pair_find(&e->held, response.pair), response.epoch);
    struct pairwise_item *item =
        pairwise_find(&e->pairwise, response.pair, response.epoch, response.own, response.peer);
    if (!pdm_message_done(body)) {
        wrong = "of another length than it has";
    } else if (item != NULL && item->state == PAIRWISE_ASKED && epoch != NULL) {
        if (response.status == PDM_REGISTRATION_OK) {
            wrong = take_polled(e, item, epoch, response.secret);
        } else if (response.status == PDM_REGISTRATION_REFUSED) {
            pairwise_set_state(&e->pairwise, item, PAIRWISE_REFUSED);
            item->until = now + ENROLMENT_REFUSED_NS;
        } else {
            pairwise_remove(&e->pairwise, item);
        }
    }
    sodium_memzero(&response, sizeof response);
    return wrong;
}

/* Had of the primary, or derived from that. */

/* A client has a secret for each group of servers. */
static enum pdm_status of_group(const struct enrolled_scope *scope, uint16_t group,
                                struct enrolled_secret *secret)
{
    for (unsigned i = 0; i < scope->grants; i++) {
        if (scope->group[i] == group) {
            memcpy(secret->shared, scope->secret[i], sizeof secret->shared);
            secret->serial = scope->serial[i];
            return PDM_STATUS_OK;
        }
    }
    return PDM_STATUS_NOT_NAMED;
}

/* Whoever holds the one secret of its own that both sides' derive from. */
static enum pdm_status of_holder(const struct enrolled_pair *pair,
                                 const struct enrolled_epoch *epoch,
                                 const struct enrolled_scope *scope,
                                 const uint8_t peer[static PDM_ADDR_LEN],
                                 struct enrolled_secret *secret)
{
    if (scope->grants == 0)
        return PDM_STATUS_NOT_NAMED;
    secret->serial = scope->serial[0];
    bool good = pair->side == PDM_SIDE_SERVER
                    ? pdm_pcs(&epoch->suite, scope->secret[0], peer, secret->shared)
                    : pdm_poll_pss(&epoch->suite, scope->secret[0], peer, secret->shared);
    return good ? PDM_STATUS_OK : PDM_STATUS_NOT_NAMED;
}

/* When PEER is sent to under EPOCH: as all peers are, or at once if it has moved there. */
static int64_t send_at(const struct enrolment *e, const struct enrolled_pair *pair,
                       const struct enrolled_epoch *epoch, const uint8_t own[static PDM_ADDR_LEN],
                       const uint8_t peer[static PDM_ADDR_LEN], int64_t now)
{
    if (epoch->send_at <= now)
        return epoch->send_at;
    const struct pairwise_item *item =
        pairwise_find(&e->pairwise, pair->pair, epoch->epoch, own, peer);
    bool moved = item != NULL && (item->state == PAIRWISE_MOVED || item->moved);
    return moved ? 0 : epoch->send_at;
}

static enum pdm_status of_epoch(struct enrolment *e, const struct enrolled_pair *pair,
                                const struct enrolled_epoch *epoch,
                                const struct enrolled_scope *scope,
                                const uint8_t peer[static PDM_ADDR_LEN], uint16_t group,
                                int64_t now, struct enrolled_secret *secret)
{
    *secret =
        (struct enrolled_secret){.suite = epoch->suite,
                                 .ledger = scope->ledger,
                                 .send_at = send_at(e, pair, epoch, scope->address, peer, now)};
    if (is_poller(pair))
        return of_poll(e, pair, epoch, scope, peer, now, secret);
    if (pair->secmop == PDM_SECMOP_TRUSTED_SERVERS && pair->side == PDM_SIDE_CLIENT)
        return of_group(scope, group, secret);
    return of_holder(pair, epoch, scope, peer, secret);
}

/* What is being asked for outweighs what cannot be asked for, and that what there will not be. */
static enum pdm_status weigh(enum pdm_status a, enum pdm_status b)
{
    if (a == PDM_STATUS_LATER || b == PDM_STATUS_LATER)
        return PDM_STATUS_LATER;
    return a == PDM_STATUS_NOT_NAMED ? b : a;
}

static enum pdm_status of_epochs(struct enrolment *e, const struct enrolled_pair *pair,
                                 const uint8_t own[static PDM_ADDR_LEN],
                                 const uint8_t peer[static PDM_ADDR_LEN], uint16_t group,
                                 int64_t now, struct enrolled_secret *secret, unsigned *count)
{
    enum pdm_status status = PDM_STATUS_NOT_NAMED;

    for (unsigned i = 0; i < pair->epochs; i++) {
        const struct enrolled_epoch *epoch = &pair->epoch[i];
        const struct enrolled_scope *scope = enrolled_scope_find(epoch, own);

        if (scope == NULL)
            continue;
        enum pdm_status one = of_epoch(e, pair, epoch, scope, peer, group, now, &secret[*count]);
        if (one == PDM_STATUS_OK)
            ++*count;
        else
            status = weigh(status, one);
    }
    return status;
}

enum pdm_status enrolment_secrets(struct enrolment *e, const struct enrolled_pair *pair,
                                  const uint8_t own[static PDM_ADDR_LEN],
                                  const uint8_t peer[static PDM_ADDR_LEN], uint16_t group,
                                  int64_t now,
                                  struct enrolled_secret secret[static PDM_PEER_SECRETS],
                                  unsigned *count)
{
    *count = 0;
    enum pdm_status status = pair->secmop == PDM_SECMOP_IBC
                                 ? enrolment_device_keys(e, pair, own, peer, secret, count)
                                 : of_epochs(e, pair, own, peer, group, now, secret, count);
    return *count > 0 ? PDM_STATUS_OK : status;
}

/* The peer has moved to a newer one. */

static bool has_serial(const struct enrolled_scope *scope, uint32_t serial)
{
    for (unsigned i = 0; i < (scope->grants > 0 ? scope->grants : 1U); i++)
        if (scope->serial[i] == serial)
            return true;
    return false;
}

static void moved_to_epoch(struct enrolment *e, const struct enrolled_pair *pair,
                           const struct enrolled_epoch *epoch,
                           const uint8_t own[static PDM_ADDR_LEN],
                           const uint8_t peer[static PDM_ADDR_LEN])
{
    struct pairwise_item *item = pairwise_find(&e->pairwise, pair->pair, epoch->epoch, own, peer);

    if (item != NULL)
        item->moved = true;
    else if (!is_poller(pair) && epoch->send_at > clock_now())
        pairwise_add(&e->pairwise, pair->pair, epoch->epoch, own, peer, PAIRWISE_MOVED);
}

void enrolment_peer_moved(struct enrolment *e, const struct enrolled_pair *pair,
                          const uint8_t own[static PDM_ADDR_LEN],
                          const uint8_t peer[static PDM_ADDR_LEN], uint32_t serial)
{
    if (pair->secmop == PDM_SECMOP_IBC) {
        enrolment_device_key_moved(e, pair->pair, own, peer, serial);
        return;
    }
    for (unsigned i = 0; i < pair->epochs; i++) {
        const struct enrolled_scope *scope = enrolled_scope_find(&pair->epoch[i], own);

        if (scope != NULL && has_serial(scope, serial))
            moved_to_epoch(e, pair, &pair->epoch[i], own, peer);
    }
}
