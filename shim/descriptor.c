/* SPDX-License-Identifier: BSD-2-Clause */
/* What is known of each descriptor. */
#include "shim/descriptor.h"

#include <fcntl.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/mman.h>

#include "core/tuple.h"
#include "shim/flows.h"
#include "shim/mapping.h"
#include "shim/options.h"
#include "shim/process.h"
#include "shim/sticky.h"
#include "shim/sys.h"

#define LEAF_SIZE (1 << PDM_LEAF_BITS)

struct pdm_descriptor *_Atomic pdm_descriptor_leaves[PDM_LEAVES];

/* The entry of FD, with a leaf made for it if need be; NULL if there is no memory. */
static struct pdm_descriptor *make_entry(int fd)
{
    struct pdm_descriptor *d = pdm_descriptor_entry(fd), *none = NULL;
    size_t size = LEAF_SIZE * sizeof *d;

    if (d != NULL || fd < 0 || fd >> PDM_LEAF_BITS >= PDM_LEAVES)
        return d;
    long at = pdm_sys(SYS_mmap, 0, (long)size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                      -1, 0);

    if (at < 0 && at > -4096)
        return NULL;
    if (!atomic_compare_exchange_strong(&pdm_descriptor_leaves[fd >> PDM_LEAF_BITS], &none,
                                        (struct pdm_descriptor *)at))
        pdm_sys(SYS_munmap, at, (long)size, 0, 0, 0, 0);
    return pdm_descriptor_entry(fd);
}

static int get_int(int fd, int level, int name)
{
    int value = 0;
    socklen_t len = sizeof value;
    long r = pdm_sys(SYS_getsockopt, fd, level, name, (long)&value, (long)&len, 0);

    return r == 0 ? value : -1;
}

static uint32_t if_set(int fd, int level, int name, uint32_t flag)
{
    return get_int(fd, level, name) > 0 ? flag : 0;
}

/* Not before the constructor; nor after pdm_deactivate(), when a filter may kill for any call. */
static bool is_active(void)
{
    return atomic_load_explicit(&pdm_active, memory_order_relaxed);
}

static bool keeps_track(void)
{
    return is_active() && pdm_own_memory();
}

static void forget_peer(struct pdm_descriptor *d)
{
    uint64_t flow = atomic_exchange_explicit(&d->flow, 0, memory_order_relaxed);

    atomic_store_explicit(&d->unnamed_as_of, 0, memory_order_relaxed);
    atomic_store_explicit(&d->source[0], 0, memory_order_relaxed);
    atomic_store_explicit(&d->source[1], 0, memory_order_relaxed);
    if (flow != 0)
        pdm_flow_leave(flow);
}

static void reset(struct pdm_descriptor *d, uint32_t flags)
{
    atomic_store_explicit(&d->flags, flags, memory_order_relaxed);
    atomic_store_explicit(&d->unproven, 0, memory_order_relaxed);
    atomic_store_explicit(&d->aside, 0, memory_order_relaxed);
    atomic_store_explicit(&d->skipped, 0, memory_order_relaxed);
    atomic_store_explicit(&d->quiet_until, 0, memory_order_relaxed);
    forget_peer(d);
}

/*
 * Whether a raw socket of PROTOCOL may take part. Protocols with ports show them only in what they
 * carry, after an extension header comes another protocol's, and IPPROTO_RAW's programs write the
 * IPv6 header themselves.
 */
static bool is_raw_of_ours(int protocol)
{
    switch (protocol) {
    case IPPROTO_TCP:
    case IPPROTO_UDP:
    case IPPROTO_DCCP:
    case IPPROTO_ROUTING:
    case IPPROTO_FRAGMENT:
    case IPPROTO_AH:
    case IPPROTO_DSTOPTS:
    case IPPROTO_SCTP:
    case IPPROTO_MH:
    case IPPROTO_UDPLITE:
        return false;
    default:
        return protocol > 0 && protocol < IPPROTO_RAW;
    }
}

