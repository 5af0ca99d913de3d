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

struct doors {
    struct evconnlistener *listener[PRIMARY_LISTENERS_MAX];
    size_t listeners;
    unsigned strangers; /* whose handshake is not done */
    bool shut;          /* until there is room, or the next tick */
};

/* Listens where the configuration says. False after telling why; *DENIED: for want of privilege. */
bool doors_open(struct primary *primary, bool *denied);
void doors_close(struct primary *primary);
/* Once a second. */
void doors_tick(struct primary *primary);

#endif
