/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is known of each descriptor, in two levels so that a high descriptor costs one leaf, not a
 * table of the size of RLIMIT_NOFILE. A descriptor can be closed and made anew unseen (inside
 * libc), so what is known is a guess: a call on the strength of it that fails with ENOTSOCK is made
 * again plainly. Lock-free; signal-safe.
 */
#ifndef PDM_SHIM_DESCRIPTOR_H
#define PDM_SHIM_DESCRIPTOR_H

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
#include <sys/socket.h>

#include "shim/process.h"

enum pdm_descriptor_flag {
    PDM_FD_KNOWN = 1 << 0, /* what it is was looked up; without one of PDM_FD_IP6 it is not ours */
    PDM_FD_UDP6 = 1 << 1,
    PDM_FD_RAW6 = 1 << 24,
    PDM_FD_TCP6 = 1 << 25,
    PDM_FD_IP6 = PDM_FD_UDP6 | PDM_FD_RAW6 | PDM_FD_TCP6,
    PDM_FD_ACCEPTED = 1 << 26,  /* TCP: the end that was connected to */
    PDM_FD_NONBLOCK = 1 << 29,  /* TCP: its calls do not wait, as far as is known */
    PDM_FD_CONNECTED = 1 << 2,  /* TCP: and the connection stands */
    PDM_FD_BOUND_PORT = 1 << 3, /* local_port is known */
    PDM_FD_BOUND_ADDR = 1 << 4, /* local is known, and the source of all it sends */
    PDM_FD_HANDED_ON = 1 << 5,  /* another program may read it: receive options stay off */

    /* Receive options that the shim has set. */
    PDM_FD_OUR_DSTOPTS = 1 << 6,
    PDM_FD_OUR_STAMP = 1 << 7,
    PDM_FD_OUR_PKTINFO = 1 << 8,
    PDM_FD_OURS = PDM_FD_OUR_DSTOPTS | PDM_FD_OUR_STAMP | PDM_FD_OUR_PKTINFO,
    /* Receive options that the program has set. */
    PDM_FD_ITS_DSTOPTS = 1 << 9,
    PDM_FD_ITS_STAMP = 1 << 10,
    PDM_FD_ITS_PKTINFO = 1 << 11,
    PDM_FD_ITS_SIOCGSTAMP = 1 << 12, /* it asks by ioctl, which ours would switch off */
    PDM_FD_SETTLED = 1 << 13,        /* every receive stamp from now on is the kernel's own */
    PDM_FD_SHARED = 1 << 19,         /* receive options of ours may be set on it elsewhere */
    PDM_FD_ITS_2292DSTOPTS = 1 << 20,
    PDM_FD_ITS_STAMPING = 1 << 21, /* SO_TIMESTAMPING: with ours its stamps would change kind */
    PDM_FD_ITS = PDM_FD_ITS_DSTOPTS | PDM_FD_ITS_STAMP | PDM_FD_ITS_PKTINFO |
                 PDM_FD_ITS_SIOCGSTAMP | PDM_FD_ITS_2292DSTOPTS | PDM_FD_ITS_STAMPING,

    /* Why a send may have to go without. */
    PDM_FD_STICKY_DSTOPTS = 1 << 14, /* merged */
    PDM_FD_STICKY_OTHER = 1 << 15,   /* a cmsg of ours would replace them */
    PDM_FD_CORKED = 1 << 16,         /* UDP_CORK, TCP_CORK */
    PDM_FD_MORE = 1 << 17,           /* after MSG_MORE */
    PDM_FD_SEGMENTS = 1 << 18,       /* UDP_SEGMENT */
    PDM_FD_ODD_ROUTE = 1 << 23,      /* the source address cannot be foretold */
    PDM_FD_SENT_UNTOLD = 1 << 30,    /* it sent before there was a flow to tell of it */
    PDM_FD_OWN_HEADERS = 1 << 27,    /* IPV6_HDRINCL */
    PDM_FD_ANSWERS = 1 << 28,        /* it sent an Echo Reply: others' requests are its business */
    PDM_FD_SEND_STAMPS = 1 << 22     /* what it sends comes back, headers included */
};

struct pdm_descriptor {
    _Alignas(64) _Atomic uint32_t flags; /* enum pdm_descriptor_flag */
    _Atomic uint32_t local_port;
    _Atomic uint32_t protocol;      /* of IP */
    _Atomic uint64_t local[2];      /* network byte order */
    _Atomic uint64_t flow;          /* of a connected socket: a struct pdm_flow_ref, or 0 */
    _Atomic uint64_t unnamed[2];    /* the peer that no association names, ... */
    _Atomic uint64_t unnamed_as_of; /* ... as of this version of the policy; 0: none */
    _Atomic int64_t unproven;       /* CLOCK_REALTIME: stamps up to here may be invented */
    _Atomic int64_t last_stamp;     /* of the datagram read last */
    _Atomic uint64_t peer[2];       /* as connected to: getpeername() knows no peer ... */
    _Atomic uint32_t peer_scope;    /* ... without a port, as raw sockets' are */
    _Atomic uint32_t reads;         /* TCP: begun, to notice two at once */
    _Atomic uint32_t aside;         /* TCP: what went by the flow; see stream.c */
    _Atomic uint32_t skipped;       /* TCP: sends of that */
    _Atomic int64_t quiet_until;    /* TCP: neither way is an option due before; CLOCK_MONOTONIC */
    _Atomic uint32_t identifier;    /* ICMPv6: of the last echo, in both halves if it asked */
    _Atomic uint64_t source[2];     /* the own address of the last datagram, if it has no local */
};

