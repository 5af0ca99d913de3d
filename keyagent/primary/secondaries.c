/* SPDX-License-Identifier: BSD-2-Clause */
/* The agents of our own secondaries: their connections, and what is to be told to them. */
#include "keyagent/primary/secondaries.h"

#include <sodium.h>
#include <stdlib.h>

#include "keyagent/clock.h"
#include "keyagent/harden.h"
#include "keyagent/log.h"
#include "keyagent/primary/secondary_inside.h"

void secondary_refuse(struct primary *primary, struct secondary *s, const char *why)
{
    primary->refused++;
    log_warning("secondary %s: refused: %s", secondary_from(s), why);
    link_close(s->link);
}

/* Pushing. */

static void push_soon(struct primary *primary)
{
    static const struct timeval at_once = {0};

    event_add(primary->secondaries.push, &at_once);
}

void secondary_queue(struct primary *primary, struct secondary *s)
{
    struct secondaries *all = &primary->secondaries;

    if (s->queued)
        return;
    s->queued = true;
    s->next_due = NULL;
    *all->due_end = s;
    all->due_end = &s->next_due;
    push_soon(primary);
}

static void unqueue(struct secondaries *all, struct secondary *s)
{
    struct secondary **at = &all->due;

    if (!s->queued)
        return;
    while (*at != s)
        at = &(*at)->next_due;
    *at = s->next_due;
    if (all->due_end == &s->next_due)
        all->due_end = at;
    s->queued = false;
}

static void push(struct primary *primary, struct secondary *s)
{
    struct answer a = {.primary = primary, .secondary = s};

    if (!s->enrolled || primary->outbox.halted || link_backlog(s->link) > PRIMARY_BACKLOG_MAX)
        return; /* looked at again every second */
    if (!s->due_secrets)
        secondary_tell_lists(primary, s);
    else if (outbox_begin(&primary->outbox))
        secondary_tell_secrets(&a);
}

static void on_push(int fd, short what, void *arg)
{
    struct primary *primary = arg;
    struct secondaries *all = &primary->secondaries;

    (void)fd;
    (void)what;
    primary_look(primary); /* another of our primaries may have revoked one of them just now */
    for (int i = 0; i < PRIMARY_PUSHES && all->due != NULL; i++) {
        struct secondary *s = all->due;

        unqueue(all, s);
        push(primary, s);
    }
    if (all->due != NULL)
        push_soon(primary);
}

static bool concerns(const struct primary *primary, const struct secondary *s,
                     const struct pair *pair)
{
    const struct link_peer *peer = link_peer(s->link);

    for (size_t i = 0; i < peer->addresses; i++)
        if (secondary_entry(primary, pair->row.side, peer->address[i]) != NULL)
            return true;
    return false;
}

static void pair_changed(struct primary *primary, const struct pair *pair, bool secrets)
{
    struct secondaries *all = &primary->secondaries;

    for (size_t i = 0; i < all->count; i++) {
        struct secondary *s = all->item[i];

        if (!s->enrolled || !concerns(primary, s, pair))
            continue;
        s->due_secrets = s->due_secrets || secrets;
        s->due_lists = true;
        secondary_queue(primary, s);
    }
}

void secondaries_secrets_changed(struct primary *primary, const struct pair *pair)
{
    pair_changed(primary, pair, true);
}

void secondaries_list_changed(struct primary *primary, const struct pair *pair, bool groups)
{
    const struct store_secret *s = grants_current(pair->secret, pair->secrets);

    /* A client is given secrets by groups. */
    pair_changed(primary, pair,
                 groups && s != NULL && s->secmop == PDM_SECMOP_TRUSTED_SERVERS &&
                     pair->row.side == PDM_SIDE_CLIENT);
}

void secondaries_own_changed(struct primary *primary)
{
    struct secondaries *all = &primary->secondaries;

    for (size_t i = 0; i < all->count; i++) {
        struct secondary *s = all->item[i];

        if (!s->enrolled || s->entitled == secondary_entitlement(primary, s))
            continue;
        s->due_secrets = s->due_lists = true;
        secondary_queue(primary, s);
    }
}

/* Connections. */

static bool make_room(struct secondaries *all)
{
    size_t room = all->room > 0 ? 2 * all->room : PRIMARY_PUSHES;

    if (all->count < all->room)
        return true;
    struct secondary **grown = reallocarray(all->item, room, sizeof(struct secondary *));
    if (grown == NULL)
        return false;
    all->item = grown;
    all->room = room;
    return true;
}

static uint64_t certificate_hash(const struct link *link)
{
    uint64_t hash; /* of a hash, which is as good */

    memcpy(&hash, link_peer(link)->fingerprint, sizeof hash);
    return hash;
}

/* One certificate takes no more room than the agents of its host do: what has come back takes the
 * place of what is lost, and was not heard to be. */
