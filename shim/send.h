/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sending side of the data path: a program's datagram, with an option where one can go. No
 * allocation, no lock, no system call but the program's own (and, rarely, a request to the agent).
 */
#ifndef PDM_SHIM_SEND_H
#define PDM_SHIM_SEND_H

#include <stdbool.h>
#include <sys/socket.h>

#include "shim/descriptor.h"

/*
 * Sends MSG with an option. True: done, *RESULT and errno are what the program shall see. False:
 * not sent, errno as it was; the caller makes the program's call as it stands.
 */
bool pdm_send(int fd, struct pdm_descriptor *d, const struct msghdr *msg, int flags,
              ssize_t *result);
/* The same for several datagrams. */
bool pdm_send_many(int fd, struct pdm_descriptor *d, struct mmsghdr *vec, unsigned int vlen,
                   int flags, int *result);

/* Whether the kernel refused an option lately: CAP_NET_RAW is missing. */
bool pdm_send_unprivileged(int64_t now);

#endif
