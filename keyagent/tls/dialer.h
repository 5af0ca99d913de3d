/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A TCP connection to be made to one of a target's addresses: those of IPv6 first, of each kind one
 * after the other from a random one on, so that several servers of one name share the load, until
 * one answers. Event loop: all on the thread that runs BASE.
 */
#ifndef PDM_KEYAGENT_DIALER_H
#define PDM_KEYAGENT_DIALER_H

#include <event2/event.h>
#include <sys/socket.h>

#include "core/limits.h"

struct dialer;
struct evdns_base;

/*
 * TARGET: "host:port", "address:port" of IPv4, "[address]:port" of IPv6; names are asked of DNS, or
 * unknown if that is NULL. DONE is called once, later, with a socket that does not block and is now
 * the caller's, or with -1 and WHY, one line, valid during the call. NULL if TARGET is malformed or
 * there is no memory.
 */
struct dialer *dialer_new(struct event_base *base, struct evdns_base *dns, const char *target,
                          void (*done)(int fd, const char *why, void *arg), void *arg);
/* Before DONE: it is not called any more. Within it and after it: always. NULL is allowed. */
void dialer_free(struct dialer *dialer);

/* "[2001:db8::1]:4711", "192.0.2.1:4711"; "local" of what is no address of the internet. */
void dialer_text(const struct sockaddr *address, socklen_t len, char text[static LINK_FROM_MAX]);

#endif
