/* SPDX-License-Identifier: BSD-2-Clause */
/* Which flow a datagram belongs to. */
#ifndef PDM_SHIM_PEER_H
#define PDM_SHIM_PEER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "shim/descriptor.h"
#include "shim/echo.h"
#include "shim/flows.h"
#include "shim/mapping.h"

/* NAME as an IPv6 address that may take part, or NULL. */
const struct sockaddr_in6 *pdm_peer_of(const void *name, socklen_t len);

/*
 * Whether the traffic of D with ADDR (of 16 octets; 0s: the peer it is connected to) is known to be
 * none of ours. Two words at once may tear between threads; then a peer is taken for unnamed until
 * the next one overwrites it.
 */
static inline bool pdm_peer_unnamed_address(const struct pdm_descriptor *d, const void *addr)
{
    uint64_t words[2];

    memcpy(words, addr, sizeof words);
    return atomic_load_explicit(&d->unnamed_as_of, memory_order_relaxed) == pdm_policy_version() &&
           atomic_load_explicit(&d->unnamed[0], memory_order_relaxed) == words[0] &&
           atomic_load_explicit(&d->unnamed[1], memory_order_relaxed) == words[1];
}

static inline bool pdm_peer_unnamed(const struct pdm_descriptor *d, const struct sockaddr_in6 *peer)
{
    return pdm_peer_unnamed_address(d, &peer->sin6_addr);
}

/* The same for the peer that the socket of D is connected to. */
static inline bool pdm_peer_unnamed_own(const struct pdm_descriptor *d)
{
    return atomic_load_explicit(&d->flow, memory_order_relaxed) == 0 &&
           pdm_peer_unnamed_address(d, &in6addr_any);
}

/* Whether a datagram to NAME (NULL: the socket's own peer) is known to be none of ours. */
static inline bool pdm_peer_idle(const struct pdm_descriptor *d, const void *name, socklen_t len)
{
    const struct sockaddr_in6 *peer = name;

    if (name == NULL || pdm_descriptor_is_stream(d))
        return pdm_peer_unnamed_own(d);
    return len >= sizeof *peer && peer->sin6_family == AF_INET6 && pdm_peer_unnamed(d, peer);
}

/* Asks the policy, and remembers a no. */
bool pdm_peer_named(struct pdm_descriptor *d, const uint8_t *local, const uint8_t *peer,
                    int64_t now);

/* The flow of a connected socket, locked; NULL if it takes no part or cannot be had now. */
struct pdm_flow_entry *pdm_peer_connected(int fd, struct pdm_descriptor *d, int64_t now);
/* Whether all that the socket of D carries is one flow: each echo of a raw one has its own. */
static inline bool pdm_peer_is_one(const struct pdm_descriptor *d)
{
    return (pdm_descriptor_flags(d) & (PDM_FD_CONNECTED | PDM_FD_RAW6)) == PDM_FD_CONNECTED;
}

/* The flow of ECHO, or of what is none, between LOCAL and PEER over D, locked, if there is one. */
struct pdm_flow_entry *pdm_peer_find(const struct pdm_descriptor *d, const uint8_t *local,
                                     const struct sockaddr_in6 *peer, const struct pdm_echo *echo,
                                     int64_t now);
/* The same; made if there is none. */
struct pdm_flow_entry *pdm_peer_flow(struct pdm_descriptor *d, const uint8_t *local,
                                     const struct sockaddr_in6 *peer, const struct pdm_echo *echo,
                                     int64_t now);
/*
 * A reference to the flow with PEER, over an own address that is D's or the last that it used, and
 * with the last echo's identifier; 0 if there is none. Asks the kernel nothing.
 */
uint64_t pdm_peer_reference(const struct pdm_descriptor *d, const struct sockaddr_in6 *peer);
/*
 * Asks the agent if the flow is not open, was opened under an older policy or under secrets that
 * are not the latest. True if it is open. *NOW is CLOCK_MONOTONIC; if the agent was asked, it is
 * read anew, so that waiting for an answer is not taken for a delay of the network.
 */
bool pdm_peer_open(struct pdm_flow_entry *e, int64_t *now);
/* The address that D is bound to. */
void pdm_peer_local(const struct pdm_descriptor *d, uint8_t out[static 16]);
/* The peer that the raw socket of D is connected to. */
struct sockaddr_in6 pdm_peer_of_raw(const struct pdm_descriptor *d);

#endif
