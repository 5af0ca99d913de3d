/* SPDX-License-Identifier: BSD-2-Clause */
/* What waits for a commit. */
#include "keyagent/primary/outbox.h"

#include <stdlib.h>

#include "keyagent/log.h"

static void deliver(struct link *link, struct parcel *parcel)
{
    if (parcel == NULL || !parcel_send(parcel, link))
        link_close(link);
    parcel_drop(parcel);
}

/* Sending may lead to more that is to be sent, so the items are taken away first. */
static void empty(struct outbox *o, bool committed)
{
    struct outbox_item *item = o->item;
    size_t items = o->items;

    o->item = NULL;
    o->items = o->room = 0;
    for (size_t i = 0; i < items; i++) {
        if (item[i].link == NULL || !committed)
            parcel_drop(item[i].parcel);
        if (item[i].link != NULL && committed)
            deliver(item[i].link, item[i].parcel);
        else if (item[i].link != NULL)
            link_close(item[i].link);
    }
    free(item);
}

bool outbox_settle(struct outbox *o)
{
    if (!o->open)
        return true;
    event_del(o->turn);
    o->open = false;
    bool committed = store_commit(o->store);
    o->halted = !committed;
    empty(o, committed);
    o->settled(o->arg, committed);
    return committed;
}

static void on_turn(int fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    outbox_settle(arg);
}

bool outbox_init(struct outbox *o, struct event_base *base, struct store *store,
                 void (*settled)(void *arg, bool committed), void *arg)
{
    *o = (struct outbox){.store = store, .settled = settled, .arg = arg};
    o->turn = event_new(base, -1, 0, on_turn, o);
    return o->turn != NULL;
}

void outbox_free(struct outbox *o)
{
    outbox_settle(o);
    if (o->turn != NULL)
        event_free(o->turn);
    *o = (struct outbox){.open = false};
}

/* A timer that is due at once comes after all that is ready to be read now. */
bool outbox_begin(struct outbox *o)
{
    static const struct timeval at_once = {0};

    if (o->items >= PRIMARY_OUTBOX_MAX && !outbox_settle(o))
        return false;
    if (o->open || o->halted)
        return o->open;
    if (!store_begin(o->store)) {
        o->halted = true;
        o->settled(o->arg, false);
        return false;
    }
    o->open = true;
    event_add(o->turn, &at_once);
    return true;
}

static bool make_room(struct outbox *o)
{
    size_t room = o->room > 0 ? 2 * o->room : PRIMARY_OUTBOX_MAX;

    if (o->items < o->room)
        return true;
    struct outbox_item *grown = reallocarray(o->item, room, sizeof *grown);
    if (grown == NULL) {
        log_error("no memory for a message");
        return false;
    }
    o->item = grown;
    o->room = room;
    return true;
}

void outbox_send(struct outbox *o, struct link *link, struct parcel *parcel)
{
    if (!o->open) {
        deliver(link, parcel);
    } else if (make_room(o)) {
        o->item[o->items++] = (struct outbox_item){link, parcel};
    } else {
        parcel_drop(parcel);
        link_close(link);
    }
}

void outbox_close(struct outbox *o, struct link *link)
{
    outbox_send(o, link, NULL);
}

void outbox_forget(struct outbox *o, const struct link *link)
{
    for (size_t i = 0; i < o->items; i++)
        if (o->item[i].link == link)
            o->item[i].link = NULL;
}