/*
 * Of an IPv6 socket: one of PDM_FD_IP6, or 0. Datagram sockets of ICMPv6 are not ours: the kernel
 * drops their Destination Options.
 */
static uint32_t kind_of(int type, int protocol)
{
    if (type == SOCK_DGRAM && protocol == IPPROTO_UDP)
        return PDM_FD_UDP6;
    if (type == SOCK_STREAM && protocol == IPPROTO_TCP)
        return PDM_FD_TCP6;
    return type == SOCK_RAW && is_raw_of_ours(protocol) ? PDM_FD_RAW6 : 0;
}

/* A socket not seen from its beginning: what the program has set on it must be asked. */
static uint32_t look_up(int fd, int *protocol)
{
    uint32_t flags = PDM_FD_KNOWN;
    struct sockaddr_in6 peer;
    socklen_t len = sizeof peer;
    uint8_t sticky[PDM_DSTOPTS_MAX];

    if (get_int(fd, SOL_SOCKET, SO_DOMAIN) != AF_INET6)
        return flags;
    *protocol = get_int(fd, SOL_SOCKET, SO_PROTOCOL);
    uint32_t kind = kind_of(get_int(fd, SOL_SOCKET, SO_TYPE), *protocol);

    if (kind == 0)
        return flags;
    flags |= kind | if_set(fd, IPPROTO_IPV6, IPV6_RECVDSTOPTS, PDM_FD_ITS_DSTOPTS) |
             if_set(fd, IPPROTO_IPV6, IPV6_2292DSTOPTS, PDM_FD_ITS_2292DSTOPTS) |
             if_set(fd, SOL_SOCKET, SO_TIMESTAMPING, PDM_FD_ITS_STAMPING | PDM_FD_SEND_STAMPS) |
             if_set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, PDM_FD_ITS_PKTINFO) |
             if_set(fd, IPPROTO_UDP, UDP_CORK, PDM_FD_CORKED) |
             if_set(fd, IPPROTO_TCP, TCP_CORK, PDM_FD_CORKED) |
             if_set(fd, IPPROTO_UDP, UDP_SEGMENT, PDM_FD_SEGMENTS) |
             if_set(fd, IPPROTO_IPV6, IPV6_HDRINCL, PDM_FD_OWN_HEADERS) |
             if_set(fd, SOL_SOCKET, SO_BINDTOIFINDEX, PDM_FD_ODD_ROUTE) |
             if_set(fd, SOL_SOCKET, SO_MARK, PDM_FD_ODD_ROUTE) |
             if_set(fd, SOL_SOCKET, SO_TIMESTAMP, PDM_FD_ITS_STAMP) |
             if_set(fd, SOL_SOCKET, SO_TIMESTAMPNS, PDM_FD_ITS_STAMP);
    if (pdm_sys(SYS_getpeername, fd, (long)&peer, (long)&len, 0, 0, 0) == 0)
        flags |= PDM_FD_CONNECTED;
    for (size_t i = 0; i < PDM_STICKY_OPTIONS; i++) {
        len = sizeof sticky;
        if (pdm_sys(SYS_getsockopt, fd, IPPROTO_IPV6, pdm_sticky_options[i].name, (long)sticky,
                    (long)&len, 0) != 0 ||
            len == 0)
            continue;
        if (kind != PDM_FD_TCP6 || pdm_sticky_options[i].flag != PDM_FD_STICKY_DSTOPTS ||
            !pdm_sticky_recover(fd, sticky, len, pdm_policy_settings().option_type))
            flags |= pdm_sticky_options[i].flag;
    }
    return flags;
}

struct pdm_descriptor *pdm_descriptor_look_up(int fd)
{
    struct pdm_descriptor *d = make_entry(fd);
    uint32_t before = d != NULL ? pdm_descriptor_flags(d) : PDM_FD_KNOWN;

