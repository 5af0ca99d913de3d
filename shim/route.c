/* SPDX-License-Identifier: BSD-2-Clause */
/* Source addresses of sends that name none. */
#include "shim/route.h"

#include <stdatomic.h>
#include <string.h>

#include "core/limits.h"
#include "shim/effort.h"
#include "shim/sys.h"

#define MTU_LEAST 1280 /* RFC 8200 section 5 */

static struct kept {
    _Atomic uint32_t lock; /* only tried */
    struct in6_addr peer;
    uint32_t scope;
    int64_t until;
    struct pdm_route route;
} routes[PDM_ROUTES];

static struct kept *place_of(const struct sockaddr_in6 *peer)
{
    uint64_t w[2];

    memcpy(w, &peer->sin6_addr, sizeof w);
    uint64_t h =
        (w[0] ^ (w[1] * 0x9E3779B97F4A7C15ULL) ^ peer->sin6_scope_id) * 0xBF58476D1CE4E5B9ULL;
    struct kept *k = &routes[(h >> 32) % PDM_ROUTES];

    return atomic_exchange_explicit(&k->lock, 1, memory_order_acquire) == 0 ? k : NULL;
}

static void leave(struct kept *k)
{
    atomic_store_explicit(&k->lock, 0, memory_order_release);
}

static bool holds(const struct kept *k, const struct sockaddr_in6 *peer)
{
    return memcmp(&k->peer, &peer->sin6_addr, sizeof k->peer) == 0 &&
           k->scope == peer->sin6_scope_id;
}

uint32_t pdm_route_mtu(int fd)
{
    int mtu = 0;
    socklen_t len = sizeof mtu;
    long r = pdm_sys(SYS_getsockopt, fd, IPPROTO_IPV6, IPV6_MTU, (long)&mtu, (long)&len, 0);

    return r == 0 && mtu > 0 ? (uint32_t)mtu : MTU_LEAST;
}

static bool ask_kernel(const struct sockaddr_in6 *peer, struct pdm_route *route)
{
    struct sockaddr_in6 source;
    socklen_t len = sizeof source;
    bool ok = false;
    long fd = pdm_sys(SYS_socket, AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0, 0, 0, 0);

    if (fd < 0)
        return false;
    if (pdm_sys(SYS_connect, fd, (long)peer, sizeof *peer, 0, 0, 0) == 0 &&
        pdm_sys(SYS_getsockname, fd, (long)&source, (long)&len, 0, 0, 0) == 0) {
        memcpy(route->source, &source.sin6_addr, PDM_ADDR_LEN);
        route->mtu = pdm_route_mtu((int)fd);
        ok = true;
    }
    pdm_sys(SYS_close, fd, 0, 0, 0, 0, 0);
    return ok;
}

static bool look_up(struct kept *k, const struct sockaddr_in6 *peer, int64_t now)
{
    if (!pdm_effort_left(now) || !ask_kernel(peer, &k->route)) {
        k->until = 0;
        return false;
    }
    int64_t after = pdm_clock(CLOCK_MONOTONIC);

    pdm_effort_spend(after - now);
    k->peer = peer->sin6_addr;
    k->scope = peer->sin6_scope_id;
    k->until = after + PDM_ROUTE_KEPT_NS;
    return true;
}

bool pdm_route_to(const struct sockaddr_in6 *peer, int64_t now, struct pdm_route *route)
{
    struct kept *k = place_of(peer);

    if (k == NULL)
        return false;
    bool ok = (holds(k, peer) && now < k->until) || look_up(k, peer, now);

    if (ok)
        *route = k->route;
    leave(k);
    return ok;
}

void pdm_route_drop(const struct sockaddr_in6 *peer)
{
    struct kept *k = place_of(peer);

    if (k == NULL)
        return;
    if (holds(k, peer))
        k->until = 0;
    leave(k);
}
