/* SPDX-License-Identifier: BSD-2-Clause */
/* A capture file, pcap or pcapng, read packet by packet by libpcap. */
#ifndef CLI_PDMCTL_DECODE_CAPTURE_H
#define CLI_PDMCTL_DECODE_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "cli/pdmctl/decode/link.h"

struct capture {
    const char *name; /* for messages */
    void *handle;     /* libpcap's */
    struct stat file; /* which it is */
    link_strip *strip;
};

/* PATH, or standard input if it is "-". False after a line that says why not. */
bool capture_open(struct capture *c, const char *path);
void capture_close(struct capture *c);
/* For a signal handler: capture_next() returns CAPTURE_END soon. */
void capture_stop(struct capture *c);

enum capture_status {
    CAPTURE_FRAME,
    CAPTURE_END,
    CAPTURE_CUT_SHORT /* the file ends within a packet or goes on with none; it was said */
};

struct capture_frame {
    int64_t time_ns; /* since 1970 */
    const uint8_t *bytes;
    size_t len; /* octets that were captured */
};

/* FRAME is good until the next call. */
enum capture_status capture_next(struct capture *c, struct capture_frame *frame);

#endif
