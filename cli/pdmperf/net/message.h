/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What pdmperf -C and pdmperf -s say to each other. All is big-endian.
 *
 * On the control connection, TCP, frames: version(1) type(1) length(2), then a body:
 *
 *   TEST     client  what it wants, see NET_TEST_BODY
 *   WELCOME  server  the cookie (16) that a data stream must show
 *   REFUSE   server  why (1); the end
 *   READY    server  all data streams are there
 *   BEGIN    client  the test's time begins
 *   END      both    who says so has sent its last data; what its streams did
 *   RESULT   both    the other's data has arrived; what the streams did, for good
 *
 * A data stream begins with the frame STREAM: cookie(16) number(2). Over TCP the server answers
 * with an empty one; over UDP it is sent again until READY comes. Datagrams of a test have the same
 * header, with a length of 0, and then number(8) and time of sending(8), in the sender's
 * nanoseconds.
 */
#ifndef CLI_PDMPERF_NET_MESSAGE_H
#define CLI_PDMPERF_NET_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/body.h"
#include "core/limits.h"

enum {
    NET_VERSION = 1,
    NET_HEADER_LEN = 4,
    NET_COOKIE_LEN = 16,
    NET_DATAGRAM_LEN = NET_HEADER_LEN + 16, /* the least that one of a test has */
    NET_GREETING_LEN = NET_HEADER_LEN + NET_COOKIE_LEN + 2,
    NET_STREAMS_MAX = 128, /* in one direction, as iperf3 */
    NET_ENTRIES_MAX = 2 * NET_STREAMS_MAX + 1,
    NET_ENTRY_LEN = 2 + 8 * 8,
    NET_BODY_MAX = 3 + NET_ENTRIES_MAX * NET_ENTRY_LEN,
    NET_FRAME_MAX = NET_HEADER_LEN + NET_BODY_MAX,
    NET_BLOCK_MAX = 1 << 20,
    NET_PAYLOAD_MAX = 65507, /* of a datagram; and of a request or an answer */
};
#define NET_SECONDS_MAX 86400
#define NET_TIME_MAX (NET_SECONDS_MAX * PDM_NSEC_PER_SEC)
/* Between two blocks, and before an answer: a server hears nothing of a client for so long. */
#define NET_PAUSE_MAX (60 * PDM_NSEC_PER_SEC)
#define NET_AMOUNT_MAX (UINT64_C(1) << 50) /* octets, or transactions */
#define NET_RATE_MIN UINT64_C(1000)        /* bits a second */
#define NET_RATE_MAX UINT64_C(1000000000000)

enum net_type {
    NET_TEST = 1,
    NET_WELCOME,
    NET_REFUSE,
    NET_READY,
    NET_BEGIN,
    NET_END,
    NET_RESULT,
    NET_STREAM,
    NET_DATA,
    NET_DATA_OMITTED, /* sent before the time that counts (-O) */
    NET_REQUEST,
    NET_ANSWER,
};

enum net_refusal {
    NET_BUSY = 1, /* as many clients or streams as it takes */
    NET_VERSION_UNKNOWN,
    NET_TOO_MUCH,    /* the test is outside of what the server allows */
    NET_OUT_OF_TURN, /* that message was not awaited */
    NET_STALLED,     /* nothing came for too long */
    NET_ENDED        /* somebody ended the server */
};

enum net_kind { NET_BULK, NET_TRANSACTIONS };
enum net_direction { NET_FORWARD, NET_REVERSE, NET_BOTH }; /* forward: the client sends */

/*
 * Times are nanoseconds, sizes octets, the rate bits a second of each stream (0: what goes). A test
 * ends after its duration, or its amount if that is not 0: octets, or transactions, of each stream.
 */
#define NET_TEST_BODY(N, B)                                                                        \
    N(uint8_t, udp)                                                                                \
    N(uint8_t, kind)                                                                               \
    N(uint8_t, direction)                                                                          \
    N(uint8_t, probe) /* beside it, requests over UDP */                                           \
    N(uint16_t, streams)                                                                           \
    N(uint32_t, block)                                                                             \
    N(uint64_t, rate)                                                                              \
    N(uint64_t, duration)                                                                          \
    N(uint64_t, amount)                                                                            \
    N(uint64_t, omit)                                                                              \
    N(uint32_t, request)                                                                           \
    N(uint32_t, answer)                                                                            \
    N(uint64_t, think)
PDM_DECLARE_BODY(net_test, NET_TEST_BODY)

#define NET_GREETING_BODY(N, B)                                                                    \
    B(cookie, NET_COOKIE_LEN)                                                                      \
    N(uint16_t, stream)
PDM_DECLARE_BODY(net_greeting, NET_GREETING_BODY)

/* What a stream did, as far as the one who tells it knows. Of UDP all but the octets are packets.
 */
#define NET_ENTRY_BODY(N, B)                                                                       \
    N(uint16_t, stream)                                                                            \
    N(uint64_t, bytes)                                                                             \
    N(uint64_t, packets)                                                                           \
    N(uint64_t, lost)                                                                              \
    N(uint64_t, out_of_order)                                                                      \
    N(uint64_t, duplicates)                                                                        \
    N(uint64_t, jitter) /* nanoseconds */                                                          \
    N(uint64_t, retransmits)                                                                       \
    N(uint64_t, elapsed) /* nanoseconds */
PDM_DECLARE_BODY(net_entry, NET_ENTRY_BODY)

struct net_entries {
    bool stop; /* of END: the other is to stop too */
    unsigned count;
    struct pdm_net_entry at[NET_ENTRIES_MAX];
};

struct net_datagram {
    enum net_type type;
    uint64_t number;
    int64_t sent;
};

enum net_framing { NET_FRAME_PART, NET_FRAME_WHOLE, NET_FRAME_BAD };

/*
 * Looks at the LEN octets that came: a whole frame gives its TYPE, its BODY, and in *USED how many
 * octets it took. Bad: of another version or too long, whatever may follow.
 */
enum net_framing net_frame_take(const uint8_t *octets, size_t len, enum net_type *type,
                                struct pdm_reader *body, size_t *used);
/* Puts a frame's header into W; BODY_LEN octets are to follow. */
void net_frame_put(struct pdm_writer *w, enum net_type type, size_t body_len);

/* False: malformed. One that is not is still to be held against the limits. */
bool net_test_take(struct pdm_reader *body, struct pdm_net_test *test);
bool net_test_allowed(const struct pdm_net_test *test);
/* Nanoseconds between two blocks of a test with a rate; 0: as fast as they go. */
int64_t net_test_pace(const struct pdm_net_test *test);
bool net_greeting_take(struct pdm_reader *body, struct pdm_net_greeting *greeting);
/* Refuses more entries than NET_ENTRIES_MAX, impossible times, and octets behind the last. */
bool net_entries_take(struct pdm_reader *body, struct net_entries *entries);
void net_entries_put(struct pdm_writer *w, const struct net_entries *entries);

/* The head of a datagram of a test: false if it is none. */
bool net_datagram_take(const uint8_t *octets, size_t len, struct net_datagram *datagram);
/* OCTETS has room for NET_DATAGRAM_LEN. */
void net_datagram_put(uint8_t *octets, const struct net_datagram *datagram);

const char *net_refusal_text(unsigned refusal);

/* How many streams a test has: those of one direction, then of the other, then the probe's. */
unsigned net_stream_count(const struct pdm_net_test *test);

#endif
