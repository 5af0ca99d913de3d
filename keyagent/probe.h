/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The socket of the probes (keyagent/prober.h): ICMPv6 echo requests (RFC 4443 section 4.1) with an
 * option as flows attach it, or without, and the replies to them. Needs CAP_NET_RAW. Single thread.
 */
#ifndef PDM_KEYAGENT_PROBE_H
#define PDM_KEYAGENT_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keyagent/prober.h"

struct probe {
    int fd;              /* -1: none */
    uint16_t identifier; /* of all requests; random */
};

/* False after setting errno: there is no socket, and errno says why. */
bool probe_open(struct probe *probe);
void probe_close(struct probe *probe);
/* Never waits. False: it could not be sent. */
bool probe_send(const struct probe *probe, const struct path_request *request, uint8_t option_type);
enum probe_got { PROBE_NONE, PROBE_OTHER, PROBE_REPLY };

/*
 * Reads one packet, never waits. PROBE_REPLY: a reply to one of our requests, its nonce and whom it
 * came from; PROBE_OTHER: anything else, so that whoever sends that fast cannot keep the caller
 * here; PROBE_NONE: there is no packet.
 */
enum probe_got probe_receive(const struct probe *probe, uint8_t nonce[static PATH_NONCE_LEN],
                             uint8_t from[static PDM_ADDR_LEN]);
/* The nonce in LEN octets of ICMPv6; false if they are no reply to a request of IDENTIFIER. */
bool probe_parse(const uint8_t *bytes, size_t len, uint16_t identifier,
                 uint8_t nonce[static PATH_NONCE_LEN]);

#endif
