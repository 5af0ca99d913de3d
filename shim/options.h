/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Socket options: those that the shim sets to receive, and what the program's own mean for it.
 * The program sees its own alone.
 */
#ifndef PDM_SHIM_OPTIONS_H
#define PDM_SHIM_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "shim/descriptor.h"

/* Newer than some C libraries know. */
#ifndef SO_TIMESTAMP_NEW
#define SO_TIMESTAMP_NEW 63
#define SO_TIMESTAMPNS_NEW 64
#define SO_TIMESTAMPING_NEW 65
#endif

/* Extension headers that a program attaches to all it sends (RFC 3542 section 4). */
struct pdm_sticky_option {
    int name;
    uint32_t flag;
};

#define PDM_STICKY_OPTIONS 4
extern const struct pdm_sticky_option pdm_sticky_options[PDM_STICKY_OPTIONS];

/* Sets the receive options that are still missing. False if the kernel refuses one. */
bool pdm_options_enable(int fd, struct pdm_descriptor *d);
/* The same, unless another program may read from the socket. */
void pdm_options_want(int fd, struct pdm_descriptor *d);
/* Clears those of FLAGS, on the socket alone. */
void pdm_options_disable(int fd, uint32_t flags);
/* Nothing waits to be read: what comes from now on is stamped as it comes. */
bool pdm_options_nothing_queued(int fd);
/* Which receive options the shim wants on D and has not set. */
uint32_t pdm_options_missing(const struct pdm_descriptor *d);

/*
 * A successful setsockopt of the program. VALUE was read by the kernel already. Before it, for a
 * receive option that must stay on for us: true if the call is answered without the kernel.
 */
bool pdm_options_intercept(int fd, struct pdm_descriptor *d, int level, int name, const void *value,
                           socklen_t len);
void pdm_options_noted(int fd, struct pdm_descriptor *d, int level, int name, const void *value,
                       socklen_t len);
/* ioctl(SIOCGSTAMP): the stamp of the last datagram read, which ours would have kept from the
 * program. */
int pdm_options_stamp_asked(int fd, struct pdm_descriptor *d, unsigned long request, void *arg);
/* The receive options of the shim that the program has not set itself, of those in FLAGS. */
uint32_t pdm_options_hidden(uint32_t flags);
/*
 * getsockopt(IPV6_MTU) of a connection that failed: to set and clear an option makes the kernel
 * forget the route until something is sent. True: *VALUE is the MTU.
 */
bool pdm_options_mtu(int fd, void *value, socklen_t *len);
/* getsockopt(IPV6_2292PKTOPTIONS) of a TCP socket, without what the program did not ask for. */
int pdm_options_of_packet(int fd, const struct pdm_descriptor *d, void *value, socklen_t *len);
/* After a successful getsockopt: hides what the shim has set. */
void pdm_options_hide(const struct pdm_descriptor *d, int level, int name, void *value,
                      socklen_t len);

#endif