static void end_oldest_like(struct primary *primary, const struct link *link)
{
    struct secondaries *all = &primary->secondaries;
    struct secondary *oldest = NULL;
    unsigned same = 0;

    for (uint32_t i = table_first(&all->certificates, certificate_hash(link)); i != TABLE_NONE;
         i = table_next(&all->certificates, i)) {
        if (memcmp(link_peer(all->numbered[i]->link)->fingerprint, link_peer(link)->fingerprint,
                   LINK_FINGERPRINT_LEN) != 0)
            continue;
        oldest = all->numbered[i];
        same++;
    }
    if (same < PRIMARY_CERTIFICATE_LINKS)
        return;
    struct link *ended = oldest->link;
    log_warning("secondary %s: closed: %s has come with the same certificate, and that has %d "
                "connections",
                secondary_from(oldest), link_peer(link)->from, PRIMARY_CERTIFICATE_LINKS);
    secondaries_down(primary, ended);
    link_free(ended);
}

void secondaries_up(struct primary *primary, struct link *link)
{
    struct secondaries *all = &primary->secondaries;
    struct secondary *s = NULL;

    end_oldest_like(primary, link);
    if (all->count < PRIMARY_SECONDARIES_MAX && make_room(all))
        s = calloc(1, sizeof *s);
    if (s == NULL) {
        primary->refused++;
        log_error("%s: no room for another secondary", link_peer(link)->from);
        link_close(link);
        return;
    }
    s->caller.kind = CALLER_SECONDARY;
    s->link = link;
    s->use_by = clock_now() + PRIMARY_UNUSED_NS;
    s->number = table_add(&all->certificates, certificate_hash(link));
    all->numbered[s->number] = s;
    s->place = all->count;
    all->item[all->count++] = s;
    link_set_data(link, s);
    /* No lists of primaries: whoever of our own lets many come at once fills no memory. */
    link_set_longest(link, PDM_REGISTRATION_SECRET_MAX);
}

void secondaries_down(struct primary *primary, struct link *link)
{
    struct secondaries *all = &primary->secondaries;
    struct secondary *s = link_data(link);

    unqueue(all, s);
    outbox_forget(&primary->outbox, link);
    table_remove(&all->certificates, certificate_hash(link), s->number);
    all->item[s->place] = all->item[--all->count];
    all->item[s->place]->place = s->place;
    free(s->block);
    free(s->told);
    free(s);
}

void secondaries_each(const struct primary *primary,
                      void (*each)(void *arg, const uint8_t addr[static PDM_ADDR_LEN]), void *arg)
{
    for (size_t i = 0; i < primary->secondaries.count; i++) {
        const struct secondary *s = primary->secondaries.item[i];
        const struct link_peer *peer = link_peer(s->link);

        for (size_t j = 0; s->enrolled && j < peer->addresses; j++)
            each(arg, peer->address[j]);
    }
}

static void check(struct primary *primary, struct secondary *s,
                  const struct credentials *credentials)
{
    if (link_still_trusted(s->link, credentials))
        return;
    primary->refused++;
    log_warning("secondary %s: its certificate has expired or was revoked", secondary_from(s));
    link_close(s->link);
}

void secondaries_check(struct primary *primary, const struct credentials *credentials)
{
    for (size_t i = 0; i < primary->secondaries.count; i++)
        check(primary, primary->secondaries.item[i], credentials);
}

static void look_at(struct primary *primary, struct secondary *s, int64_t now)
{
    if (s->enrolled && (s->due_secrets || s->due_lists))
        secondary_queue(primary, s);
    if (now <= s->use_by)
        return;
    s->use_by = INT64_MAX;
    secondary_refuse(primary, s, "it has not registered");
}

/* A share of the certificates, so that all are looked at within PRIMARY_TRUST_S; and what could not
 * be told before. */
void secondaries_tick(struct primary *primary)
{
    struct secondaries *all = &primary->secondaries;
    size_t share = all->count / PRIMARY_TRUST_S + 1;
    const int64_t now = clock_now();

    for (size_t i = 0; i < share && all->looked_at < all->count; i++)
        check(primary, all->item[all->looked_at++], primary->credentials);
    if (all->looked_at >= all->count)
        all->looked_at = 0;
    for (size_t i = 0; i < all->count; i++)
        look_at(primary, all->item[i], now);
}

bool secondaries_init(struct primary *primary)
{
    struct secondaries *all = &primary->secondaries;

    all->due_end = &all->due;
    all->push = event_new(primary->base, -1, 0, on_push, primary);
    all->scratch = harden_alloc(PDM_REGISTRATION_SECRET_MAX, 1);
    all->numbered = calloc(PRIMARY_SECONDARIES_MAX, sizeof(struct secondary *));
    return all->push != NULL && all->scratch != NULL && all->numbered != NULL &&
           table_init(&all->certificates, PRIMARY_SECONDARIES_MAX);
}

void secondaries_drop(struct primary *primary)
{
    struct secondaries *all = &primary->secondaries;

    while (all->count > 0) {
        struct link *link = all->item[all->count - 1]->link;

        secondaries_down(primary, link);
        link_free(link);
    }
}

void secondaries_free(struct primary *primary)
{
    struct secondaries *all = &primary->secondaries;

    if (all->push != NULL)
        event_free(all->push);
    sodium_free(all->scratch);
    free(all->item);
    free(all->numbered);
    table_free(&all->certificates);
    *all = (struct secondaries){.count = 0};
}
