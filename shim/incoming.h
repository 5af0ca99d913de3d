/* SPDX-License-Identifier: BSD-2-Clause */
/* A packet that a receive call of the program's brought: its flow is found, and told of it. */
#ifndef PDM_SHIM_INCOMING_H
#define PDM_SHIM_INCOMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "shim/descriptor.h"

/* One received packet, and when its receive call began. */
struct pdm_incoming {
    struct msghdr *msg; /* as the kernel filled it, control messages of ours included */
    int64_t entered;    /* CLOCK_REALTIME; 0: the socket was settled */
    bool peeked;
    size_t len;    /* of its data */
    uint32_t read; /* of a stream: the number of this read */
};

/* Of a datagram or raw socket D. A packet that was only peeked at tells of its stamp alone. */
void pdm_incoming_take(int fd, struct pdm_descriptor *d, const struct pdm_incoming *in);

#endif
