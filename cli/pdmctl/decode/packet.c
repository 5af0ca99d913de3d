/* SPDX-License-Identifier: BSD-2-Clause */
/* From an IPv6 packet, as captured, to its flow and its option. */
#include "cli/pdmctl/decode/packet.h"

#include <netinet/in.h>
#include <netinet/icmp6.h>
#include <string.h>

#include "core/cursor.h"

enum {
    IPV6_HEADER = 40,
    UNIT = 8,             /* of the length of most extension headers, not counting the first */
    UNIT_AUTH = 4,        /* RFC 4302 section 2.2: of an Authentication Header, but for two */
    FRAGMENT_OFFSET = 2,  /* where it stands, */
    OFFSET_MASK = 0xfff8, /* and which of its bits */
    ICMP_REST = 2,        /* octets between an ICMPv6 code and an echo's identifier */
    JUMBO_TYPE = 0xc2,    /* RFC 2675 section 2: an option's */
    PROTOCOL_DCCP = 33,
    PROTOCOL_UDPLITE = 136,
};

struct walk {
    struct pdm_reader left; /* of the packet */
    bool cut;               /* and what is missing behind was not captured */
    uint8_t next;           /* what comes next */
    bool later_fragment;
    unsigned options; /* headers that have one */
    enum packet_status status;
};

/* RFC 2675: where the IPv6 header says 0, the length may be in an option of the first header behind
 * it; Linux writes that option first. One that was not captured is long. */
static size_t jumbo_length(struct pdm_reader behind)
{
    (void)pdm_read_u16(&behind);
    uint8_t type = pdm_read_u8(&behind), len = pdm_read_u8(&behind);
    size_t length = pdm_read_u32(&behind);

    if (behind.bad)
        return SIZE_MAX;
    return type == JUMBO_TYPE && len == sizeof(uint32_t) ? length : 0;
}

static bool begin(struct walk *w, const uint8_t *bytes, size_t len, struct packet *packet)
{
    struct pdm_reader r = pdm_reader(bytes, len);

    (void)pdm_read_u32(&r);
    size_t payload = pdm_read_u16(&r);

    w->next = pdm_read_u8(&r);
    (void)pdm_read_u8(&r); /* hop limit */
    pdm_read_bytes(&r, packet->tuple.saddr, PDM_ADDR_LEN);
    pdm_read_bytes(&r, packet->tuple.daddr, PDM_ADDR_LEN);
    if (payload == 0 && w->next == IPPROTO_HOPOPTS)
        payload = jumbo_length(r);
    w->cut = r.bad || payload > r.left;
    w->left = pdm_reader(r.at, payload < r.left ? payload : r.left);
    return !r.bad;
}

/* Octets of the extension header of kind NEXT that begins with HEADER; 0: it is none. */
static size_t header_size(uint8_t next, const uint8_t *header)
{
    switch (next) {
    case IPPROTO_HOPOPTS:
    case IPPROTO_ROUTING:
    case IPPROTO_DSTOPTS:
        return ((size_t)header[1] + 1) * UNIT;
    case IPPROTO_FRAGMENT:
        return UNIT;
    case IPPROTO_AH:
        return ((size_t)header[1] + 2) * UNIT_AUTH;
    default:
        return 0;
    }
}

static void look_for_option(struct walk *w, const uint8_t *header, size_t size, uint8_t type,
                            struct packet *packet)
{
    static const enum packet_status statuses[] = {
        [PDM_FOUND] = PACKET_OPTION,        [PDM_ABSENT] = PACKET_PLAIN,
        [PDM_MALFORMED] = PACKET_MALFORMED, [PDM_BAD_VERSION] = PACKET_BAD_VERSION,
        [PDM_REPEATED] = PACKET_REPEATED,
    };
    enum pdm_found_status found = pdm_header_find(header, size, type, &packet->found);

    if (found == PDM_ABSENT || w->status == PACKET_MALFORMED)
        return;
    /* RFC 8250 section 3.3: once in a packet's headers, of which a packet may have two. */
    w->status = ++w->options > 1 && found != PDM_MALFORMED ? PACKET_REPEATED : statuses[found];
}

/* The first two octets of a header are at hand, or it is none of those that have a length. */
static bool is_extension(const struct walk *w)
{
    static const uint8_t least[2] = {0};

    return header_size(w->next, least) > 0;
}

static void walk_header(struct walk *w, uint8_t type, struct packet *packet)
{
    const uint8_t *header = w->left.at;
    const uint8_t kind = w->next;

    if (w->left.left < 2) {
        w->left.bad = true;
        return;
    }
    size_t size = header_size(kind, header);

    if (pdm_read_span(&w->left, size) == NULL)
        return;
    w->next = header[0];
    if (kind == IPPROTO_DSTOPTS)
        look_for_option(w, header, size, type, packet);
    if (kind == IPPROTO_FRAGMENT)
        w->later_fragment =
            ((header[FRAGMENT_OFFSET] << 8 | header[FRAGMENT_OFFSET + 1]) & OFFSET_MASK) != 0;
}

/* An echo's identifier is the requester's port. */
static void read_echo(struct pdm_reader *r, struct pdm_tuple *tuple)
{
    uint8_t type = pdm_read_u8(r);

    if (type != ICMP6_ECHO_REQUEST && type != ICMP6_ECHO_REPLY)
        return;
    (void)pdm_read_u8(r);
    (void)pdm_read_span(r, ICMP_REST);
    *(type == ICMP6_ECHO_REQUEST ? &tuple->sport : &tuple->dport) = pdm_read_u16(r);
}

static void read_ports(struct pdm_reader *r, uint8_t protocol, struct pdm_tuple *tuple)
{
    tuple->proto = protocol;
    tuple->sport = tuple->dport = 0;
    switch (protocol) {
    case IPPROTO_TCP:
    case IPPROTO_UDP:
    case IPPROTO_SCTP:
    case PROTOCOL_DCCP:
    case PROTOCOL_UDPLITE:
        tuple->sport = pdm_read_u16(r);
        tuple->dport = pdm_read_u16(r);
        break;
    case IPPROTO_ICMPV6:
        read_echo(r, tuple);
        break;
    default:
        break;
    }
}

enum packet_status packet_walk(const uint8_t *bytes, size_t len, uint8_t option_type,
                               struct packet *packet)
{
    struct walk w = {.status = PACKET_PLAIN};

    if (!begin(&w, bytes, len, packet))
        return PACKET_CUT;
    while (!w.left.bad && !w.later_fragment && is_extension(&w))
        walk_header(&w, option_type, packet);
    if (w.later_fragment)
        return PACKET_FRAGMENT;
    read_ports(&w.left, w.next, &packet->tuple);
    if (w.left.bad)
        return w.cut ? PACKET_CUT : PACKET_BROKEN;
    return w.status;
}