    if ((before & PDM_FD_KNOWN) == 0) {
        int protocol = 0;
        uint32_t found = look_up(fd, &protocol);

        /* If another thread was faster, what was found may be receive options of ours. */
        forget_peer(d);
        atomic_store_explicit(&d->protocol, (uint32_t)protocol, memory_order_relaxed);
        atomic_compare_exchange_strong(&d->flags, &before, found);
    }
    return pdm_descriptor_if_ours(d);
}

void pdm_descriptor_made(int fd, int domain, int type, int protocol)
{
    uint32_t kind = 0, wait = (type & SOCK_NONBLOCK) != 0 ? PDM_FD_NONBLOCK : 0;

    type &= ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (protocol == 0)
        protocol = type == SOCK_DGRAM ? IPPROTO_UDP : type == SOCK_STREAM ? IPPROTO_TCP : 0;
    if (is_active() && domain == AF_INET6)
        kind = kind_of(type, protocol);
    struct pdm_descriptor *d = kind != 0 ? make_entry(fd) : pdm_descriptor_entry(fd);

    if (d == NULL || !keeps_track())
        return;
    reset(d, PDM_FD_KNOWN | kind | wait);
    atomic_store_explicit(&d->protocol, (uint32_t)protocol, memory_order_relaxed);
}

void pdm_descriptor_copied(int from, int to)
{
    struct pdm_descriptor *source = pdm_descriptor_known(from);
    struct pdm_descriptor *d = source != NULL ? make_entry(to) : pdm_descriptor_entry(to);

    if (d == NULL || d == source || !keeps_track())
        return;
    if (source != NULL) /* receive options set through one appear on the other */
        pdm_descriptor_set(source, PDM_FD_SHARED);
    reset(d, source != NULL ? pdm_descriptor_flags(source) : 0);
    if (source == NULL)
        return;
    atomic_store_explicit(&d->protocol, source->protocol, memory_order_relaxed);
    atomic_store_explicit(&d->local_port, source->local_port, memory_order_relaxed);
    atomic_store_explicit(&d->local[0], source->local[0], memory_order_relaxed);
    atomic_store_explicit(&d->local[1], source->local[1], memory_order_relaxed);
    atomic_store_explicit(&d->peer[0], source->peer[0], memory_order_relaxed);
    atomic_store_explicit(&d->peer[1], source->peer[1], memory_order_relaxed);
    atomic_store_explicit(&d->peer_scope, source->peer_scope, memory_order_relaxed);
    atomic_store_explicit(&d->unproven, source->unproven, memory_order_relaxed);
}

static uint64_t cookie_of(int fd)
{
    uint64_t cookie = 0;
    socklen_t len = sizeof cookie;

    pdm_sys(SYS_getsockopt, fd, SOL_SOCKET, SO_COOKIE, (long)&cookie, (long)&len, 0);
    return cookie;
}

void pdm_descriptor_spread(int fd, const struct pdm_descriptor *d)
{
    uint32_t its = pdm_descriptor_flags(d) & PDM_FD_ITS;
    uint64_t cookie = cookie_of(fd);

    for (int at = 0; at < PDM_LEAVES << PDM_LEAF_BITS; at++) {
        struct pdm_descriptor *other = pdm_descriptor_entry(at);

        if (other == NULL) {
            at |= LEAF_SIZE - 1; /* none in this leaf */
        } else if (pdm_descriptor_if_ours(other) != NULL &&
                   (pdm_descriptor_flags(other) & PDM_FD_SHARED) != 0 && cookie_of(at) == cookie) {
            pdm_descriptor_clear(other, PDM_FD_ITS & ~its);
            pdm_descriptor_set(other, its);
        }
    }
}

void pdm_descriptor_closed(int fd)
{
    struct pdm_descriptor *d = pdm_descriptor_entry(fd);

    if (d != NULL && pdm_descriptor_flags(d) != 0 && keeps_track())
        reset(d, 0);
}

