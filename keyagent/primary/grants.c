/* SPDX-License-Identifier: BSD-2-Clause */
/* What a mode of operation gives to a secondary. */
#include "keyagent/primary/grants.h"

#include <sodium.h>
#include <string.h>

#include "core/modes.h"

#define MS_PER_S 1000U

const struct store_secret *grants_current(const struct store_secret *secret, size_t secrets)
{
    for (size_t i = 0; i < secrets; i++)
        if (secret[i].state == STORE_SECRET_CURRENT)
            return &secret[i];
    return NULL;
}

static uint64_t ms_until(int64_t then, int64_t now)
{
    return then > now ? (uint64_t)(then - now) * MS_PER_S : 0;
}

/* Half the grace after the change: by then the other organisation's secondaries have it too. */
static uint64_t send_ms(const struct store_secret *current, const struct store_secret *previous,
                        int64_t now)
{
    return previous == NULL ? 0 : ms_until(previous->ends_at - current->grace_s / 2, now);
}

static bool is_in_force(const struct store_secret *s, uint64_t usable_from, int64_t now)
{
    return s->epoch >= usable_from && (s->ends_at == 0 || s->ends_at > now);
}

static const struct store_secret *previous_of(const struct store_secret *secret, size_t secrets,
                                              const struct store_secret *current)
{
    for (size_t i = 0; i < secrets; i++)
        if (secret[i].state == STORE_SECRET_PREVIOUS && secret[i].epoch < current->epoch &&
            secret[i].secmop == current->secmop && secret[i].poller == current->poller)
            return &secret[i];
    return NULL;
}

size_t grants_epochs(const struct store_secret *secret, size_t secrets, uint64_t usable_from,
                     int64_t now, struct grants_epoch epoch[static PDM_PEER_SECRETS])
{
    const struct store_secret *current = grants_current(secret, secrets), *previous;
    size_t epochs = 0;

    if (current == NULL || !is_in_force(current, usable_from, now))
        return 0;
    previous = previous_of(secret, secrets, current);
    if (previous != NULL && !is_in_force(previous, usable_from, now))
        previous = NULL;
    if (previous != NULL)
        epoch[epochs++] = (struct grants_epoch){previous, 0, ms_until(previous->ends_at, now)};
    epoch[epochs++] =
        (struct grants_epoch){current, send_ms(current, previous, now),
                              current->ends_at == 0 ? UINT64_MAX : ms_until(current->ends_at, now)};
    return epochs;
}

static bool put_grant(struct pdm_writer *w, bool made, struct pdm_secret_grant *grant)
{
    if (made)
        pdm_put_secret_grant(w, grant);
    sodium_memzero(grant, sizeof *grant);
    return made;
}

/* A server knows its group's secret and derives any client's from it. */
static bool put_server_trusted(const struct store_secret *s, const struct grants_scope *scope,
                               struct pdm_writer *w)
{
    struct pdm_secret_grant grant = {.group = scope->group};
    bool made = pdm_pss_group(&s->suite, s->pms, scope->group, grant.secret);

    return put_grant(w, made, &grant);
}

static bool put_client_trusted(const struct store_secret *s, const struct grants_scope *scope,
                               const struct list *servers, struct pdm_writer *w)
{
    uint8_t pss[PDM_NH_MAX];
    bool made = true;

    for (size_t i = 0; i < servers->groups && made; i++) {
        struct pdm_secret_grant grant = {.group = servers->group[i]};

        made = pdm_pss_group(&s->suite, s->pms, grant.group, pss) &&
               pdm_pcs(&s->suite, pss, scope->addr, grant.secret);
        made = put_grant(w, made, &grant);
    }
    sodium_memzero(pss, sizeof pss);
    return made;
}

/* To the side that does not poll. */
static bool put_polled(const struct store_secret *s, uint8_t side, const struct grants_scope *scope,
                       struct pdm_writer *w)
{
    struct pdm_secret_grant grant = {.group = 0};
    bool made = side == PDM_SIDE_SERVER
                    ? pdm_pss_server(&s->suite, s->pms, scope->addr, grant.secret)
                    : pdm_poll_pcs(&s->suite, s->pms, scope->addr, grant.secret);

    return put_grant(w, made, &grant);
}

