/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames over a TCP connection, without ever waiting. */
#ifndef CLI_PDMPERF_NET_CHANNEL_H
#define CLI_PDMPERF_NET_CHANNEL_H

#include "cli/pdmperf/net/message.h"

enum { CHANNEL_OUT_MAX = 3 * NET_FRAME_MAX }; /* all that one side says in a test */

struct channel {
    int fd;
    bool broken; /* closed by the other side, or of no use any more */
    int error;   /* errno of why; 0: closed */
    uint8_t in[NET_FRAME_MAX];
    size_t in_len, in_used;
    uint8_t out[CHANNEL_OUT_MAX];
    size_t out_len;
};

/* What poll() is to wait for. */
short channel_events(const struct channel *c);
/* Receives what is there and sends what waits. */
void channel_work(struct channel *c);
/* The next whole frame, whose BODY lies in C until the next call; false if there is none. */
bool channel_next(struct channel *c, enum net_type *type, struct pdm_reader *body);
/* Sends a frame with the LEN octets BODY; what does not go at once waits for channel_work(). */
void channel_send(struct channel *c, enum net_type type, const uint8_t *body, size_t len);
/* The same for those with a table, and for a refusal. */
void channel_send_test(struct channel *c, const struct pdm_net_test *test);
void channel_send_entries(struct channel *c, enum net_type type, const struct net_entries *e);
void channel_send_refusal(struct channel *c, enum net_refusal why);
void channel_close(struct channel *c);

#endif
