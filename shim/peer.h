/* SPDX-License-Identifier: BSD-2-Clause */
/* Which flow a datagram belongs to. */
#ifndef PDM_SHIM_PEER_H
#define PDM_SHIM_PEER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "shim/descriptor.h"
#include "shim/flows.h"

/* NAME as an IPv6 address that may take part, or NULL. */
const struct sockaddr_in6 *pdm_peer_of(const void *name, socklen_t len);

/* Whether D's traffic with PEER is known to be none of ours; cheap, for the common case. */
bool pdm_peer_unnamed(const struct pdm_descriptor *d, const struct sockaddr_in6 *peer);
/* The same for the peer that the socket of D is connected to. */
bool pdm_peer_unnamed_own(const struct pdm_descriptor *d);
/* Asks the policy, and remembers a no. */
bool pdm_peer_named(struct pdm_descriptor *d, const uint8_t *local, const uint8_t *peer,
                    int64_t now);

/* The flow of a connected socket, locked; NULL if it takes no part or cannot be had now. */
struct pdm_flow_entry *pdm_peer_connected(int fd, struct pdm_descriptor *d, int64_t now);
/* The flow between LOCAL and PEER over D, locked; made if there is none. */
struct pdm_flow_entry *pdm_peer_flow(struct pdm_descriptor *d, const uint8_t *local,
                                     const struct sockaddr_in6 *peer, int64_t now);
/* The flow with PEER over an unconnected socket, locked, if there is one. No system call. */
struct pdm_flow_entry *pdm_peer_existing(const struct pdm_descriptor *d,
                                         const struct sockaddr_in6 *peer);
/* Asks the agent if the flow is not open, or was opened under an older policy. True if it is open.
 */
bool pdm_peer_open(struct pdm_flow_entry *e, int64_t now);
/* The address that D is bound to. */
void pdm_peer_local(const struct pdm_descriptor *d, uint8_t out[static 16]);

#endif
