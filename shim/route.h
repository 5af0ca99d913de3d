/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The source address that the kernel would choose towards a peer, and the path's MTU: asked of the
 * kernel with a socket of a moment, and kept for a second. Signal-safe, never waits.
 */
#ifndef PDM_SHIM_ROUTE_H
#define PDM_SHIM_ROUTE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/limits.h"

struct pdm_route {
    uint8_t source[PDM_ADDR_LEN];
    uint32_t mtu;
};

/* False if there is no route, or no time left to look. */
bool pdm_route_to(const struct sockaddr_in6 *peer, int64_t now, struct pdm_route *route);
/* Forgets what was kept for PEER. */
void pdm_route_drop(const struct sockaddr_in6 *peer);
/* The MTU of a connected socket's path; IPv6's least if the kernel does not say. */
uint32_t pdm_route_mtu(int fd);

#endif