static inline uint32_t pdm_descriptor_flags(const struct pdm_descriptor *d)
{
    return atomic_load_explicit(&d->flags, memory_order_relaxed);
}

static inline void pdm_descriptor_set(struct pdm_descriptor *d, uint32_t flags)
{
    atomic_fetch_or_explicit(&d->flags, flags, memory_order_relaxed);
}

static inline void pdm_descriptor_clear(struct pdm_descriptor *d, uint32_t flags)
{
    atomic_fetch_and_explicit(&d->flags, ~flags, memory_order_relaxed);
}

#define PDM_LEAF_BITS 10
#define PDM_LEAVES 1024 /* descriptors up to 1048575; higher ones pass through */

extern struct pdm_descriptor *_Atomic pdm_descriptor_leaves[PDM_LEAVES];

static inline struct pdm_descriptor *pdm_descriptor_entry(int fd)
{
    unsigned int leaf = (unsigned int)fd >> PDM_LEAF_BITS;

    if (leaf >= PDM_LEAVES)
        return NULL;
    struct pdm_descriptor *d =
        atomic_load_explicit(&pdm_descriptor_leaves[leaf], memory_order_acquire);

    return d != NULL ? d + (fd & ((1 << PDM_LEAF_BITS) - 1)) : NULL;
}

static inline struct pdm_descriptor *pdm_descriptor_if_ours(struct pdm_descriptor *d)
{
    return d != NULL && (pdm_descriptor_flags(d) & PDM_FD_IP6) != 0 ? d : NULL;
}

static inline bool pdm_descriptor_is_stream(const struct pdm_descriptor *d)
{
    return (pdm_descriptor_flags(d) & PDM_FD_TCP6) != 0;
}

static inline bool pdm_descriptor_is_raw(const struct pdm_descriptor *d)
{
    return (pdm_descriptor_flags(d) & PDM_FD_RAW6) != 0;
}

/* Whether what D carries is ICMPv6. */
static inline bool pdm_descriptor_is_icmp(const struct pdm_descriptor *d)
{
    return pdm_descriptor_is_raw(d) &&
           atomic_load_explicit(&d->protocol, memory_order_relaxed) == IPPROTO_ICMPV6;
}

/* Looks FD up; the entry of a UDP, raw or TCP socket over IPv6, or NULL. */
struct pdm_descriptor *pdm_descriptor_look_up(int fd);

/*
 * The entry of such a socket, or NULL. For calls that any descriptor takes: asks the
 * kernel nothing.
 */
static inline struct pdm_descriptor *pdm_descriptor_known(int fd)
{
    if (!atomic_load_explicit(&pdm_active, memory_order_relaxed))
        return NULL;
    return pdm_descriptor_if_ours(pdm_descriptor_entry(fd));
}

/* The same for socket calls: looks an unknown descriptor up. */
static inline struct pdm_descriptor *pdm_descriptor_socket(int fd)
{
    if (!atomic_load_explicit(&pdm_active, memory_order_relaxed))
        return NULL;
    struct pdm_descriptor *d = pdm_descriptor_entry(fd);

    if (d == NULL || (pdm_descriptor_flags(d) & PDM_FD_KNOWN) == 0)
        return pdm_descriptor_look_up(fd);
    return pdm_descriptor_if_ours(d);
}

/* A descriptor was made, copied or closed. In a vfork child these change nothing. */
void pdm_descriptor_made(int fd, int domain, int type, int protocol);
void pdm_descriptor_copied(int from, int to);
void pdm_descriptor_closed(int fd);
void pdm_descriptor_closed_range(unsigned int first, unsigned int last);
/* The receive options that the program has set on FD hold for all descriptors of that socket. */
void pdm_descriptor_spread(int fd, const struct pdm_descriptor *d);
/* Its addresses may have changed. */
void pdm_descriptor_moved(struct pdm_descriptor *d);
/* It was connected to ADDR. */
void pdm_descriptor_connected(struct pdm_descriptor *d, const struct sockaddr *addr, socklen_t len);
/* Learns its local port and, if it has one for good, its local address. False if it has no port
 * yet; a raw socket never has one. */
bool pdm_descriptor_local(int fd, struct pdm_descriptor *d);
/* Its type is no longer what it was. */
void pdm_descriptor_forget(int fd);
/* Whether calls on FD, of a stream, wait. */
void pdm_descriptor_nonblock(int fd, bool on);
/* FD becomes a listener: what it accepts will have its receive options. */
void pdm_descriptor_listens(int fd, struct pdm_descriptor *d);
/* FD was accepted on LISTENER, whose options it has. */
void pdm_descriptor_accepted(int listener, int fd);

/* Clears the receive options that the shim has set on FD. HANDED_ON: they stay off. */
void pdm_descriptor_release(int fd, bool handed_on);
/* The same on all that will survive an exec, and on all there are. */
void pdm_descriptor_release_exec(void);
void pdm_descriptor_release_all(void);

/*
 * Before a fork: the child may enable our receive options, and the parent must know them as ours.
 */
void pdm_descriptor_share_all(void);

/* At start: descriptors 0 to 2, which a program may use with read and write alone. */
void pdm_descriptor_inherited(void);

#endif
