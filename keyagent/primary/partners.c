/* SPDX-License-Identifier: BSD-2-Clause */
/* The connections with the primaries of peers. */
#include "keyagent/primary/partners.h"

#include <stdlib.h>

#include "keyagent/clock.h"
#include "keyagent/log.h"
#include "keyagent/primary/dial.h"
#include "keyagent/primary/partner_inside.h"

void partner_end(struct partner *p)
{
    p->ending = true;
    outbox_close(&p->primary->outbox, p->link);
}

void partner_refuse(struct partner *p, const char *what)
{
    p->refused = true;
    p->primary->refused++;
    log_error("peer %s (%s) %s", partner_name(p), link_peer(p->link)->from,
              what[0] != '\0' ? what : "cannot be answered: no memory");
    partner_end(p);
}

void partner_send(struct partner *p, struct parcel *parcel)
{
    outbox_send(&p->primary->outbox, p->link, parcel);
}

void partner_ask(struct partner *p, struct parcel *parcel)
{
    p->waiting_from = clock_now();
    partner_send(p, parcel);
}

void partner_answered(struct partner *p)
{
    p->waiting_from = p->negotiation != NULL || p->unanswered ? clock_now() : 0;
}

void partners_negotiate(struct primary *primary, struct pair *pair)
{
    (void)primary;
    pair_want(pair);
    if (pair->partner != NULL)
        partner_negotiate(pair->partner);
}

/* Which side may send what. */
static const struct {
    uint8_t command;
    uint8_t direction;
    bool by[PDM_SIDES];
    void (*take)(struct partner *p, struct pdm_reader *body);
} messages[] = {
    {PDM_COMMAND_LIST, PDM_REQUEST, {true, true}, partner_take_list_request},
    {PDM_COMMAND_LIST, PDM_RESPONSE, {true, true}, partner_take_list_response},
    {PDM_COMMAND_SETUP, PDM_REQUEST, {true, false}, partner_take_setup_request},
    {PDM_COMMAND_SETUP, PDM_RESPONSE, {false, true}, partner_take_setup_response},
    {PDM_COMMAND_KEM, PDM_REQUEST, {true, false}, partner_take_kem_request},
    {PDM_COMMAND_KEM, PDM_RESPONSE, {false, true}, partner_take_kem_response},
    {PDM_COMMAND_NEGOTIATE, PDM_REQUEST, {false, true}, partner_take_negotiate},
};

void partners_message(struct primary *primary, struct link *link,
                      const struct pdm_registration_header *header, struct pdm_reader *body)
{
    struct partner *p = link_data(link);

    (void)primary;
    if (p->ending)
        return;
    if (!bucket_take(&p->requests, clock_now(), PRIMARY_PARTNER_RATE)) {
        partner_refuse(p, "sends too much");
        return;
    }
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++)
        if (messages[i].command == header->command && messages[i].direction == header->direction &&
            messages[i].by[partner_is_client(p) ? PDM_SIDE_SERVER : PDM_SIDE_CLIENT]) {
            messages[i].take(p, body);
            return;
        }
    partner_refuse(p, "sent a message that is not for us");
}

/* Connections. */

static void forget(struct partner *p)
{
    struct partner **at = &p->pair->partner;

    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    outbox_forget(&p->primary->outbox, p->link);
    partner_drop_negotiation(p);
    claim_free(&p->claim);
    free(p);
}

/* What each may make us hold is large: what has come back takes the place of what is lost, and was
 * not heard to be. Where we are client there is one. */
static void end_oldest(struct pair *pair)
{
    struct partner *oldest = pair->partner;
    size_t count = 1;

    if (oldest == NULL || partner_is_client(oldest))
        return;
    for (; oldest->next != NULL; oldest = oldest->next)
        count++;
    if (count < PRIMARY_PARTNERS_MAX)
        return;
    struct link *link = oldest->link;
    log_warning("peer %s: more than %d connections: that with %s is closed", partner_name(oldest),
                PRIMARY_PARTNERS_MAX, link_peer(link)->from);
    forget(oldest);
    link_free(link);
}

