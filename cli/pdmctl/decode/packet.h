/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From an IPv6 packet, as captured, to its flow and its option: a walk along the chain of extension
 * headers (RFC 8200 section 4) that believes no length. What a packet carries inside a tunnel or
 * ESP is not looked at, nor is what an ICMPv6 error quotes. Pure.
 */
#ifndef CLI_PDMCTL_DECODE_PACKET_H
#define CLI_PDMCTL_DECODE_PACKET_H

#include <stddef.h>
#include <stdint.h>

#include "core/option.h"
#include "core/tuple.h"

enum packet_status {
    PACKET_OPTION, /* one of ours */
    PACKET_PLAIN,  /* none */
    PACKET_MALFORMED,
    PACKET_BAD_VERSION,
    PACKET_REPEATED,
    /* Of no flow that could be told: */
    PACKET_FRAGMENT, /* a later one, in which nothing of this stands */
    PACKET_CUT,      /* the capture kept too little of it */
    PACKET_BROKEN    /* its headers go on behind its end */
};

struct packet {
    struct pdm_tuple tuple;
    struct pdm_found found; /* PACKET_OPTION */
};

/* LEN octets were captured at BYTES of an IPv6 packet, which may be fewer, or more, than it has. */
enum packet_status packet_walk(const uint8_t *bytes, size_t len, uint8_t option_type,
                               struct packet *packet);

#endif
