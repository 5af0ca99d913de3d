/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ICMPv6 echo on raw sockets: what stands for ports in a message, and when the latest requests were
 * sent. A kernel that answers one attaches no option; then the time until its reply is all there is
 * to measure. Lock-free but for locks that are only tried; signal-safe.
 */
#ifndef PDM_SHIM_ECHO_H
#define PDM_SHIM_ECHO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "core/tuple.h"

#define PDM_ECHO_LEN 8 /* octets of a message that say all (RFC 4443 section 4) */

/* Of a message that is no echo, and of what is not ICMPv6, all is 0. */
struct pdm_echo {
    bool asked;          /* by this side: the identifier is its port, else the peer's */
    uint16_t identifier; /* host byte order */
    uint16_t sequence;
};

/* The beginning of a message that this side has SENT or else received. False: it is no echo. */
bool pdm_echo_parse(const uint8_t message[static PDM_ECHO_LEN], bool sent, struct pdm_echo *echo);
/* The same for what a program sends, which may be behind a wild pointer. */
bool pdm_echo_of_sent(const struct msghdr *msg, struct pdm_echo *echo);
/* The same for the LEN octets that a receive call put into MSG's buffers, or would have. */
bool pdm_echo_of_received(const struct msghdr *msg, size_t len, struct pdm_echo *echo);

/* A request of the flow of TUPLE goes out at NOW (CLOCK_MONOTONIC). */
void pdm_echo_asked(const struct pdm_tuple *tuple, uint16_t sequence, int64_t now);
/* Its reply came. True for the first reply to a request that is remembered, sent at *SENT_AT. */
bool pdm_echo_answered(const struct pdm_tuple *tuple, uint16_t sequence, int64_t *sent_at);

#endif
