/* SPDX-License-Identifier: BSD-2-Clause */
/* TCP: the last segment of a send, with an option. */
#include "shim/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <string.h>

#include "core/limits.h"
#include "shim/connection.h"
#include "shim/effort.h"
#include "shim/mapping.h"
#include "shim/options.h"
#include "shim/path.h"
#include "shim/privilege.h"
#include "shim/real.h"
#include "shim/send.h"
#include "shim/sticky.h"
#include "shim/sys.h"

#define ALLOWED_FLAGS (MSG_DONTWAIT | MSG_NOSIGNAL)

static const uint32_t cannot_attach =
    PDM_FD_STICKY_OTHER | PDM_FD_STICKY_DSTOPTS | PDM_FD_SEND_STAMPS;

/* --- whether --- */

/* The last option was not named, and something was sent again since: it was in that, perhaps. */
static bool was_lost(const struct pdm_flow_entry *e, const struct pdm_connection *c)
{
    return e->flow.built > 0 && e->flow.named < e->flow.built &&
           c->retransmitted != e->retransmitted;
}

static bool is_ready(struct pdm_flow_entry *e, const struct pdm_connection *c, int64_t now)
{
    if (!c->stands)
        return false;
    if (!was_lost(e, c))
        return true;
    e->retransmitted = c->retransmitted;
    pdm_flow_lost(&e->flow);
    pdm_path_suspect(e, now);
    return false;
}

static bool may_attach(struct pdm_flow_entry *e, const struct pdm_descriptor *d, int64_t now)
{
    return (pdm_descriptor_flags(d) & cannot_attach) == 0 &&
           pdm_stream_may_attach(&e->flow.stream, now) && pdm_may_attach(now) &&
           pdm_effort_left(now) && pdm_path_open(e, now);
}

static size_t header_of(const struct pdm_flow_entry *e)
{
    return pdm_formats[e->flow.format].header_len;
}

/* Before a send: sets an option of the locked flow E on FD. */
static bool set_option(int fd, struct pdm_flow_entry *e, int64_t now, uint32_t pointer,
                       uint64_t *signals)
{
    uint8_t option[PDM_OPTION_MAX];

    if (!pdm_send_option(e, now, pointer, option))
        return false;
    if (pdm_sticky_set(fd, e->flow.format, option, signals))
        return true;
    pdm_flow_withheld(&e->flow);
    return false;
}

/*
 * After a send with an option: clears it. What the kernel held back, for its pacing, Nagle's sake
 * or the congestion window, leaves without.
 */
static void settle(int fd, struct pdm_descriptor *d, struct pdm_flow_entry *e, int64_t now,
                   bool sent, uint64_t signals)
{
    struct pdm_connection c;
    bool left = sent && pdm_connection_ask(fd, &c) && c.unsent == 0;

    pdm_sticky_clear(fd, signals);
    pdm_effort_spend(pdm_clock(CLOCK_MONOTONIC) - now);
    if (!left) {
        pdm_flow_withheld(&e->flow);
        return;
    }
    bool answers = e->flow.stream.accepted && e->flow.stream.asked;

    pdm_stream_attached(&e->flow.stream, now);
    e->retransmitted = c.retransmitted;
    if (!e->flow.stream.accepted)
        e->look_at = 0;
    if (answers)
        pdm_stream_be_quiet(d, &e->flow.stream, e->look_at);
}

/* Read by the kernel, which refuses a wild pointer as it would have refused the program's call. */
static bool is_handshake(const struct msghdr *msg)
{
    uint8_t begin[2];
    struct iovec to = {begin, sizeof begin}, from;

    if (msg->msg_iovlen == 0 || msg->msg_iov[0].iov_len < sizeof begin)
        return false;
    from = (struct iovec){msg->msg_iov[0].iov_base, sizeof begin};
    long pid = pdm_sys(SYS_getpid, 0, 0, 0, 0, 0, 0);

    return pdm_sys(SYS_process_vm_readv, pid, (long)&to, 1, (long)&from, 1, 0) == sizeof begin &&
           pdm_stream_is_handshake(begin, sizeof begin);
}

/* A send on its way: how much of its end goes with an option, and under which flow. */
struct leaving {
    size_t tail;      /* 0: no option */
    uint32_t pointer; /* Global Pointer */
};

/* Whether MSG can be taken apart, and nothing in it asks for more than to be sent. */
static bool is_plain(const struct msghdr *msg, int flags, size_t len)
{
    return (flags & ~ALLOWED_FLAGS) == 0 && msg->msg_name == NULL && msg->msg_controllen == 0 &&
           msg->msg_iovlen <= PDM_STREAM_PARTS && len > 0 && len < INT32_MAX;
}

/*
 * Of the LEN octets of a send, those in its last segment, if all before has left. It need not have
 * arrived: what TLS sends of its handshake is on its way when the request follows.
 */
