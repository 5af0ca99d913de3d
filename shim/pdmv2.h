/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pdmv2.h - what a program may ask libpdmv2.so about its own sockets, whether the library was
 * preloaded or linked.
 *
 * All times are nanoseconds. Every function is thread-safe and async-signal-safe, makes no
 * system call, and leaves errno alone.
 */
#ifndef PDMV2_H
#define PDMV2_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Delays of one kind. min, max, sum and last mean nothing while samples is 0. */
struct pdmv2_delay {
    uint64_t samples;
    int64_t last;
    int64_t min;
    int64_t max;
    int64_t sum; /* sum / samples is the mean */
};

/* Why there are no samples (yet). */
enum pdmv2_reason {
    PDMV2_MEASURING = 0,   /* there are, or the first is awaited */
    PDMV2_NOT_TAKING_PART, /* not such a socket, or no association names the peer */
    PDMV2_NO_AGENT,        /* the agent does not answer */
    PDMV2_READ_ONLY,       /* options are read but none attached: CAP_NET_RAW is missing */
    PDMV2_NO_FLOW          /* nothing was exchanged with that peer yet */
};

struct pdmv2_stats {
    size_t size; /* set to sizeof(struct pdmv2_stats) by the caller; newer libraries fill no more */
    enum pdmv2_reason reason;
    /* Both directions together (RFC 8250 section 1.4): never halve it. */
    struct pdmv2_delay network_delay;
    /* The time that the peer took; not counting overlapped samples. */
    struct pdmv2_delay server_delay;
    int64_t
        server_delay_overlapped; /* the last one left out because several requests were under way */
    uint64_t overlapped;         /* how many were */
    uint64_t options_sent;
    uint64_t options_received;
    uint64_t lost; /* towards us */
    uint64_t reordered;
    uint64_t duplicates;
    uint64_t auth_failures;
    uint64_t negative;  /* network delays below 0: a fault, never clamped */
    uint64_t imprecise; /* network delays finer than the server's resolution of 2^-15 */
    uint64_t unstamped; /* packets without a trustworthy receive time */
};

/*
 * The figures of the flow between socket FD and PEER (NULL for a connected socket's own peer;
 * an IPv6 address otherwise). Returns 0, or -1 if stats or its size is unusable.
 */
int pdmv2_stats(int fd, const struct sockaddr *peer, socklen_t peer_len, struct pdmv2_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
