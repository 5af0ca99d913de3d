/* SPDX-License-Identifier: BSD-2-Clause */
/* The processes that asked something lately. */
#include "keyagent/clients.h"

#include <stdlib.h>

#include "core/limits.h"
#include "keyagent/process.h"

bool clients_init(struct clients *c, uint64_t seed)
{
    *c = (struct clients){.seed = seed};
    c->item = calloc(AGENT_CLIENTS_MAX, sizeof *c->item);
    if (c->item == NULL || !table_init(&c->table, AGENT_CLIENTS_MAX)) {
        free(c->item);
        return false;
    }
    return true;
}

void clients_free(struct clients *c)
{
    free(c->item);
    table_free(&c->table);
    *c = (struct clients){0};
}

/* Processes out of sight share the record of their user. */
static bool same(const struct client_id *a, const struct client_id *b)
{
    return a->pid == b->pid && a->uid == b->uid;
}

static uint64_t hash_of(const struct clients *c, const struct client_id *id)
{
    uint64_t hash = ((uint64_t)id->uid << 32 | (uint32_t)id->pid) ^ c->seed;

    hash *= UINT64_C(0x9E3779B97F4A7C15);
    return hash ^ hash >> 32;
}

static struct client *find(const struct clients *c, const struct client_id *id)
{
    uint32_t i = table_first(&c->table, hash_of(c, id));

    while (i != TABLE_NONE && !same(&c->item[i].id, id))
        i = table_next(&c->table, i);
    return i != TABLE_NONE ? &c->item[i] : NULL;
}

struct client *clients_get(struct clients *c, const struct client_id *id, int64_t now)
{
    struct client *client = find(c, id);

    if (client == NULL) {
        uint32_t i = table_add(&c->table, hash_of(c, id));

        if (i == TABLE_NONE)
            return NULL;
        client = &c->item[i];
        *client = (struct client){.id = *id, .used = true};
    }
    client->asked_at = now;
    return client;
}

bool client_may_ask(struct client *client, uint32_t rate, int64_t now)
{
    return rate == 0 || bucket_take(&client->requests, now, rate);
}

uint64_t client_start(struct client *client, int64_t now)
{
    bool fresh = client->start != 0 && now - client->start_read_at < AGENT_START_TRUSTED_NS;

    if (!fresh && client->id.pid != 0) {
        client->start = process_start(client->id.pid);
        client->start_read_at = now;
    }
    return client->start;
}

void clients_flow_ended(struct clients *c, const struct client_id *id)
{
    struct client *client = find(c, id);

    if (client != NULL && client->flows > 0)
        client->flows--;
}

void clients_sweep(struct clients *c, int64_t now,
                   void (*gone)(void *arg, const struct client_id *id, uint64_t start), void *arg)
{
    uint32_t looks = AGENT_SWEEP_CLIENTS;

    for (uint32_t n = 0; n < AGENT_CLIENTS_MAX && looks > 0; n++) {
        uint32_t i = c->sweep_at;
        struct client *client = &c->item[i];

        c->sweep_at = (i + 1) % AGENT_CLIENTS_MAX;
        if (!client->used)
            continue;
        if (client->flows > 0 && client->id.pid != 0 && client->start != 0) {
            looks--;
            if (process_start(client->id.pid) != client->start)
                gone(arg, &client->id, client->start);
        }
        if (client->flows == 0 && now - client->asked_at > PDM_NSEC_PER_SEC) {
            table_remove(&c->table, hash_of(c, &client->id), i);
            client->used = false;
        }
    }
}