static size_t tail_of(int fd, const struct pdm_descriptor *d, struct pdm_flow_entry *e, size_t len,
                      int64_t now)
{
    bool held = (pdm_descriptor_flags(d) & PDM_FD_MORE) != 0;
    struct pdm_connection c;

    if (!pdm_connection_ask(fd, &c) || !is_ready(e, &c, now) || (c.unsent != 0 && !held))
        return 0;
    size_t last = pdm_connection_last(&c, c.unsent + len, header_of(e));

    return last < len ? last : len; /* what was held before goes in the same segment */
}

/* Whether a send with FLAGS waits for another, or for an uncorking, which then counts for it. */
static bool is_held(const struct pdm_descriptor *d, int flags)
{
    return (flags & MSG_MORE) != 0 || (pdm_descriptor_flags(d) & PDM_FD_CORKED) != 0;
}

/* Everything that is decided before the send, under the flow's lock. */
static void decide(int fd, struct pdm_descriptor *d, struct pdm_flow_entry *e,
                   const struct msghdr *msg, int flags, int64_t now, struct leaving *out)
{
    size_t len = pdm_send_payload(msg);
    struct pdm_stream *stream = &e->flow.stream;

    if (is_held(d, flags)) {
        stream->held = true;
        return;
    }
    out->pointer = pdm_send_count(e, now);
    if (is_plain(msg, flags, len) && may_attach(e, d, now)) {
        if (is_handshake(msg)) {
            stream->last = false;
            return;
        }
        out->tail = tail_of(fd, d, e, len, now);
    }
    pdm_stream_sent(stream, now);
}

static bool prepare(int fd, struct pdm_descriptor *d, const struct msghdr *msg, int flags,
                    struct leaving *out)
{
    int64_t now = pdm_clock(CLOCK_MONOTONIC);
    bool open;
    struct pdm_flow_entry *e = pdm_stream_enter(fd, d, now, &open);

    if (e == NULL) {
        pdm_stream_missed(d, PDM_ASIDE_SENT);
        return false;
    }
    if (open) {
        pdm_options_want(fd, d);
        decide(fd, d, e, msg, flags, now, out);
    } else {
        pdm_stream_sent(&e->flow.stream, now);
    }
    pdm_stream_rest(d, &e->flow.stream, now);
    pdm_flow_release(e);
    return out->tail != 0;
}

/* What lies behind the first SKIP octets of MSG, LEN octets of it, in OUT. */
static void part_of(const struct msghdr *msg, size_t skip, size_t len, struct msghdr *out,
                    struct iovec iov[static PDM_STREAM_PARTS])
{
    *out = (struct msghdr){.msg_iov = iov};
    for (size_t i = 0; i < msg->msg_iovlen && len > 0; i++) {
        struct iovec part = msg->msg_iov[i];

        if (skip >= part.iov_len) {
            skip -= part.iov_len;
            continue;
        }
        part.iov_base = (uint8_t *)part.iov_base + skip;
        part.iov_len -= skip;
        skip = 0;
        if (part.iov_len > len)
            part.iov_len = len;
        len -= part.iov_len;
        iov[out->msg_iovlen++] = part;
    }
}

/*
 * TAIL in a segment with an option. What the kernel took of it, or a negative error; 0 if the
 * option could not be set.
 */
static ssize_t send_tail(int fd, struct pdm_descriptor *d, const struct msghdr *tail, int flags,
                         const struct leaving *o)
{
    int64_t now = pdm_clock(CLOCK_MONOTONIC);
    bool open;
    struct pdm_flow_entry *e = pdm_stream_enter(fd, d, now, &open);
    uint64_t signals;
    long sent = 0;

    if (e == NULL)
        return 0;
    if (open && set_option(fd, e, now, o->pointer, &signals)) {
        sent = pdm_sys(SYS_sendmsg, fd, (long)tail, flags | MSG_DONTWAIT, 0, 0, 0);
        settle(fd, d, e, now, sent > 0, signals);
    }
    pdm_flow_release(e);
    return sent;
}

/* An error that leaves nothing to say of the connection: what was sent before it counts. */
static bool is_passing(int error)
{
    return error == EAGAIN || error == EINTR || error == ENOMEM || error == ENOBUFS ||
           error == EFAULT;
}

/* The rest of MSG behind the first DONE octets, as the program would have sent it. */
static ssize_t send_rest(int fd, const struct msghdr *msg, size_t done, size_t len, int flags)
{
    struct iovec iov[PDM_STREAM_PARTS];
    struct msghdr rest;
    int saved = errno;

    part_of(msg, done, len - done, &rest, iov);
    ssize_t sent = pdm_real.sendmsg(fd, &rest, flags);

    if (sent >= 0)
        return (ssize_t)done + sent;
    if (done == 0 || !is_passing(errno))
        return -1;
    errno = saved;
    return (ssize_t)done;
}

