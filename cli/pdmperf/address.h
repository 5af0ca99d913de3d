/* SPDX-License-Identifier: BSD-2-Clause */
/* An address of either family, and its port. */
#ifndef CLI_PDMPERF_ADDRESS_H
#define CLI_PDMPERF_ADDRESS_H

#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>

/* Writes the address as TEXT; returns the port. */
uint16_t address_text(const struct sockaddr_storage *address, char text[static INET6_ADDRSTRLEN]);

#endif
