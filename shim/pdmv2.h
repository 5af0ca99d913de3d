/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pdmv2.h - what a program may ask libpdmv2.so about its own sockets, whether the library was
 * preloaded or linked. See libpdmv2(3).
 *
 * All times are nanoseconds. Every function is thread-safe and async-signal-safe, waits for nobody,
 * takes no packet's option away, and leaves errno alone.
 */
#ifndef PDMV2_H
#define PDMV2_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

/* With PDMV2_WEAK defined a program runs without the library too: then the functions are NULL. */
#ifdef PDMV2_WEAK
#define PDMV2_FUNCTION __attribute__((weak))
#else
#define PDMV2_FUNCTION
#endif

/* Delays of one kind. All but samples mean nothing while that is 0. */
struct pdmv2_delay {
    uint64_t samples;
    int64_t last;
    int64_t min;
    int64_t mean;
    int64_t max;
};

/* What stands in the way of samples at this moment. */
enum pdmv2_reason {
    PDMV2_MEASURING = 0,       /* nothing: there are some, or the first is awaited */
    PDMV2_NOT_TAKING_PART = 1, /* not such a socket, or no association names the peer */
    PDMV2_NO_AGENT = 2,        /* the agent does not answer */
    PDMV2_READ_ONLY = 3,       /* options are read but none attached: CAP_NET_RAW is missing */
    PDMV2_NO_FLOW = 4,         /* nothing was exchanged with that peer yet, or not for long */
    PDMV2_OFF = 5,             /* PDMV2_MODE=off, or the program has installed a seccomp filter */
    PDMV2_WHICH_PEER = 6,      /* the socket is not connected: ask pdmv2_stats_peer() */
    PDMV2_DENIED = 7,          /* the agent answers, but has no key or no room for this flow */
    PDMV2_PATH_UNKNOWN = 8,    /* whether the path carries options is being probed */
    PDMV2_PATH_DROPS = 9,      /* it drops packets with options */
    PDMV2_PATH_UNPROBED = 10,  /* the agent may not probe it, or the peer answers no echo */
    PDMV2_SOCKET = 11, /* what the program has set on the socket leaves no room for options */
    PDMV2_BUSY = 12    /* the figures are just being changed: nothing was read */
};

/*
 * The caller sets size to sizeof(struct pdmv2_stats), and finds there how much of it was filled.
 * Later versions add members at the end and change none.
 */
struct pdmv2_stats {
    size_t size;
    enum pdmv2_reason reason;
    /* Both directions together (RFC 8250 section 1.4): never halve it. */
    struct pdmv2_delay network_delay;
    /* The time that the peer took; not counting overlapped samples. */
    struct pdmv2_delay server_delay;
    /* From a packet to the one that answers it, also where the two cannot be told apart. */
    struct pdmv2_delay total_delay;
    /* The last server delay left out because several requests were under way, and how many were. */
    int64_t server_delay_overlapped;
    uint64_t overlapped;
    uint64_t options_sent;
    uint64_t options_received;
    /* Options on their way to us; of TCP always 0, since it mends both itself. */
    uint64_t lost;
    uint64_t reordered;
    uint64_t duplicates;
    uint64_t auth_failures;
    uint64_t negative;  /* network delays below 0: a fault, never clamped */
    uint64_t imprecise; /* network delays finer than the server's resolution of 2^-15 */
    uint64_t unstamped; /* packets without a trustworthy receive time */
    uint64_t withdrawn; /* times that options seemed to get lost on the path */
};

/* The figures of the connected socket FD. Returns 0, or -1 if stats or its size is unusable. */
int pdmv2_stats(int fd, struct pdmv2_stats *stats) PDMV2_FUNCTION;
/*
 * The same of what the socket FD, connected or not, exchanges with PEER, an IPv6 address; NULL: the
 * peer that it is connected to.
 */
int pdmv2_stats_peer(int fd, const struct sockaddr *peer, socklen_t peer_len,
                     struct pdmv2_stats *stats) PDMV2_FUNCTION;

#undef PDMV2_FUNCTION

#ifdef __cplusplus
}
#endif

#endif