/* All before the last segment, plainly. True if it went, and left nothing to wait for. */
static bool send_head(int fd, const struct msghdr *msg, size_t len, int flags, ssize_t *sent)
{
    struct iovec iov[PDM_STREAM_PARTS];
    struct pdm_connection c;
    struct msghdr head;
    int saved = errno;

    part_of(msg, 0, len, &head, iov);
    *sent = pdm_real.sendmsg(fd, &head, flags);
    if (*sent != (ssize_t)len)
        return false;
    /* A filter that forbids what follows may have come while the call waited. */
    bool left = pdm_is_active() && pdm_connection_ask(fd, &c) && c.unsent == 0;

    errno = saved;
    return left;
}

static ssize_t send_split(int fd, struct pdm_descriptor *d, const struct msghdr *msg, int flags,
                          const struct leaving *o)
{
    size_t len = pdm_send_payload(msg), head = len - o->tail;
    struct iovec iov[PDM_STREAM_PARTS];
    struct msghdr tail;
    ssize_t sent = 0;

    if (head > 0 && !send_head(fd, msg, head, flags, &sent))
        return sent == (ssize_t)head ? send_rest(fd, msg, head, len, flags) : sent;
    part_of(msg, head, o->tail, &tail, iov);
    sent = send_tail(fd, d, &tail, flags, o);
    if (sent < 0 && !is_passing((int)-sent)) {
        errno = (int)-sent;
        return -1;
    }
    if (sent == (ssize_t)o->tail)
        return (ssize_t)len;
    return send_rest(fd, msg, head + (size_t)(sent > 0 ? sent : 0), len, flags);
}

bool pdm_stream_send(int fd, struct pdm_descriptor *d, const struct msghdr *msg, int flags,
                     ssize_t *result)
{
    struct leaving o = {0};
    int saved = errno;

    if (pdm_stream_is_quiet(d)) {
        pdm_stream_aside(d, is_held(d, flags) ? PDM_ASIDE_HELD : PDM_ASIDE_SENT);
        pdm_send_note_more(d, flags);
        return false;
    }
    pthread_testcancel(); /* while an option is set there is no cancellation point */
    bool ready = prepare(fd, d, msg, flags, &o);

    pdm_send_note_more(d, flags);
    errno = saved;
    if (!ready)
        return false;
    *result = send_split(fd, d, msg, flags, &o);
    return true;
}

void pdm_stream_passed(int fd, struct pdm_descriptor *d)
{
    bool held = is_held(d, 0);

    if (pdm_stream_is_quiet(d)) {
        pdm_stream_aside(d, held ? PDM_ASIDE_HELD : PDM_ASIDE_SENT);
        return;
    }
    int64_t now = pdm_clock(CLOCK_MONOTONIC);
    bool open;
    struct pdm_flow_entry *e = pdm_stream_enter(fd, d, now, &open);

    if (e == NULL) {
        pdm_stream_missed(d, PDM_ASIDE_SENT);
        return;
    }
    if (open && !held)
        pdm_send_count(e, now);
    if (held)
        e->flow.stream.held = true;
    else
        pdm_stream_sent(&e->flow.stream, now);
    pdm_flow_release(e);
}

/* Whether what is held goes as one segment, with room for an option. */
static bool may_uncork(int fd, const struct pdm_descriptor *d, struct pdm_flow_entry *e,
                       int64_t now, struct pdm_connection *c)
{
    return may_attach(e, d, now) && pdm_connection_ask(fd, c) && is_ready(e, c, now) &&
           c->unsent != 0 && pdm_connection_last(c, c->unsent, header_of(e)) == c->unsent;
}

bool pdm_stream_uncork(int fd, struct pdm_descriptor *d, int *result)
{
    if (pdm_stream_is_quiet(d)) {
        pdm_stream_aside(d, PDM_ASIDE_SENT);
        return false;
    }
    int64_t now = pdm_clock(CLOCK_MONOTONIC);
    bool open, done = false;
    struct pdm_flow_entry *e = pdm_stream_enter(fd, d, now, &open);
    struct pdm_connection c;
    const int off = 0;
    uint64_t signals;

    if (e == NULL)
        return false;
    if (e->flow.stream.held) {
        bool may = open && may_uncork(fd, d, e, now, &c);
        uint32_t pointer = open ? pdm_send_count(e, now) : 0;

        pdm_stream_sent(&e->flow.stream, now);
        done = may && set_option(fd, e, now, pointer, &signals);
    }
    if (done) {
        *result = pdm_real.setsockopt(fd, IPPROTO_TCP, TCP_CORK, &off, sizeof off);
        settle(fd, d, e, now, true, signals);
    }
    pdm_flow_release(e);
    return done;
}
