/* SPDX-License-Identifier: BSD-2-Clause */
/* What a capture's frames have before the IPv6 packet, by the capture's link type. */
#include "cli/pdmctl/decode/link.h"

#include <pcap/dlt.h>

enum {
    ETHERTYPE_IPV6 = 0x86dd,
    ETHERTYPE_VLAN = 0x8100,    /* IEEE 802.1Q */
    ETHERTYPE_SERVICE = 0x88a8, /* IEEE 802.1ad */
    ETHERTYPE_OLD_SERVICE = 0x9100,
    ETHERNET_ADDRESSES = 12,
    VLAN_CONTROL = 2,
    SLL_BEFORE_PROTOCOL = 14,
    SLL2_AFTER_PROTOCOL = 18,
};

const char link_known[] = "Ethernet, Linux cooked v1 and v2, raw IP and loopback";

static bool is_vlan(uint16_t ethertype)
{
    return ethertype == ETHERTYPE_VLAN || ethertype == ETHERTYPE_SERVICE ||
           ethertype == ETHERTYPE_OLD_SERVICE;
}

/* Tags stand one behind the other, as many as the frame has room for. */
static bool behind_ethertype(struct pdm_reader *frame)
{
    uint16_t ethertype = pdm_read_u16(frame);

    while (is_vlan(ethertype)) {
        (void)pdm_read_span(frame, VLAN_CONTROL);
        ethertype = pdm_read_u16(frame);
    }
    return ethertype == ETHERTYPE_IPV6;
}

static bool strip_ethernet(struct pdm_reader *frame)
{
    (void)pdm_read_span(frame, ETHERNET_ADDRESSES);
    return behind_ethertype(frame);
}

static bool strip_sll(struct pdm_reader *frame)
{
    (void)pdm_read_span(frame, SLL_BEFORE_PROTOCOL);
    return behind_ethertype(frame);
}

static bool strip_sll2(struct pdm_reader *frame)
{
    uint16_t protocol = pdm_read_u16(frame);

    (void)pdm_read_span(frame, SLL2_AFTER_PROTOCOL);
    return !frame->bad && protocol == ETHERTYPE_IPV6;
}

/* IPv4 and IPv6, told apart by the packet itself. */
static bool strip_nothing(struct pdm_reader *frame)
{
    if (frame->left == 0)
        frame->bad = true;
    return frame->left > 0 && frame->at[0] >> 4 == 6;
}

/* An address family in the byte order of whoever captured, and of many systems' numbers for it: so
 * the packet is looked at here, too. */
static bool strip_loopback(struct pdm_reader *frame)
{
    (void)pdm_read_u32(frame);
    return !frame->bad && strip_nothing(frame);
}

link_strip *link_for(int type)
{
    static const struct {
        int type;
        link_strip *strip;
    } links[] = {
        {DLT_EN10MB, strip_ethernet}, {DLT_LINUX_SLL, strip_sll}, {DLT_LINUX_SLL2, strip_sll2},
        {DLT_RAW, strip_nothing},     {DLT_IPV6, strip_nothing},  {DLT_NULL, strip_loopback},
        {DLT_LOOP, strip_loopback},
    };

    for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
        if (links[i].type == type)
            return links[i].strip;
    }
    return NULL;
}
