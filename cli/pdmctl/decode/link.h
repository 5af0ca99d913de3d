/* SPDX-License-Identifier: BSD-2-Clause */
/* What a capture's frames have before the IPv6 packet, by the capture's link type. Pure. */
#ifndef CLI_PDMCTL_DECODE_LINK_H
#define CLI_PDMCTL_DECODE_LINK_H

#include <stdbool.h>

#include "core/cursor.h"

/*
 * Moves FRAME to the packet behind the link's header. False if that is no IPv6 packet; if it is
 * because the frame ends before, FRAME is bad.
 */
typedef bool link_strip(struct pdm_reader *frame);

/* For a link type of libpcap's (DLT_...); NULL if it is none of those that are known. */
link_strip *link_for(int type);
/* Those that are known, for an error message. */
extern const char link_known[];

#endif
