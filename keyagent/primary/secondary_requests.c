/* SPDX-License-Identifier: BSD-2-Clause */
/* What our own secondaries ask for. */
#include <sodium.h>
#include <string.h>

#include "keyagent/clock.h"
#include "keyagent/log.h"
#include "keyagent/primary/secondary_inside.h"

/* What is in the store of each address that our lists have; who is revoked may have been so by
 * another primary. False: the transaction is lost. */
static bool note_seen(struct primary *primary, const struct secondary *s)
{
    const struct link_peer *peer = link_peer(s->link);

    for (size_t i = 0; i < peer->addresses; i++)
        for (unsigned side = 0; side < PDM_SIDES; side++) {
            bool barred;

            if (secondary_entry(primary, side, peer->address[i]) == NULL)
                continue;
            if (!store_secondary_seen(primary->store, peer->address[i], (uint8_t)side,
                                      primary_time(), &barred))
                return false;
            struct list_change bar = {
                .entry.prefix = pdm_prefix_of(peer->address[i], 8 * PDM_ADDR_LEN), .add = true};
            if (barred && !list_apply(&primary->barred, &bar, 1))
                return false;
            break;
        }
    return true;
}

static bool take_lists(struct secondary *s, struct pdm_reader *body, unsigned lists)
{
    for (unsigned i = 0; i < lists; i++) {
        struct pdm_secret_list list;
        struct told *told;

        pdm_get_secret_list(body, &list);
        if (body->bad || s->tolds >= ENROLMENT_PAIRS_MAX)
            return false;
        told = secondary_told(s, list.pair);
        if (told == NULL)
            return false;
        told->version = list.version;
    }
    return body->left == 0;
}

static void take_secret(struct primary *primary, struct secondary *s, struct pdm_reader *body)
{
    struct answer a = {.primary = primary, .secondary = s};
    struct pdm_secret_request head;

    if (!bucket_take(&s->secrets, clock_now(), PRIMARY_SECRETS_RATE)) {
        secondary_refuse(primary, s, "it registers too often");
        return;
    }
    s->use_by = INT64_MAX;
    pdm_get_secret_request(body, &head);
    a.known = pdm_read_span(body, (size_t)head.known * KNOWN_LEN);
    a.knowns = head.known;
    s->tolds = 0;
    if (body->bad || head.known > HIGHWATER_MAX || !take_lists(s, body, head.lists)) {
        secondary_refuse(primary, s, "its SECRET is malformed");
        return;
    }
    s->blocks = 0;
    if (!outbox_begin(&primary->outbox)) {
        outbox_send(&primary->outbox, s->link, secondary_secret_status(PDM_REGISTRATION_LATER));
        return;
    }
    if (!note_seen(primary, s)) {
        outbox_close(&primary->outbox, s->link);
        return;
    }
    primary->registrations++;
    if (!s->enrolled)
        log_info("secondary %s registers", secondary_from(s));
    secondary_tell_secrets(&a);
}

static const struct store_secret *in_force(const struct pair *pair, uint64_t epoch)
{
    struct grants_epoch e[PDM_PEER_SECRETS];
    size_t epochs = pair_epochs(pair, primary_time(), e);

    for (size_t i = 0; i < epochs; i++)
        if (e[i].secret->epoch == epoch)
            return e[i].secret;
    return NULL;
}

/* The pair that OWN, an address of S, has to do with, or NULL. */
static struct pair *pair_of(struct primary *primary, const struct secondary *s, uint32_t number,
                            const uint8_t own[static PDM_ADDR_LEN], unsigned *address)
{
    struct pair *pair = primary_pair(primary, number);

    return pair != NULL && secondary_owns(s, own, address) &&
                   secondary_entry(primary, pair->row.side, own) != NULL
               ? pair
               : NULL;
}

static void take_poll(struct primary *primary, struct secondary *s, struct pdm_reader *body)
{
    struct pdm_poll_request request;
    struct pdm_writer w;
    unsigned address;

    pdm_get_poll_request(body, &request);
    if (body->bad || body->left > 0) {
        secondary_refuse(primary, s, "its POLL is malformed");
        return;
    }
    struct pdm_poll_response response = {
        .status = PDM_REGISTRATION_REFUSED, .pair = request.pair, .epoch = request.epoch};
    memcpy(response.own, request.own, sizeof response.own);
    memcpy(response.peer, request.peer, sizeof response.peer);
    const struct pair *pair = pair_of(primary, s, request.pair, request.own, &address);
    const struct store_secret *secret = pair != NULL ? in_force(pair, request.epoch) : NULL;
    if (primary->outbox.halted)
        response.status = PDM_REGISTRATION_LATER;
    else if (secret != NULL && list_find(&pair->list, request.peer) != NULL &&
             grants_poll(secret, pair->row.side, request.own, request.peer, response.secret))
        response.status = PDM_REGISTRATION_OK;
    if (response.status == PDM_REGISTRATION_REFUSED) {
        primary->refused++;
        log_warning("secondary %s: its POLL is refused", secondary_from(s));
    }
    struct parcel *parcel = parcel_begin(PDM_REGISTRATION_SMALL, &w);
    pdm_put_poll_response(&w, &response);
    sodium_memzero(&response, sizeof response);
    outbox_send(&primary->outbox, s->link, parcel_end(parcel, &w, PDM_COMMAND_POLL, PDM_RESPONSE));
}

