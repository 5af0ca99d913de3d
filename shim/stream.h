/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TCP. A cmsg does nothing there, and an option that is set on the socket rides on all that is sent
 * until it is cleared, retransmissions too. So it is set for one segment at a time: at a turn of
 * direction, with nothing left unsent, on the last segment of what is sent, which is what the
 * peer's kernel still remembers when its program reads. What was received is asked for after the
 * read. Both are samples: most segments go without.
 */
#ifndef PDM_SHIM_STREAM_H
#define PDM_SHIM_STREAM_H

#include <stdbool.h>
#include <sys/socket.h>

#include "shim/control.h"
#include "shim/descriptor.h"
#include "shim/flows.h"
#include "shim/sys.h"

/*
 * The flow of the connection of FD, locked; NULL if none stands, it takes no part, or it cannot be
 * had now. *OPEN: it is open; else only its turns are followed.
 */
struct pdm_flow_entry *pdm_stream_enter(int fd, struct pdm_descriptor *d, int64_t now, bool *open);

/* What goes by the flow. Held: sent, but corked, and counted when it is uncorked. */
enum pdm_stream_aside { PDM_ASIDE_SENT, PDM_ASIDE_HELD, PDM_ASIDE_RECEIVED };

void pdm_stream_aside(struct pdm_descriptor *d, enum pdm_stream_aside what);
/* The same where there was no flow to be had. */
void pdm_stream_missed(struct pdm_descriptor *d, enum pdm_stream_aside what);
/*
 * After an option and its answer neither end attaches for a while: until then nothing that D sends
 * and receives needs the flow, whose stream stands as in S.
 */
void pdm_stream_be_quiet(struct pdm_descriptor *d, const struct pdm_stream *s, int64_t until);

/* The same in the middle of a bulk transfer, which makes no samples. */
void pdm_stream_rest(struct pdm_descriptor *d, const struct pdm_stream *s, int64_t now);

static inline bool pdm_stream_is_quiet(const struct pdm_descriptor *d)
{
    int64_t until = atomic_load_explicit(&d->quiet_until, memory_order_relaxed);

    return until != 0 && pdm_clock(CLOCK_MONOTONIC) < until;
}

/*
 * Sends MSG, the end of it with an option. True: done, *RESULT and errno are what the program shall
 * see. False: nothing was sent; the caller makes the program's call.
 */
bool pdm_stream_send(int fd, struct pdm_descriptor *d, const struct msghdr *msg, int flags,
                     ssize_t *result);
/* Something is sent by a call that takes no option: sendfile(), splice(). */
void pdm_stream_passed(int fd, struct pdm_descriptor *d);
/* setsockopt(TCP_CORK) of 0, which sends what was held. True: done. */
bool pdm_stream_uncork(int fd, struct pdm_descriptor *d, int *result);

/* Whether a read with FLAGS takes from the stream. */
static inline bool pdm_stream_is_receipt(int flags)
{
    return (flags & (MSG_PEEK | MSG_ERRQUEUE | MSG_OOB)) == 0;
}
/* The number of a read that begins, which tells whether another began meanwhile. */
static inline uint32_t pdm_stream_read_begins(struct pdm_descriptor *d)
{
    return atomic_fetch_add_explicit(&d->reads, 1, memory_order_relaxed) + 1;
}
/*
 * Something was read, by read number READ. CONTROL: what came with it, a stamp at least; NULL:
 * there was none.
 */
void pdm_stream_received(int fd, struct pdm_descriptor *d,
                         const struct pdm_control_received *control, uint32_t read);

#endif
