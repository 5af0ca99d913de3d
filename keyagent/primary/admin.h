/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The socket on which pdmctl asks a primary (core/admin.h): one request and one reply for each
 * connection. It never waits: who does not ask is dropped, who does not read goes without. Only
 * this process's own user and root are answered. Single thread.
 */
#ifndef PDM_KEYAGENT_PRIMARY_ADMIN_H
#define PDM_KEYAGENT_PRIMARY_ADMIN_H

#include <event2/event.h>
#include <stdbool.h>

#include "keyagent/listener.h"
#include "keyagent/primary/primary.h"

struct admin;

/* Reads the configuration again; false: WHY is one line. */
typedef bool admin_reload(void *arg, char why[static ADMIN_WHY_MAX]);

/* Answers on LISTENER, which stays its owner's, in BASE's loop. NULL after telling why. */
struct admin *admin_open(struct primary *primary, const struct listener *listener,
                         struct event_base *base, admin_reload *reload, void *arg);
/* NULL is allowed. */
void admin_close(struct admin *admin);

/* LEN octets of REQUEST are answered in REPLY, of PDM_MESSAGE_MAX; how long that is, 0: not at all.
 * For admin_open()'s own use, and tests. */
size_t admin_answer(struct admin *admin, const uint8_t *request, size_t len, uint8_t *reply);

#endif
