/* SPDX-License-Identifier: BSD-2-Clause */
/* TCP: the option of the packet that came last. */
#include "shim/stream.h"

#include <netinet/in.h>
#include <string.h>

#include "core/limits.h"
#include "shim/connection.h"
#include "shim/intake.h"
#include "shim/mapping.h"
#include "shim/options.h"
#include "shim/stamp.h"
#include "shim/sys.h"

/* The options of the packet that came last in order; a packet without any leaves none. */
static bool last_options(int fd, uint8_t control[static PDM_STREAM_CONTROL],
                         struct pdm_control_received *received)
{
    socklen_t len = PDM_STREAM_CONTROL;

    if (pdm_sys(SYS_getsockopt, fd, IPPROTO_IPV6, IPV6_2292PKTOPTIONS, (long)control, (long)&len,
                0) != 0)
        return false;
    struct msghdr msg = {.msg_control = control, .msg_controllen = len};

    *received = pdm_control_read(&msg);
    return received->dstopts != NULL;
}

/* When the next option can come: the answer to ours at any time, a client's not at once. */
static void await_next(struct pdm_descriptor *d, struct pdm_flow_entry *e, int64_t now)
{
    const struct pdm_stream *s = &e->flow.stream;
    int64_t next = s->accepted ? now + PDM_STREAM_LOOK_NS : 0;

    if (!s->accepted && e->flow.built > 0 && e->flow.named == e->flow.built) {
        next = INT64_MAX;
        pdm_stream_be_quiet(d, s, s->option_at + PDM_STREAM_INTERVAL_NS);
    }
    e->look_at = next;
}

/*
 * That packet's option, if what was read was its data: all that came was read, and by nobody else
 * at the same time.
 */
static void take_option(int fd, struct pdm_descriptor *d, struct pdm_flow_entry *e, int64_t at,
                        bool stamped, uint32_t read, int64_t now)
{
    _Alignas(struct cmsghdr) uint8_t control[PDM_STREAM_CONTROL];
    struct pdm_control_received options;
    struct pdm_found found;

    if (!last_options(fd, control, &options) || !pdm_connection_drained(fd) ||
        atomic_load_explicit(&d->reads, memory_order_relaxed) != read)
        return;
    /* It stays until another packet comes in order; what is malformed is counted as often. */
    if (!options.twice && pdm_header_find(options.dstopts, options.dstopts_len,
                                          pdm_policy_settings().option_type, &found) == PDM_FOUND) {
        if (memcmp(found.option, e->seen, sizeof e->seen) == 0)
            return;
        memcpy(e->seen, found.option, sizeof e->seen);
    }
    pdm_intake(e, &options, at, stamped, now);
    await_next(d, e, now);
}

/* Looks for the option that came with what was read, which TURNed the direction. */
static void look(int fd, struct pdm_descriptor *d, struct pdm_flow_entry *e,
                 const struct pdm_control_received *control, bool turn, uint32_t read)
{
    struct pdm_now now = pdm_stamp_now();
    bool stamped = pdm_stamp_is_sane(control->stamp, &now);
    int64_t at = pdm_stamp_monotonic(control->stamp, &now);

    if (turn && stamped)
        pdm_flow_answered(&e->flow, at);
    take_option(fd, d, e, at, stamped, read, now.monotonic);
}

void pdm_stream_received(int fd, struct pdm_descriptor *d,
                         const struct pdm_control_received *control, uint32_t read)
{
    int64_t now = pdm_clock(CLOCK_MONOTONIC);
    bool open;

    if (now < atomic_load_explicit(&d->quiet_until, memory_order_relaxed)) {
        pdm_stream_aside(d, PDM_ASIDE_RECEIVED);
        return;
    }
    struct pdm_flow_entry *e = pdm_stream_enter(fd, d, now, &open);

    if (e == NULL) {
        pdm_stream_missed(d, PDM_ASIDE_RECEIVED);
        return;
    }
    bool turn = pdm_stream_heard(&e->flow.stream, now);

    if (control == NULL)
        pdm_options_want(fd, d);
    else if (open && now >= e->look_at)
        look(fd, d, e, control, turn, read);
    pdm_stream_rest(d, &e->flow.stream, now);
    pdm_flow_release(e);
}
