/* SPDX-License-Identifier: BSD-2-Clause */
/* Waiting for descriptors, to the nanosecond; ^C and its like end it. See cli/signals.h. */
#ifndef CLI_WAIT_H
#define CLI_WAIT_H

#include <poll.h>
#include <stdint.h>

#define WAIT_FOREVER INT64_MAX

/*
 * Until one of the COUNT descriptors is ready, a signal came, or it is UNTIL (CLOCK_MONOTONIC, in
 * nanoseconds). Returns how many are ready, as ppoll() does; -1 with errno, EINTR after a signal:
 * then their revents mean nothing.
 */
int wait_ready(struct pollfd *fds, nfds_t count, int64_t until);

#endif
