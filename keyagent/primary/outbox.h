/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is told to anybody is durable first. The transaction that the first change of a turn of the
 * event loop begins takes in all changes of that turn, so that one write to disk serves many; what
 * is to be sent meanwhile waits here. After the commit it goes; if there is none, it never does,
 * and the links concerned are closed: the other ends ask again. Single thread.
 */
#ifndef PDM_KEYAGENT_PRIMARY_OUTBOX_H
#define PDM_KEYAGENT_PRIMARY_OUTBOX_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>

#include "keyagent/primary/parcel.h"
#include "keyagent/primary/store.h"
#include "keyagent/tls/link.h"

struct outbox_item {
    struct link *link;     /* NULL: it is gone */
    struct parcel *parcel; /* NULL: close it */
};

struct outbox {
    struct store *store;
    struct event *turn;
    bool open;   /* a transaction is */
    bool halted; /* one failed: none is begun until what memory has is the store's again */
    struct outbox_item *item;
    size_t items;
    size_t room;
    /* A transaction ended so; what was made of the store's contents in memory is wrong if not. */
    void (*settled)(void *arg, bool committed);
    void *arg;
};

bool outbox_init(struct outbox *o, struct event_base *base, struct store *store,
                 void (*settled)(void *arg, bool committed), void *arg);
/* Commits what is open. */
void outbox_free(struct outbox *o);

/* Before a change: false if the store cannot take any now. Halted by what fails, until HALTED is
 * made false. */
bool outbox_begin(struct outbox *o);
/* Ends the transaction now, if one is open. False: nothing of it is in the store. */
bool outbox_settle(struct outbox *o);
/* Sends PARCEL, which becomes the outbox's (NULL: there was no memory for it), and closes a link
 * that does not take it. */
void outbox_send(struct outbox *o, struct link *link, struct parcel *parcel);
/* Closes LINK after what was sent before. */
void outbox_close(struct outbox *o, struct link *link);
/* LINK is gone. */
void outbox_forget(struct outbox *o, const struct link *link);

#endif
