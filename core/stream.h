/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A byte stream (TCP) as its own end sees it: when an option may go along with what is sent, and
 * whether what comes back is the answer to it. Nothing in a stream tells where a request ends and
 * how many wait for an answer; what cannot be told makes no server delay. Times are CLOCK_MONOTONIC
 * nanoseconds, passed in. Not thread-safe: the caller holds the flow's lock. Signal-safe.
 */
#ifndef PDM_CORE_STREAM_H
#define PDM_CORE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pdm_stream {
    bool used;           /* the flow is a stream */
    bool accepted;       /* this end was connected to */
    bool spoken;         /* sent something since the last receipt: not at a turn of direction */
    bool held;           /* what was sent since may not have left yet: corked */
    bool met;            /* an option came, ever */
    bool asked;          /* one came since the last one sent */
    bool last;           /* nothing was sent behind the last option */
    bool unique;         /* what comes now answers the last option, and that alone */
    uint32_t owed;       /* sends that wait for an answer */
    uint32_t run;        /* sends or receipts since the direction turned */
    int64_t option_at;   /* when the last option was sent; 0: none was */
    int64_t active;      /* the last send or receipt */
    int64_t took;        /* from the last option to what may answer it; 0: not known */
    int64_t longest_gap; /* between a send or receipt and a receipt */
};

/*
 * Whether an option may go along with a send at NOW: at a turn of direction, so that the answer is
 * of the peer's making and not of the link's, and once per PDM_STREAM_INTERVAL_NS. The end that was
 * connected to answers the other's options, at once: it gets no more of them than that. Should one
 * be lost, the answer goes without, for the path may drop them both ways.
 */
bool pdm_stream_may_attach(const struct pdm_stream *s, int64_t now);
/* Something is sent at NOW. */
void pdm_stream_sent(struct pdm_stream *s, int64_t now);
/* The end of what was just sent had an option, which left at NOW. */
void pdm_stream_attached(struct pdm_stream *s, int64_t now);
/* Something came, and was read at NOW. True: it turned the direction. */
bool pdm_stream_heard(struct pdm_stream *s, int64_t now);
/* One direction alone has been busy for so long that it is a transfer of bulk. */
bool pdm_stream_is_bulk(const struct pdm_stream *s);
/*
 * The beginning of a send that belongs to TLS's handshake (RFC 8446 section 5.1): no request, and
 * it would use up the turn of the one behind it.
 */
bool pdm_stream_is_handshake(const uint8_t *data, size_t len);

#endif
