/* SPDX-License-Identifier: BSD-2-Clause */
/* ICMPv6 errors (RFC 4443 section 3) as the kernel queues them on the socket. */
#ifndef CLI_PDMPING_ERROR_H
#define CLI_PDMPING_ERROR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/pdmping/socket.h"

struct ping_error {
    uint64_t seq; /* of the probe that it is about; 0: it does not say */
    bool remote;  /* an ICMPv6 message, or TCP's reset; else this host's own refusal */
    bool closed;  /* nothing listens on the port */
    char from[ADDRESS_TEXT];
    char text[ERROR_TEXT];
};

/*
 * Takes the next one off the queue of FD, about the probes of RUN; false if there is none. The
 * packets that it quotes have HEADER octets before the probe.
 */
bool ping_error_take(int fd, uint64_t run, size_t header, struct ping_error *error);

#endif
