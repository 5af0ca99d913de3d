/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The receiving side of the data path: the program's receive call, made with a control buffer of
 * ours, from which the program gets what it would have got, and its flow what came for it.
 */
#ifndef PDM_SHIM_RECEIVE_H
#define PDM_SHIM_RECEIVE_H

#include <stdbool.h>
#include <sys/socket.h>
#include <time.h>

#include "shim/descriptor.h"
#include "shim/peer.h"

/* Whether D may receive something that the program must not see, or the shim must. */
static inline bool pdm_receive_along(const struct pdm_descriptor *d)
{
    return (pdm_descriptor_flags(d) &
            (PDM_FD_OURS | PDM_FD_ITS_DSTOPTS | PDM_FD_ITS_2292DSTOPTS | PDM_FD_SHARED)) != 0;
}

/* Whether D is known to receive nothing of ours: it is connected to a peer that no association
 * names. */
static inline bool pdm_receive_idle(const struct pdm_descriptor *d)
{
    return (pdm_descriptor_flags(d) & PDM_FD_CONNECTED) != 0 && !pdm_receive_along(d) &&
           pdm_peer_unnamed_own(d);
}

/*
 * True: done, as for pdm_send(). False: nothing was received; the caller makes the program's call.
 */
bool pdm_receive(int fd, struct pdm_descriptor *d, struct msghdr *msg, int flags, ssize_t *result);
/* For calls without control messages: NAME and *NAME_LEN as recvfrom() has them, or NULL. */
bool pdm_receive_plain(int fd, struct pdm_descriptor *d, const struct iovec *iov, size_t count,
                       int flags, struct sockaddr *name, socklen_t *name_len, ssize_t *result);
bool pdm_receive_many(int fd, struct pdm_descriptor *d, struct mmsghdr *vec, unsigned int vlen,
                      int flags, struct timespec *timeout, int *result);
/* After the program's own call, on a socket that the shim does not read along on yet: was it a
 * named peer? */
void pdm_received_from(int fd, struct pdm_descriptor *d, const struct sockaddr *name,
                       socklen_t name_len);

#endif
