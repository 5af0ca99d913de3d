/* SPDX-License-Identifier: BSD-2-Clause */
/* Which flow a datagram belongs to. */
#include "shim/peer.h"

#include <arpa/inet.h>
#include <string.h>

#include "shim/agent.h"
#include "shim/mapping.h"
#include "shim/options.h"
#include "shim/route.h"
#include "shim/sys.h"

const struct sockaddr_in6 *pdm_peer_of(const void *name, socklen_t len)
{
    const struct sockaddr_in6 *peer = name;

    if (name == NULL || len < sizeof *peer || len > sizeof(struct sockaddr_storage) ||
        peer->sin6_family != AF_INET6 || !pdm_addr_takes_part(peer->sin6_addr.s6_addr))
        return NULL;
    return peer;
}

void pdm_peer_local(const struct pdm_descriptor *d, uint8_t out[static 16])
{
    uint64_t words[2] = {atomic_load_explicit(&d->local[0], memory_order_relaxed),
                         atomic_load_explicit(&d->local[1], memory_order_relaxed)};

    memcpy(out, words, sizeof words);
}

static void remember_unnamed(struct pdm_descriptor *d, const uint8_t *peer)
{
    uint64_t words[2];

    memcpy(words, peer, sizeof words);
    atomic_store_explicit(&d->unnamed[0], words[0], memory_order_relaxed);
    atomic_store_explicit(&d->unnamed[1], words[1], memory_order_relaxed);
    atomic_store_explicit(&d->unnamed_epoch, pdm_policy_epoch(), memory_order_relaxed);
}

bool pdm_peer_named(struct pdm_descriptor *d, const uint8_t *local, const uint8_t *peer,
                    int64_t now)
{
    if (!pdm_policy_ready(now))
        return false;
    if (pdm_policy_names(local, peer))
        return true;
    remember_unnamed(d, peer);
    return false;
}

/* A flow idle for long has lost its slot: what it measures must not go to the next owner's. */
static bool has_slot(const struct pdm_flow_entry *e)
{
    return atomic_load_explicit(&pdm_flow_slot(&e->flow)->owner, memory_order_relaxed) == e->owner;
}

bool pdm_peer_open(struct pdm_flow_entry *e, int64_t now)
{
    if (e->state == PDM_FLOW_OPEN && e->epoch == pdm_policy_epoch() && has_slot(e))
        return true;
    if (e->state == PDM_FLOW_REFUSED && e->epoch == pdm_policy_epoch())
        return false;
    return pdm_policy_ready(now) && pdm_agent_open(e, now);
}

static void fill(struct pdm_tuple *t, const uint8_t *local, uint32_t local_port,
                 const struct sockaddr_in6 *peer)
{
    memcpy(t->saddr, local, sizeof t->saddr);
    memcpy(t->daddr, &peer->sin6_addr, sizeof t->daddr);
    t->sport = (uint16_t)local_port;
    t->dport = ntohs(peer->sin6_port);
    t->proto = IPPROTO_UDP;
}

struct pdm_flow_entry *pdm_peer_flow(struct pdm_descriptor *d, const uint8_t *local,
                                     const struct sockaddr_in6 *peer, int64_t now)
{
    struct pdm_tuple tuple;

    fill(&tuple, local, atomic_load_explicit(&d->local_port, memory_order_relaxed), peer);
    struct pdm_flow_entry *e = pdm_flow_acquire(&tuple, now, false);

    if (e != NULL || !pdm_peer_named(d, local, peer->sin6_addr.s6_addr, now))
        return e;
    return pdm_flow_acquire(&tuple, now, true);
}

/* Once per connection: who it is with, and whether that is named. */
static struct pdm_flow_entry *look_up_connected(int fd, struct pdm_descriptor *d, int64_t now)
{
    struct sockaddr_in6 peer;
    socklen_t len = sizeof peer;
    uint8_t local[PDM_ADDR_LEN];

    if (pdm_sys(SYS_getpeername, fd, (long)&peer, (long)&len, 0, 0, 0) != 0 ||
        !pdm_descriptor_local(fd, d))
        return NULL;
    pdm_peer_local(d, local);
    if (pdm_peer_of(&peer, len) == NULL || !pdm_peer_named(d, local, peer.sin6_addr.s6_addr, now)) {
        if (pdm_policy_ready(now))
            remember_unnamed(d, in6addr_any.s6_addr);
        return NULL;
    }
    struct pdm_flow_entry *e = pdm_peer_flow(d, local, &peer, now);

    if (e == NULL)
        return NULL;
    e->mtu = pdm_route_mtu(fd);
    uint64_t none = 0, reference = pdm_flow_enter(e);

    if (!atomic_compare_exchange_strong(&d->flow, &none, reference))
        atomic_fetch_sub(&e->references, 1);
    return e;
}

struct pdm_flow_entry *pdm_peer_connected(int fd, struct pdm_descriptor *d, int64_t now)
{
    uint64_t reference = atomic_load_explicit(&d->flow, memory_order_relaxed);
    struct pdm_flow_entry *e = NULL;

    if (reference != 0) {
        bool taken;

        e = pdm_flow_by_reference(reference, &taken);
        if (e != NULL || taken)
            return e;
        /* Given up for another flow, or a parent's. */
        atomic_compare_exchange_strong(&d->flow, &reference, 0);
    }
    if (pdm_peer_unnamed_address(d, &in6addr_any))
        return NULL;
    return look_up_connected(fd, d, now);
}

struct pdm_flow_entry *pdm_peer_existing(const struct pdm_descriptor *d,
                                         const struct sockaddr_in6 *peer)
{
    uint8_t local[PDM_ADDR_LEN];
    struct pdm_tuple tuple;

    if ((pdm_descriptor_flags(d) & PDM_FD_BOUND_ADDR) == 0)
        return NULL;
    pdm_peer_local(d, local);
    fill(&tuple, local, atomic_load_explicit(&d->local_port, memory_order_relaxed), peer);
    return pdm_flow_acquire(&tuple, 0, false);
}