void pdm_descriptor_closed_range(unsigned int first, unsigned int last)
{
    if (!keeps_track())
        return;
    for (unsigned int leaf = first >> PDM_LEAF_BITS;
         leaf < PDM_LEAVES && leaf <= last >> PDM_LEAF_BITS; leaf++) {
        struct pdm_descriptor *d =
            atomic_load_explicit(&pdm_descriptor_leaves[leaf], memory_order_acquire);

        for (unsigned int i = 0; d != NULL && i < LEAF_SIZE; i++) {
            unsigned int fd = leaf << PDM_LEAF_BITS | i;

            if (fd >= first && fd <= last && pdm_descriptor_flags(d + i) != 0)
                reset(d + i, 0);
        }
    }
}

void pdm_descriptor_moved(struct pdm_descriptor *d)
{
    pdm_descriptor_clear(d, PDM_FD_CONNECTED | PDM_FD_BOUND_PORT | PDM_FD_BOUND_ADDR);
    forget_peer(d);
}

static void set_peer(struct pdm_descriptor *d, const struct sockaddr_in6 *peer)
{
    uint64_t words[2];

    memcpy(words, &peer->sin6_addr, sizeof words);
    atomic_store_explicit(&d->peer[0], words[0], memory_order_relaxed);
    atomic_store_explicit(&d->peer[1], words[1], memory_order_relaxed);
    atomic_store_explicit(&d->peer_scope, peer->sin6_scope_id, memory_order_relaxed);
}

void pdm_descriptor_connected(struct pdm_descriptor *d, const struct sockaddr *addr, socklen_t len)
{
    struct sockaddr_in6 peer = {.sin6_family = AF_INET6};

    if (addr->sa_family == AF_UNSPEC)
        return;
    memcpy(&peer, addr, len < sizeof peer ? len : sizeof peer);
    set_peer(d, &peer);
    pdm_descriptor_set(d, PDM_FD_CONNECTED);
}

bool pdm_descriptor_local(int fd, struct pdm_descriptor *d)
{
    bool raw = pdm_descriptor_is_raw(d);
    struct sockaddr_in6 local;
    socklen_t len = sizeof local;
    uint64_t words[2];

    if ((pdm_descriptor_flags(d) & PDM_FD_BOUND_PORT) != 0)
        return true;
    if (pdm_sys(SYS_getsockname, fd, (long)&local, (long)&len, 0, 0, 0) != 0 ||
        len < sizeof local || local.sin6_family != AF_INET6 || (local.sin6_port == 0 && !raw))
        return false;
    memcpy(words, &local.sin6_addr, sizeof words);
    atomic_store_explicit(&d->local[0], words[0], memory_order_relaxed);
    atomic_store_explicit(&d->local[1], words[1], memory_order_relaxed);
    /* The kernel shows a raw socket's protocol in place of a port. */
    atomic_store_explicit(&d->local_port, raw ? 0 : ntohs(local.sin6_port), memory_order_relaxed);
    /* From an address like ::ffff:192.0.2.1 the kernel sends to no peer of ours: nor may we. */
    uint32_t address = pdm_addr_takes_part((const uint8_t *)words) ? PDM_FD_BOUND_ADDR
                       : (words[0] | words[1]) != 0                ? PDM_FD_ODD_ROUTE
                                                                   : 0;

    pdm_descriptor_set(d, PDM_FD_BOUND_PORT | address);
    return true;
}

void pdm_descriptor_nonblock(int fd, bool on)
{
    struct pdm_descriptor *d = pdm_descriptor_known(fd);

    if (d == NULL || !pdm_descriptor_is_stream(d))
        return;
    if (on)
        pdm_descriptor_set(d, PDM_FD_NONBLOCK);
    else
        pdm_descriptor_clear(d, PDM_FD_NONBLOCK);
}

/* A client's first packet is read with what is set now. */
void pdm_descriptor_listens(int fd, struct pdm_descriptor *d)
{
    if (pdm_options_missing(d) != 0 && pdm_policy_ready(pdm_clock(CLOCK_MONOTONIC)) &&
        pdm_policy_names_any())
        pdm_options_want(fd, d);
}

