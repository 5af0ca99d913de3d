/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where others connect to: peers and secondaries alike. By which authority vouches for a
 * certificate, and for peers by its name, it is known who is there. Single thread.
 */
#ifndef PDM_KEYAGENT_PRIMARY_DOORS_H
#define PDM_KEYAGENT_PRIMARY_DOORS_H

#include <event2/listener.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/limits.h"

struct primary;

/* Whose handshake is not done. */
struct stranger;

struct doors {
    struct evconnlistener *listener[PRIMARY_LISTENERS_MAX];
    size_t listeners;
    struct stranger *stranger; /* PRIMARY_STRANGERS_MAX places */
    unsigned strangers;
    bool shut; /* until there is room, or the next tick */
};

/* Memory for those who come. False: there is none. */
bool doors_init(struct primary *primary);
/* Closes them, and the connections of strangers. */
void doors_free(struct primary *primary);
/* Listens where the configuration says. False after telling why; *DENIED: for want of privilege. */
bool doors_open(struct primary *primary, bool *denied);
/* Whoever has come in stays. */
void doors_close(struct primary *primary);
/* Once a second. */
void doors_tick(struct primary *primary);

#endif
