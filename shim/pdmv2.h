/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pdmv2.h - what a program may ask libpdmv2.so about its own sockets, whether the library was
 * preloaded or linked; C and C++. libpdmv2(3) is the manual, pdmv2(7) says what the figures mean.
 *
 * All times are nanoseconds. Every function may be called from any thread and from signal handlers,
 * takes no lock, waits for nobody, costs no packet its option, and leaves errno alone. None keeps a
 * pointer that it was given.
 */
#ifndef PDMV2_H
#define PDMV2_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A program that defines PDMV2_WEAK before it includes this need not be linked with the library,
 * and runs without it too: then the functions' addresses are NULL.
 */
#ifdef PDMV2_WEAK
#define PDMV2_FUNCTION __attribute__((weak))
#else
#define PDMV2_FUNCTION
#endif

/* Delays of one kind, of one flow since it began. All but samples mean nothing while that is 0. */
struct pdmv2_delay {
    uint64_t samples;
    int64_t last; /* nanoseconds, here and below */
    int64_t min;
    int64_t mean;
    int64_t max;
};

/*
 * What stands in the way of samples now, or did when the socket was last used. There may be samples
 * of before. Later versions may return values that are not here yet.
 */
enum pdmv2_reason {
    PDMV2_MEASURING = 0,       /* nothing: there are some, or the first is awaited */
    PDMV2_NOT_TAKING_PART = 1, /* no IPv6 socket of UDP, TCP or raw, no IPv6 peer, or one that no
                                  association names */
    PDMV2_NO_AGENT = 2,        /* the agent did not answer when it was last asked */
    PDMV2_READ_ONLY = 3,       /* options are read but none attached: CAP_NET_RAW is missing */
    PDMV2_NO_FLOW = 4,         /* nothing was exchanged with that peer yet, or nothing lately */
    PDMV2_OFF = 5,             /* PDMV2_MODE=off, or the program has installed a seccomp filter */
    PDMV2_WHICH_PEER = 6,      /* the socket is not connected: ask pdmv2_stats_peer() */
    PDMV2_DENIED = 7,          /* the agent answers, but has no key or no room for this flow */
    PDMV2_PATH_UNKNOWN = 8,    /* whether the path carries options is being probed */
    PDMV2_PATH_DROPS = 9,      /* it drops packets with options */
    PDMV2_PATH_UNPROBED = 10,  /* the agent may not probe it, or the peer answers no echo */
    PDMV2_SOCKET = 11, /* what the program has set on the socket leaves no room for options, or it
                          handed the socket to another process */
    PDMV2_BUSY = 12    /* the figures are just being changed: nothing was read, ask again later */
};

/*
 * The caller sets size to sizeof(struct pdmv2_stats), and finds there how many octets were filled.
 * Later versions add members at the end and change none: what lies beyond those octets is left as
 * it was. Counters and delays are the flow's, since it began; they end with it.
 */
struct pdmv2_stats {
    size_t size;
    enum pdmv2_reason reason;
    /* Round trip, both directions together (RFC 8250 section 2.1): never halve it. */
    struct pdmv2_delay network_delay;
    /* The time that the peer took to answer (RFC 8250 section 2.2), without overlapped samples. */
    struct pdmv2_delay server_delay;
    /* From a packet to the one that answers it, also where the two cannot be told apart. */
    struct pdmv2_delay total_delay;
    /* The latest server delay that was left out because several requests were under way, in
     * nanoseconds, and how many were; it means nothing while overlapped is 0. */
    int64_t server_delay_overlapped;
    uint64_t overlapped;
    uint64_t options_sent;     /* built and handed to the kernel */
    uint64_t options_received; /* accepted */
    /* Of options to this host, by their sequence numbers; of TCP, which repairs both, always 0. */
    uint64_t lost;
    uint64_t reordered;
    uint64_t duplicates;    /* options that came again, octet for octet */
    uint64_t auth_failures; /* encrypted options that no key opens */
    uint64_t negative;      /* network delays below 0: a fault, never clamped */
    uint64_t imprecise;     /* network delays finer than the step of the server delay allows */
    uint64_t unstamped;     /* options of packets without a trustworthy receive time */
    uint64_t withdrawn;     /* times that options seemed to get lost on the path */
};

/*
 * The figures of the flow between FD, a connected socket, and its peer. Returns 0, whatever FD is:
 * stats->reason tells of descriptors and peers without figures, which are 0 then. Returns -1, and
 * changes nothing, if STATS is NULL or stats->size is below the octets of size and reason.
 */
int pdmv2_stats(int fd, struct pdmv2_stats *stats) PDMV2_FUNCTION;
/*
 * The same of the flow between FD, which need not be connected, and PEER, a struct sockaddr_in6 of
 * PEER_LEN octets with the peer's address and port. PEER NULL: as pdmv2_stats().
 */
int pdmv2_stats_peer(int fd, const struct sockaddr *peer, socklen_t peer_len,
                     struct pdmv2_stats *stats) PDMV2_FUNCTION;

#undef PDMV2_FUNCTION

#ifdef __cplusplus
}
#endif

#endif