void pdm_descriptor_accepted(int listener, int fd)
{
    const uint32_t inherited = PDM_FD_OURS | PDM_FD_ITS | PDM_FD_STICKY_DSTOPTS |
                               PDM_FD_STICKY_OTHER | PDM_FD_CORKED | PDM_FD_SEND_STAMPS;
    struct pdm_descriptor *from = pdm_descriptor_socket(listener), *d;

    if (from == NULL || !pdm_descriptor_is_stream(from)) {
        pdm_descriptor_closed(fd); /* whatever bore that number is gone */
        return;
    }
    d = make_entry(fd);
    if (d == NULL || !keeps_track())
        return;
    uint32_t flags = pdm_descriptor_flags(from) & inherited;

    if ((pdm_descriptor_flags(from) & PDM_FD_SHARED) != 0)
        flags |= PDM_FD_OUR_DSTOPTS | PDM_FD_OUR_STAMP; /* set elsewhere, perhaps */
    reset(d, PDM_FD_KNOWN | PDM_FD_TCP6 | PDM_FD_ACCEPTED | flags);
    atomic_store_explicit(&d->protocol, IPPROTO_TCP, memory_order_relaxed);
    pdm_descriptor_listens(listener, from);
}

void pdm_descriptor_forget(int fd)
{
    struct pdm_descriptor *d = pdm_descriptor_entry(fd);

    if (d != NULL)
        reset(d, 0);
}

static void release(int fd, struct pdm_descriptor *d, bool handed_on)
{
    uint32_t flags = pdm_descriptor_flags(d);

    if ((flags & PDM_FD_OURS) != 0)
        pdm_options_disable(fd, flags);
    if (!pdm_own_memory())
        return;
    pdm_descriptor_clear(d, PDM_FD_OURS | PDM_FD_SETTLED);
    if (handed_on)
        pdm_descriptor_set(d, PDM_FD_HANDED_ON | PDM_FD_SHARED);
}

void pdm_descriptor_release(int fd, bool handed_on)
{
    struct pdm_descriptor *d = pdm_descriptor_known(fd);

    if (d != NULL)
        release(fd, d, handed_on);
}

static void release_each(bool exec_only)
{
    for (int leaf = 0; leaf < PDM_LEAVES; leaf++) {
        struct pdm_descriptor *d =
            atomic_load_explicit(&pdm_descriptor_leaves[leaf], memory_order_acquire);

        for (int i = 0; d != NULL && i < LEAF_SIZE; i++) {
            int fd = leaf << PDM_LEAF_BITS | i;

            if (pdm_descriptor_if_ours(d + i) == NULL)
                continue;
            if (exec_only && (pdm_sys(SYS_fcntl, fd, F_GETFD, 0, 0, 0, 0) & FD_CLOEXEC) != 0)
                continue;
            if (exec_only)
                pdm_descriptor_set(d + i, PDM_FD_SHARED);
            release(fd, d + i, false);
        }
    }
}

void pdm_descriptor_release_exec(void)
{
    if (atomic_load_explicit(&pdm_active, memory_order_relaxed))
        release_each(true);
}

void pdm_descriptor_release_all(void)
{
    release_each(false);
}

void pdm_descriptor_share_all(void)
{
    for (int leaf = 0; leaf < PDM_LEAVES; leaf++) {
        struct pdm_descriptor *d =
            atomic_load_explicit(&pdm_descriptor_leaves[leaf], memory_order_acquire);

        for (int i = 0; d != NULL && i < LEAF_SIZE; i++)
            if (pdm_descriptor_if_ours(d + i) != NULL)
                pdm_descriptor_set(d + i, PDM_FD_SHARED);
    }
}

void pdm_descriptor_inherited(void)
{
    for (int fd = 0; fd <= 2; fd++) {
        int protocol = 0;
        uint32_t flags = look_up(fd, &protocol);

        if ((flags & PDM_FD_IP6) == 0 || make_entry(fd) == NULL)
            continue;
        reset(pdm_descriptor_entry(fd), flags);
        atomic_store_explicit(&pdm_descriptor_entry(fd)->protocol, (uint32_t)protocol,
                              memory_order_relaxed);
    }
}