void partners_up(struct primary *primary, struct pair *pair, struct link *link)
{
    end_oldest(pair);
    struct partner *p = calloc(1, sizeof *p);
    if (p == NULL) {
        primary->refused++;
        log_error("peer %s: no memory for a connection with %s", pair->peer->name,
                  link_peer(link)->from);
        link_close(link);
        return;
    }
    *p = (struct partner){.caller.kind = CALLER_PARTNER,
                          .primary = primary,
                          .pair = pair,
                          .link = link,
                          .next = pair->partner,
                          .told = pair->told,
                          .use_by = clock_now() + PRIMARY_UNUSED_NS};
    pair->partner = p;
    link_set_data(link, p);
    log_info("peer %s: connected with %s", partner_name(p), link_peer(link)->from);
    primary_look(primary); /* another of our primaries may have negotiated just now */
    if (primary->outbox.halted)
        partner_end(p); /* it is connected to again later */
    else if (partner_is_client(p) && !pair_is_due(pair, primary_time()))
        partner_tell_list(p);
    else if (partner_is_client(p) || pair_is_wanted(pair))
        partner_negotiate(p);
}

void partners_down(struct primary *primary, struct link *link, const char *why)
{
    struct partner *p = link_data(link);

    (void)primary;
    log_info("peer %s: connection lost: %s", partner_name(p), why != NULL ? why : "closed");
    forget(p);
}

bool partners_connected(const struct pair *pair)
{
    for (const struct partner *p = pair->partner; p != NULL; p = p->next)
        if (p->agreed)
            return true;
    return false;
}

void partners_end(struct primary *primary, struct pair *pair)
{
    (void)primary;
    dial_end(pair);
    for (struct partner *p = pair->partner, *next; p != NULL; p = next) {
        struct link *link = p->link;

        next = p->next;
        forget(p);
        link_free(link);
    }
}

void partners_reloaded(struct pair *pair)
{
    for (struct partner *p = pair->partner; p != NULL; p = p->next)
        if (p->negotiation != NULL) {
            partner_drop_negotiation(p);
            partner_end(p);
        }
}

/* Now and then. */

void partners_list_changed(struct primary *primary, uint8_t side)
{
    for (size_t i = 0; i < primary->pairs; i++)
        for (struct partner *p = primary->pair[i]->partner; p != NULL; p = p->next)
            if (p->pair->row.side == side)
                partner_tell_changes(p);
}

static void check(struct partner *p, const struct credentials *credentials)
{
    if (p->ending || link_still_trusted(p->link, credentials))
        return;
    partner_refuse(p, "has a certificate that has expired or was revoked");
}

void partners_check(struct primary *primary, const struct credentials *credentials)
{
    for (size_t i = 0; i < primary->pairs; i++)
        for (struct partner *p = primary->pair[i]->partner; p != NULL; p = p->next)
            check(p, credentials);
}

static void tick(struct partner *p, int64_t now)
{
    if (p->waiting_from != 0 && now - p->waiting_from > PRIMARY_SILENCE_NS && !p->ending) {
        partner_refuse(p, "does not answer");
        return;
    }
    if (now > p->use_by && !partner_is_client(p) && !p->ending) {
        partner_refuse(p, "neither negotiates nor tells its list");
        return;
    }
    partner_tell_changes(p);
}

static bool is_to_negotiate(const struct partner *p, int64_t now)
{
    if (partner_is_client(p))
        return pair_is_due(p->pair, primary_time());
    return pair_is_wanted(p->pair) && now - p->asked_at > PRIMARY_SILENCE_NS;
}

static void tick_pair(struct pair *pair, int64_t now)
{
    struct partner *first = pair->partner;

    for (struct partner *p = first; p != NULL; p = p->next)
        tick(p, now);
    if (first == NULL || first->primary->outbox.halted)
        return;
    if (is_to_negotiate(first, now))
        partner_negotiate(first);
    else if (partner_is_client(first) && !first->agreed)
        partner_tell_list(first); /* another of our primaries has negotiated instead */
}

void partners_tick(struct primary *primary)
{
    int64_t now = clock_now();

    for (size_t i = 0; i < primary->pairs; i++)
        tick_pair(primary->pair[i], now);
    if (now / PDM_NSEC_PER_SEC % PRIMARY_TRUST_S == 0)
        partners_check(primary, primary->credentials);
}
