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

struct sockaddr_in6 pdm_peer_of_raw(const struct pdm_descriptor *d)
{
    struct sockaddr_in6 peer = {.sin6_family = AF_INET6};
    uint64_t words[2] = {atomic_load_explicit(&d->peer[0], memory_order_relaxed),
                         atomic_load_explicit(&d->peer[1], memory_order_relaxed)};

    memcpy(&peer.sin6_addr, words, sizeof words);
    peer.sin6_scope_id = atomic_load_explicit(&d->peer_scope, memory_order_relaxed);
    return peer;
}

/* As of VERSION, which the policy had before it was asked. */
static void remember_unnamed(struct pdm_descriptor *d, const uint8_t *peer, uint64_t version)
{
    uint64_t words[2];

    memcpy(words, peer, sizeof words);
    atomic_store_explicit(&d->unnamed[0], words[0], memory_order_relaxed);
    atomic_store_explicit(&d->unnamed[1], words[1], memory_order_relaxed);
    atomic_store_explicit(&d->unnamed_as_of, version, memory_order_relaxed);
}

bool pdm_peer_named(struct pdm_descriptor *d, const uint8_t *local, const uint8_t *peer,
                    int64_t now)
{
    if (!pdm_policy_ready(now))
        return false;
    uint64_t version = pdm_policy_version();

    if (pdm_policy_names(local, peer))
        return true;
    remember_unnamed(d, peer, version);
    return false;
}

static bool is_open(const struct pdm_flow_entry *e)
{
    return e->state == PDM_FLOW_OPEN && e->epoch == pdm_policy_epoch() && pdm_flow_has_slot(e);
}

/* Refused by the agent, a flow asks again once the policy has changed and names it. */
static bool is_refused(struct pdm_flow_entry *e)
{
    uint64_t version = pdm_policy_version();

    if (e->state != PDM_FLOW_REFUSED ||
        (e->refused_as_of != version && pdm_policy_names(e->tuple.saddr, e->tuple.daddr)))
        return false;
    e->refused_as_of = version;
    return true;
}

static bool ask(struct pdm_flow_entry *e, int64_t *now)
{
    uint64_t version = pdm_policy_version();

    if (*now < e->retry_at)
        return false;
    bool open = pdm_agent_open(e, *now);

    *now = pdm_clock(CLOCK_MONOTONIC);
    if (e->state == PDM_FLOW_REFUSED) {
        e->refused_as_of = version;
        e->retry_at = *now + PDM_REASK_NS;
    }
    return open;
}

static bool ask_again(struct pdm_flow_entry *e, int64_t *now)
{
    bool open = pdm_agent_move(e, *now);

    *now = pdm_clock(CLOCK_MONOTONIC);
    return open;
}

bool pdm_peer_open(struct pdm_flow_entry *e, int64_t *now)
{
    /* First: what a dead agent left in memory looks for ever as if nothing had changed. */
    bool ready = pdm_policy_ready(*now);

    if (!is_open(e))
        return ready && !is_refused(e) && ask(e, now);
    return !pdm_flow_must_ask(e) || ask_again(e, now);
}

static void fill(struct pdm_tuple *t, const struct pdm_descriptor *d, const uint8_t *local,
                 const struct sockaddr_in6 *peer, const struct pdm_echo *echo)
{
    memcpy(t->saddr, local, sizeof t->saddr);
    memcpy(t->daddr, &peer->sin6_addr, sizeof t->daddr);
    t->proto = (uint8_t)atomic_load_explicit(&d->protocol, memory_order_relaxed);
    if (pdm_descriptor_is_raw(d)) {
        t->sport = echo->asked ? echo->identifier : 0;
        t->dport = echo->asked ? 0 : echo->identifier;
    } else {
        t->sport = (uint16_t)atomic_load_explicit(&d->local_port, memory_order_relaxed);
        t->dport = ntohs(peer->sin6_port);
    }
}

struct pdm_flow_entry *pdm_peer_find(const struct pdm_descriptor *d, const uint8_t *local,
                                     const struct sockaddr_in6 *peer, const struct pdm_echo *echo,
                                     int64_t now)
{
    struct pdm_tuple tuple;

    fill(&tuple, d, local, peer, echo);
    return pdm_flow_acquire(&tuple, now, false);
}