static size_t grants_of(const struct grants *g, const struct store_secret *s)
{
    switch (s->secmop) {
    case PDM_SECMOP_TRUSTED_SERVERS:
        return g->side == PDM_SIDE_SERVER ? 1 : g->peers->groups;
    case PDM_SECMOP_ASYMMETRIC_POLL:
        return g->side == s->poller ? 0 : 1;
    default:
        return 0;
    }
}

static bool put_grants(const struct grants *g, const struct store_secret *s,
                       const struct grants_scope *scope, struct pdm_writer *w)
{
    if (grants_of(g, s) == 0)
        return true;
    if (s->secmop == PDM_SECMOP_ASYMMETRIC_POLL)
        return put_polled(s, g->side, scope, w);
    return g->side == PDM_SIDE_SERVER ? put_server_trusted(s, scope, w)
                                      : put_client_trusted(s, scope, g->peers, w);
}

static bool put_identity(const struct grants *g, const struct store_secret *s,
                         const struct grants_scope *scope, struct pdm_writer *w)
{
    struct pdm_secret_identity identity;

    if (s->secmop != PDM_SECMOP_IBC)
        return true;
    bool made = g->identities != NULL &&
                identities_get(g->identities, s, scope->addr, identity.p_pub, identity.s_id);
    if (made)
        pdm_put_secret_identity(w, &identity);
    sodium_memzero(&identity, sizeof identity);
    return made;
}

static bool put_scope(const struct grants *g, size_t epoch, const struct grants_scope *scope,
                      struct pdm_writer *w)
{
    const struct store_secret *s = g->epoch[epoch].secret;
    struct pdm_secret_scope head = {.block_first = scope->first[epoch],
                                    .block_count = scope->count[epoch],
                                    .has_identity = s->secmop == PDM_SECMOP_IBC,
                                    .grants = (uint16_t)grants_of(g, s)};

    memcpy(head.address, scope->addr, sizeof head.address);
    pdm_put_secret_scope(w, &head);
    return put_grants(g, s, scope, w) && put_identity(g, s, scope, w);
}

static bool put_epoch(const struct grants *g, size_t epoch, struct pdm_writer *w)
{
    const struct grants_epoch *e = &g->epoch[epoch];
    struct pdm_secret_epoch head = {.epoch = e->secret->epoch,
                                    .kem = e->secret->suite.kem,
                                    .kdf = e->secret->suite.kdf,
                                    .aead = e->secret->suite.aead,
                                    .send_ms = e->send_ms,
                                    .ends_ms = e->ends_ms,
                                    .scopes = (uint8_t)g->scopes};

    memcpy(head.tag, e->secret->tag, sizeof head.tag);
    pdm_put_secret_epoch(w, &head);
    for (size_t i = 0; i < g->scopes; i++)
        if (!put_scope(g, epoch, &g->scope[i], w))
            return false;
    return true;
}

bool grants_write(const struct grants *g, struct pdm_writer *w)
{
    const struct store_secret *current = g->epoch[g->epochs - 1].secret;
    const bool none = current->secmop == PDM_SECMOP_NONE;
    struct pdm_secret_pair head = {.pair = g->pair,
                                   .side = g->side,
                                   .secmop = current->secmop,
                                   .poller = current->poller,
                                   .unprotected = current->unprotected,
                                   .list_version = g->peers->version,
                                   .epochs = (uint8_t)(none ? 0 : g->epochs)};

    memcpy(head.name, g->name, strnlen(g->name, sizeof head.name - 1));
    pdm_put_secret_pair(w, &head);
    for (size_t i = 0; i < head.epochs; i++)
        if (!put_epoch(g, i, w))
            return false;
    return true;
}

bool grants_poll(const struct store_secret *secret, uint8_t side,
                 const uint8_t own[static PDM_ADDR_LEN], const uint8_t peer[static PDM_ADDR_LEN],
                 uint8_t shared[static PDM_NH_MAX])
{
    uint8_t between[PDM_NH_MAX];
    bool made;

    if (secret->secmop != PDM_SECMOP_ASYMMETRIC_POLL || secret->poller != side)
        return false;
    if (side == PDM_SIDE_CLIENT)
        made = pdm_pss_server(&secret->suite, secret->pms, peer, between) &&
               pdm_pcs(&secret->suite, between, own, shared);
    else
        made = pdm_poll_pcs(&secret->suite, secret->pms, peer, between) &&
               pdm_poll_pss(&secret->suite, between, own, shared);
    sodium_memzero(between, sizeof between);
    return made;
}
