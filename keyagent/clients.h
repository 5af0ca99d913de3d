/* SPDX-License-Identifier: BSD-2-Clause */
/* The processes that asked something lately, and their quotas. */
#ifndef PDM_KEYAGENT_CLIENTS_H
#define PDM_KEYAGENT_CLIENTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "keyagent/bucket.h"
#include "keyagent/table.h"

/*
 * Who asks, as SO_PEERCRED has it. Pid 0: a process of a pid namespace that the agent does not
 * see into.
 */
struct client_id {
    pid_t pid;
    uid_t uid;
};

struct client {
    struct client_id id;
    bool used;
    uint64_t start; /* process_start() */
    int64_t start_read_at;
    int64_t asked_at;
    struct bucket requests;
    uint32_t flows; /* live ones */
};

struct clients {
    struct table table;
    struct client *item;
    uint32_t sweep_at; /* the item that the next sweep begins with */
    uint64_t seed;
};

bool clients_init(struct clients *c, uint64_t seed);
void clients_free(struct clients *c);

/* The record of ID, made if need be; NULL if there is no room for it. */
struct client *clients_get(struct clients *c, const struct client_id *id, int64_t now);
/* May it make a request? RATE a second; 0: always. */
bool client_may_ask(struct client *client, uint32_t rate, int64_t now);
/* When the process of CLIENT started; 0: not known. */
uint64_t client_start(struct client *client, int64_t now);
/* A flow of ID ended. */
void clients_flow_ended(struct clients *c, const struct client_id *id);

/*
 * Forgets those that neither have flows nor asked within the last second, and looks whether some
 * of the others still run: GONE is called for each that does not.
 */
void clients_sweep(struct clients *c, int64_t now,
                   void (*gone)(void *arg, const struct client_id *id, uint64_t start), void *arg);

#endif