/* Written when it changes, so that threads on one socket do not contend for it. */
static void remember_source(struct pdm_descriptor *d, const uint8_t *local)
{
    uint64_t words[2];

    memcpy(words, local, sizeof words);
    for (int i = 0; i < 2; i++)
        if (atomic_load_explicit(&d->source[i], memory_order_relaxed) != words[i])
            atomic_store_explicit(&d->source[i], words[i], memory_order_relaxed);
}

struct pdm_flow_entry *pdm_peer_flow(struct pdm_descriptor *d, const uint8_t *local,
                                     const struct sockaddr_in6 *peer, const struct pdm_echo *echo,
                                     int64_t now)
{
    struct pdm_tuple tuple;

    if ((pdm_descriptor_flags(d) & PDM_FD_BOUND_ADDR) == 0)
        remember_source(d, local);
    if (pdm_descriptor_is_raw(d))
        atomic_store_explicit(&d->identifier, echo->identifier * (echo->asked ? 0x10001U : 1U),
                              memory_order_relaxed);
    fill(&tuple, d, local, peer, echo);
    struct pdm_flow_entry *e = pdm_flow_acquire(&tuple, now, false);

    if (e != NULL || !pdm_peer_named(d, local, peer->sin6_addr.s6_addr, now))
        return e;
    return pdm_flow_acquire(&tuple, now, true);
}

/* Once per connection: who it is with, and whether that is named. */
static struct pdm_flow_entry *look_up_connected(int fd, struct pdm_descriptor *d, int64_t now)
{
    const struct pdm_echo no_echo = {0};
    struct sockaddr_in6 peer;
    socklen_t len = sizeof peer;
    uint8_t local[PDM_ADDR_LEN];
    uint64_t version = pdm_policy_version();

    if (!pdm_policy_ready(now) ||
        pdm_sys(SYS_getpeername, fd, (long)&peer, (long)&len, 0, 0, 0) != 0 ||
        !pdm_descriptor_local(fd, d))
        return NULL;
    pdm_descriptor_set(d, PDM_FD_CONNECTED);
    pdm_peer_local(d, local);
    if (pdm_peer_of(&peer, len) == NULL || !pdm_peer_named(d, local, peer.sin6_addr.s6_addr, now)) {
        remember_unnamed(d, in6addr_any.s6_addr, version);
        if (pdm_descriptor_is_stream(d)) /* as inherited from its listener */
            pdm_descriptor_release(fd, false);
        return NULL;
    }
    struct pdm_flow_entry *e = pdm_peer_flow(d, local, &peer, &no_echo, now);

    if (e == NULL)
        return NULL;
    if (pdm_descriptor_is_stream(d)) {
        e->flow.stream.used = true;
        e->flow.stream.accepted = (pdm_descriptor_flags(d) & PDM_FD_ACCEPTED) != 0;
    } else {
        e->mtu = pdm_route_mtu(fd);
    }
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
        if (taken)
            pdm_flow_disturb(reference);
        if (e != NULL || taken)
            return e;
        /* Given up for another flow, or a parent's. */
        atomic_compare_exchange_strong(&d->flow, &reference, 0);
    }
    if (pdm_peer_unnamed_address(d, &in6addr_any))
        return NULL;
    return look_up_connected(fd, d, now);
}

uint64_t pdm_peer_reference(const struct pdm_descriptor *d, const struct sockaddr_in6 *peer)
{
    uint32_t identifier = atomic_load_explicit(&d->identifier, memory_order_relaxed);
    struct pdm_echo echo = {.asked = identifier >> 16 != 0, .identifier = (uint16_t)identifier};
    uint64_t source[2] = {atomic_load_explicit(&d->source[0], memory_order_relaxed),
                          atomic_load_explicit(&d->source[1], memory_order_relaxed)};
    uint8_t local[PDM_ADDR_LEN];
    struct pdm_tuple tuple;

    memcpy(local, source, sizeof local);
    if ((pdm_descriptor_flags(d) & PDM_FD_BOUND_ADDR) != 0)
        pdm_peer_local(d, local);
    fill(&tuple, d, local, peer, &echo);
    return pdm_flow_reference(&tuple);
}