/* What to answer to a BLOCK; the generations in BLOCK if that is OK. */
static enum pdm_registration_status grant_block(struct primary *primary, struct secondary *s,
                                                const struct pdm_block_request *request,
                                                struct block *block)
{
    unsigned address;
    bool old;

    if (primary->outbox.halted)
        return PDM_REGISTRATION_LATER;
    struct pair *pair = pair_of(primary, s, request->pair, request->own, &address);
    const struct store_secret *secret = pair != NULL ? in_force(pair, request->epoch) : NULL;

    if (secret == NULL || secret->secmop == PDM_SECMOP_NONE) {
        primary->refused++;
        log_warning("secondary %s: its BLOCK is refused", secondary_from(s));
        return PDM_REGISTRATION_REFUSED;
    }
    *block = (struct block){.pair = request->pair,
                            .epoch = request->epoch,
                            .count = primary->config.block,
                            .address = address};
    if (!outbox_begin(&primary->outbox) ||
        !store_grant(primary->store, block->pair, block->epoch, request->own,
                     request->has_highest != 0 ? &request->highest : NULL, block->count,
                     &block->first, &old))
        return PDM_REGISTRATION_LATER;
    if (old && request->has_highest != 0)
        secondary_suspect(primary, s, pair, secret->epoch);
    if (old)
        return PDM_REGISTRATION_LATER;
    return secondary_remember_block(s, block) ? PDM_REGISTRATION_OK : PDM_REGISTRATION_LATER;
}

static void take_block(struct primary *primary, struct secondary *s, struct pdm_reader *body)
{
    struct pdm_block_request request;
    struct block block;
    struct pdm_writer w;

    pdm_get_block_request(body, &request);
    if (body->bad || body->left > 0) {
        secondary_refuse(primary, s, "its BLOCK is malformed");
        return;
    }
    struct pdm_block_response response = {.pair = request.pair, .epoch = request.epoch};
    memcpy(response.own, request.own, sizeof response.own);
    response.status = (uint8_t)grant_block(primary, s, &request, &block);
    if (response.status == PDM_REGISTRATION_OK) {
        response.first = block.first;
        response.count = block.count;
    }
    struct parcel *parcel = parcel_begin(PDM_REGISTRATION_SMALL, &w);
    pdm_put_block_response(&w, &response);
    outbox_send(&primary->outbox, s->link, parcel_end(parcel, &w, PDM_COMMAND_BLOCK, PDM_RESPONSE));
}

static void take_list_response(struct primary *primary, struct secondary *s,
                               struct pdm_reader *body)
{
    struct pdm_list_response response;
    struct told *told;

    pdm_get_list_response(body, &response);
    if (body->bad || body->left > 0 || primary_pair(primary, response.pair) == NULL ||
        (told = secondary_told(s, response.pair)) == NULL) {
        secondary_refuse(primary, s, "its answer to a LIST is malformed");
        return;
    }
    if (response.status == PDM_REGISTRATION_OK)
        return;
    if (response.status != PDM_REGISTRATION_WHOLE) {
        secondary_refuse(primary, s, "it does not take the list of a peer");
        return;
    }
    told->version = 0;
    s->due_lists = true;
    secondary_queue(primary, s);
}

static const struct {
    uint8_t command;
    uint8_t direction;
    void (*take)(struct primary *primary, struct secondary *s, struct pdm_reader *body);
} messages[] = {
    {PDM_COMMAND_SECRET, PDM_REQUEST, take_secret},
    {PDM_COMMAND_POLL, PDM_REQUEST, take_poll},
    {PDM_COMMAND_BLOCK, PDM_REQUEST, take_block},
    {PDM_COMMAND_LIST, PDM_RESPONSE, take_list_response},
};

void secondaries_message(struct primary *primary, struct link *link,
                         const struct pdm_registration_header *header, struct pdm_reader *body)
{
    struct secondary *s = link_data(link);

    if (!bucket_take(&s->requests, clock_now(), PRIMARY_REQUESTS_RATE) ||
        link_backlog(link) > LINK_BACKLOG_MAX / 2) {
        secondary_refuse(primary, s, "it asks too often, or does not read the answers");
        return;
    }
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++)
        if (messages[i].command == header->command && messages[i].direction == header->direction) {
            messages[i].take(primary, s, body);
            return;
        }
    secondary_refuse(primary, s, "it sent a message that is not for a primary");
}
