/* SPDX-License-Identifier: BSD-2-Clause */
/* A TCP connection, as the kernel tells of it. One system call each; signal-safe. */
#ifndef PDM_SHIM_CONNECTION_H
#define PDM_SHIM_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pdm_connection {
    bool stands;            /* both ends do, and this one may send */
    uint32_t segment;       /* its largest, in octets of data */
    uint32_t unsent;        /* octets */
    uint32_t retransmitted; /* segments, ever */
    uint32_t mtu;           /* of the path */
};

bool pdm_connection_ask(int fd, struct pdm_connection *c);
/*
 * Of PENDING octets, those that the last segment carries; 0 if a header of HEADER octets does not
 * fit beside them.
 */
size_t pdm_connection_last(const struct pdm_connection *c, size_t pending, size_t header);
/* All that came was read. */
bool pdm_connection_drained(int fd);

#endif
