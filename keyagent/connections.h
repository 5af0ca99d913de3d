/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who has connected to a daemon's Unix socket and not asked yet: one request for each connection.
 * Nobody is waited for: who says nothing for AGENT_SILENCE_S is dropped, and sooner if others come.
 * Single thread.
 */
#ifndef PDM_KEYAGENT_CONNECTIONS_H
#define PDM_KEYAGENT_CONNECTIONS_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>

#include "keyagent/clients.h"
#include "keyagent/listener.h"

struct connections;

/* Answers what WHO has sent on FD; false if nothing has come yet. */
typedef bool connections_serve(void *arg, int fd, const struct client_id *who);

/*
 * At most MOST at a time, in BASE's loop. LISTENER stays its owner's; of those who can connect to
 * it, ANYBODY may ask, or this process's own user and root alone. NULL after telling why.
 */
struct connections *connections_open(struct event_base *base, const struct listener *listener,
                                     size_t most, bool anybody, connections_serve *serve,
                                     void *arg);
/* NULL is allowed. */
void connections_close(struct connections *all);

#endif
