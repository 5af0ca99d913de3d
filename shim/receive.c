/* SPDX-License-Identifier: BSD-2-Clause */
/* The receiving side of the data path. */
#include "shim/receive.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <string.h>

#include "core/limits.h"
#include "shim/control.h"
#include "shim/echo.h"
#include "shim/intake.h"
#include "shim/mapping.h"
#include "shim/options.h"
#include "shim/peer.h"
#include "shim/privilege.h"
#include "shim/process.h"
#include "shim/real.h"
#include "shim/stamp.h"
#include "shim/stream.h"
#include "shim/sys.h"

/* --- what was received --- */

/* One received packet, and when its receive call began. */
struct incoming {
    struct msghdr *msg; /* as the kernel filled it, control messages of ours included */
    int64_t entered;    /* CLOCK_REALTIME; 0: the socket was settled */
    bool peeked;
    size_t len;    /* of its data */
    uint32_t read; /* of a stream: the number of this read */
};

/* What was queued before the socket was connected may be from anyone. */
static struct pdm_flow_entry *flow_of_connected(int fd, struct pdm_descriptor *d,
                                                const struct sockaddr_in6 *peer, int64_t now)
{
    struct pdm_flow_entry *e = pdm_peer_connected(fd, d, now);

    if (e == NULL || peer == NULL ||
        (memcmp(e->tuple.daddr, &peer->sin6_addr, sizeof e->tuple.daddr) == 0 &&
         e->tuple.dport == ntohs(peer->sin6_port)))
        return e;
    pdm_flow_release(e);
    return NULL;
}

/*
 * Whether a received packet may begin a flow: with options, but raw sockets get everyone's echoes:
 * replies to the requests of others, and requests that the kernel or another program answers.
 */
static bool may_begin(const struct pdm_descriptor *d, const struct pdm_control_received *control,
                      const struct pdm_echo *echo)
{
    if (!pdm_descriptor_is_icmp(d))
        return control->dstopts != NULL;
    return !echo->asked && (pdm_descriptor_flags(d) & PDM_FD_ANSWERS) != 0;
}

static struct pdm_flow_entry *flow_of(int fd, struct pdm_descriptor *d,
                                      const struct pdm_control_received *control,
                                      const struct msghdr *msg, const struct pdm_echo *echo,
                                      int64_t now)
{
    const struct sockaddr_in6 *peer = pdm_peer_of(msg->msg_name, msg->msg_namelen);
    uint8_t local[PDM_ADDR_LEN];

    if (pdm_peer_is_one(d))
        return flow_of_connected(fd, d, peer, now);
    if (peer == NULL || pdm_peer_unnamed(d, peer) || !pdm_descriptor_local(fd, d))
        return NULL;
    if ((pdm_descriptor_flags(d) & PDM_FD_BOUND_ADDR) != 0)
        pdm_peer_local(d, local);
    else if (control->has_destination)
        memcpy(local, control->destination, sizeof local);
    else
        return NULL;
    if (!pdm_addr_takes_part(local))
        return NULL;
    return may_begin(d, control, echo) ? pdm_peer_flow(d, local, peer, echo, now)
                                       : pdm_peer_find(d, local, peer, echo, now);
}

/* Whether the packet's stamp is the kernel's receive time. On a socket not settled yet, settles it
 * if it can. */
static bool has_true_stamp(int fd, struct pdm_descriptor *d, const struct incoming *in,
                           const struct pdm_control_received *control, const struct pdm_now *now)
{
    if (!control->has_stamp) {
        /*
         * Another process that has this socket, or a program run from this one, switched ours off.
         */
        if ((pdm_descriptor_flags(d) & PDM_FD_OUR_STAMP) != 0)
            pdm_descriptor_clear(d, PDM_FD_OURS);
        return false;
    }
    if (in->entered != 0 && !pdm_stamp_settle(fd, d, control->stamp, in->entered, now))
        return false;
    return pdm_stamp_is_sane(control->stamp, now);
}

/* Whether the packet can be of a flow; which one, ECHO tells if it is one. */
static bool may_take_part(const struct pdm_descriptor *d, const struct incoming *in,
                          struct pdm_echo *echo)
{
    if (!pdm_descriptor_is_raw(d))
        return true;
    return (pdm_descriptor_flags(d) & PDM_FD_OWN_HEADERS) == 0 &&
           (!pdm_descriptor_is_icmp(d) || pdm_echo_of_received(in->msg, in->len, echo));
}

static uint64_t totals(const struct pdm_flow_entry *e)
{
    return atomic_load_explicit(&pdm_flow_slot(&e->flow)->total.samples, memory_order_relaxed);
}

/*
 * Whether a reply says no more than that it came. An option that makes no sample may be for another
 * process with the same identifier, unless none of ours can be named.
 */
static bool tells_nothing(const struct pdm_control_received *control, int64_t now)
{
    return control->dstopts == NULL || !pdm_may_attach(now);
}

/* The first reply to an own echo request makes a total. */
static void take_reply(struct pdm_flow_entry *e, const struct pdm_echo *echo, int64_t at,
                       bool stamped, int64_t now)
{
    int64_t sent_at;

    if (!pdm_echo_answered(&e->tuple, echo->sequence, &sent_at) || !pdm_peer_open(e, now))
        return;
    atomic_store_explicit(&pdm_flow_slot(&e->flow)->active, now, memory_order_relaxed);
    if (stamped && at >= sent_at)
        pdm_delay_add(&pdm_flow_slot(&e->flow)->total, at - sent_at);
}

/*
 * Tells the flow of a datagram without options, if there is one. Who found its lock taken may have
 * sent what this answers.
 */
static void take_plain(int fd, struct pdm_descriptor *d, const struct incoming *in,
                       const struct pdm_control_received *control)
{
    const struct pdm_echo none = {0};

    if (in->peeked || control->dstopts != NULL || pdm_descriptor_is_raw(d) ||
        (pdm_peer_is_one(d) && atomic_load_explicit(&d->flow, memory_order_relaxed) == 0))
        return;
    struct pdm_flow_entry *e = flow_of(fd, d, control, in->msg, &none, pdm_clock(CLOCK_MONOTONIC));

    if (e == NULL)
        return;
    if (atomic_load_explicit(&e->disturbed, memory_order_relaxed) ||
        (pdm_descriptor_flags(d) & PDM_FD_SENT_UNTOLD) != 0)
        pdm_flow_doubt(&e->flow);
    pdm_flow_received_plain(&e->flow);
    pdm_flow_release(e);
}

/* Gives a packet's option to its flow; one that was only peeked at tells of its stamp alone. */
static void take_in(int fd, struct pdm_descriptor *d, const struct incoming *in)
{
    struct pdm_control_received control = pdm_control_read(in->msg);
    struct pdm_echo echo = {0};
    bool ours = may_take_part(d, in, &echo) && (control.dstopts != NULL || echo.asked);

    take_plain(fd, d, in, &control);
    if (control.has_stamp && !in->peeked)
        atomic_store_explicit(&d->last_stamp, control.stamp, memory_order_relaxed);
    if (!ours && in->entered == 0 && control.has_stamp)
        return;
    struct pdm_now now = pdm_stamp_now();
    bool stamped = has_true_stamp(fd, d, in, &control, &now);

    if (!ours || in->peeked)
        return;
    struct pdm_flow_entry *e = flow_of(fd, d, &control, in->msg, &echo, now.monotonic);

    if (e == NULL)
        return;
    int64_t at = pdm_stamp_monotonic(control.stamp, &now);
    uint64_t before = totals(e);

    if (control.dstopts != NULL)
        pdm_intake(e, &control, at, stamped, now.monotonic);
    if (echo.asked && totals(e) == before && tells_nothing(&control, now.monotonic))
        take_reply(e, &echo, at, stamped, now.monotonic);
    pdm_flow_release(e);
}

/* --- the program's call --- */

static int64_t entry_time(const struct pdm_descriptor *d)
{
    return (pdm_descriptor_flags(d) & PDM_FD_SETTLED) != 0 ? 0 : pdm_clock(CLOCK_REALTIME);
}

static uint32_t begin_read(struct pdm_descriptor *d)
{
    return pdm_descriptor_is_stream(d) ? pdm_stream_read_begins(d) : 0;
}

/* Whether the shim reads along on D, or should from now on. */
static bool reads_along(int fd, struct pdm_descriptor *d)
{
    uint32_t flags = pdm_descriptor_flags(d);

    /* A program that asks for options itself must not find ours among them; nor one whose child
     * has the socket too. */
    if ((flags & PDM_FD_HANDED_ON) != 0 || (flags & PDM_FD_OURS) == 0)
        return (flags & (PDM_FD_ITS_DSTOPTS | PDM_FD_ITS_2292DSTOPTS | PDM_FD_SHARED)) != 0;
    return pdm_options_missing(d) == 0 || pdm_options_enable(fd, d);
}

/*
 * A message of ours for the program's: its own buffers, our control and, if it gave none, our name.
 */
static void borrow(struct msghdr *ours, const struct msghdr *its, struct sockaddr_storage *name,
                   uint8_t *control, size_t cap)
{
    *ours = *its;
    if (its->msg_name == NULL || its->msg_namelen < sizeof(struct sockaddr_in6)) {
        ours->msg_name = name;
        ours->msg_namelen = sizeof *name;
    }
    ours->msg_control = control;
    ours->msg_controllen = cap;
}

/* The type of the options that are the shim's, in a packet from the sender of MSG; 0: none are. */
static uint8_t type_of_ours(struct pdm_descriptor *d, const struct msghdr *msg)
{
    const struct sockaddr_in6 *peer = pdm_peer_of(msg->msg_name, msg->msg_namelen);

    if ((pdm_descriptor_flags(d) & (PDM_FD_ITS_DSTOPTS | PDM_FD_ITS_2292DSTOPTS)) == 0 ||
        !pdm_is_active() || peer == NULL || pdm_peer_unnamed(d, peer) ||
        !pdm_peer_named(d, NULL, peer->sin6_addr.s6_addr, pdm_clock(CLOCK_MONOTONIC)))
        return 0;
    return pdm_policy_settings().option_type;
}

/* Gives the program's message what the kernel would have put into it. */
static void give_back(struct pdm_descriptor *d, struct msghdr *its, struct msghdr *ours,
                      uint32_t flags)
{
    uint8_t type = type_of_ours(d, ours);

    if (its->msg_name != NULL) {
        if (ours->msg_name != its->msg_name) {
            size_t len =
                its->msg_namelen < ours->msg_namelen ? its->msg_namelen : ours->msg_namelen;

            memcpy(its->msg_name, ours->msg_name, len);
        }
        its->msg_namelen = ours->msg_namelen;
    }
    its->msg_flags = ours->msg_flags;
    its->msg_controllen =
        pdm_control_deliver(ours, pdm_options_hidden(flags), type, its->msg_control,
                            its->msg_controllen, &its->msg_flags);
}

/* The end of a receive call of RESULT. False: ENOTSOCK, so the descriptor is something else now. */
static bool ended(struct pdm_descriptor *d, ssize_t result, int saved)
{
    if (result >= 0 || errno != ENOTSOCK)
        return true;
    pdm_descriptor_clear(d, UINT32_MAX);
    errno = saved;
    return false;
}

/* What the kernel tells of a stream's read is of the last segment read. */
static void finish_stream(int fd, struct pdm_descriptor *d, const struct incoming *in, int flags)
{
    struct pdm_control_received control = pdm_control_read(in->msg);

    if (in->len == 0 || !pdm_stream_is_receipt(flags))
        return;
    /* Another process that has this socket, or a program run from this one, switched ours off. */
    if (!control.has_stamp)
        pdm_descriptor_clear(d, PDM_FD_OURS);
    pdm_stream_received(fd, d, control.has_stamp ? &control : NULL, in->read);
}

/* Gives what was received to its flow, or notes who sent it. */
static void tell_flow(int fd, struct pdm_descriptor *d, struct incoming *in, uint32_t state,
                      int flags)
{
    if ((state & PDM_FD_TCP6) != 0)
        finish_stream(fd, d, in, flags);
    else if ((state & PDM_FD_OURS) == 0)
        pdm_received_from(fd, d, in->msg->msg_name, in->msg->msg_namelen);
    else if ((flags & MSG_ERRQUEUE) == 0 && (!in->peeked || in->entered != 0))
        take_in(fd, d, in);
}

/* After a receive call that succeeded: the packet to its flow, the rest to the program. */
static void finish(int fd, struct pdm_descriptor *d, struct incoming *in, struct msghdr *its,
                   int flags)
{
    uint32_t state = pdm_descriptor_flags(d);

    in->peeked = (flags & MSG_PEEK) != 0;
    /* A filter that forbids what follows may have come while the call waited. */
    if (pdm_is_active())
        tell_flow(fd, d, in, state, flags);
    give_back(d, its, in->msg, state);
}

bool pdm_receive(int fd, struct pdm_descriptor *d, struct msghdr *msg, int flags, ssize_t *result)
{
    _Alignas(struct cmsghdr) uint8_t control[PDM_CONTROL_IN];
    struct sockaddr_storage name;
    struct msghdr ours;
    int saved = errno;
    bool along = reads_along(fd, d);

    errno = saved;
    if (!along)
        return false;
    struct incoming in = {.msg = &ours, .entered = entry_time(d), .read = begin_read(d)};

    borrow(&ours, msg, &name, control, sizeof control);
    *result = pdm_real.recvmsg(fd, &ours, flags);
    if (!ended(d, *result, saved))
        return false;
    if (*result < 0)
        return true;
    saved = errno;
    in.len = (size_t)*result;
    finish(fd, d, &in, msg, flags);
    errno = saved;
    return true;
}

bool pdm_receive_plain(int fd, struct pdm_descriptor *d, const struct iovec *iov, size_t count,
                       int flags, struct sockaddr *name, socklen_t *name_len, ssize_t *result)
{
    struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = count};

    if ((name != NULL && (name_len == NULL || *name_len > INT_MAX)) || (flags & MSG_ERRQUEUE) != 0)
        return false; /* recvfrom() refuses such a length only once it has a datagram */
    if (name != NULL) {
        msg.msg_name = name;
        msg.msg_namelen = *name_len;
    }
    if (!pdm_receive(fd, d, &msg, flags, result))
        return false;
    if (*result >= 0 && name != NULL)
        *name_len = msg.msg_namelen;
    return true;
}

/* One batch of a recvmmsg. False: the program's own call must be made. */
static bool receive_batch(int fd, struct pdm_descriptor *d, struct mmsghdr *vec, unsigned int count,
                          int flags, struct timespec *timeout, int *result)
{
    _Alignas(struct cmsghdr) uint8_t control[PDM_RECEIVE_BATCH * PDM_RECEIVE_BATCH_CONTROL];
    struct sockaddr_storage name[PDM_RECEIVE_BATCH];
    struct mmsghdr ours[PDM_RECEIVE_BATCH];
    size_t each = sizeof control / count / sizeof(struct cmsghdr) * sizeof(struct cmsghdr);
    int64_t entered = entry_time(d);
    uint32_t read = begin_read(d);
    int saved = errno;

    for (unsigned int i = 0; i < count; i++)
        borrow(&ours[i].msg_hdr, &vec[i].msg_hdr, &name[i], control + i * each, each);
    *result = pdm_real.recvmmsg(fd, ours, count, flags, timeout);
    if (!ended(d, *result, saved))
        return false;
    saved = errno;
    for (int i = 0; i < *result; i++) {
        struct incoming in = {
            .msg = &ours[i].msg_hdr, .entered = entered, .len = ours[i].msg_len, .read = read};

        vec[i].msg_len = ours[i].msg_len;
        finish(fd, d, &in, &vec[i].msg_hdr, flags);
    }
    errno = saved;
    return true;
}

/* As many at once as leave each the room that the program gave, and ours beside it. */
static unsigned int batch_of(const struct mmsghdr *vec, unsigned int left)
{
    unsigned int count = left < PDM_RECEIVE_BATCH ? left : PDM_RECEIVE_BATCH;

    for (unsigned int i = 0; i < count; i++) {
        size_t needed = vec[i].msg_hdr.msg_controllen + PDM_RECEIVE_BATCH_CONTROL / 2;

        if (needed > PDM_RECEIVE_BATCH_CONTROL &&
            PDM_RECEIVE_BATCH * PDM_RECEIVE_BATCH_CONTROL / needed < count)
            count = needed < PDM_RECEIVE_BATCH * PDM_RECEIVE_BATCH_CONTROL
                        ? (unsigned int)(PDM_RECEIVE_BATCH * PDM_RECEIVE_BATCH_CONTROL / needed)
                        : 1;
    }
    return count;
}

bool pdm_receive_many(int fd, struct pdm_descriptor *d, struct mmsghdr *vec, unsigned int vlen,
                      int flags, struct timespec *timeout, int *result)
{
    unsigned int done = 0;
    int saved = errno;
    bool along = reads_along(fd, d);

    errno = saved;
    if (!along || vlen == 0)
        return false;
    if (vlen > UIO_MAXIOV)
        vlen = UIO_MAXIOV; /* as the kernel does */
    for (;;) {
        unsigned int count = batch_of(vec + done, vlen - done);
        int got;

        if (!receive_batch(fd, d, vec + done, count, flags, timeout, &got)) {
            if (done == 0)
                return false;
            break;
        }
        if (got < 0) {
            *result = done > 0 ? (int)done : -1;
            if (done > 0)
                errno = saved;
            return true;
        }
        done += (unsigned int)got;
        if ((unsigned int)got < count || done == vlen)
            break;
        /* The rest of what one call would do: it waits for the first datagram alone. */
        if ((flags & MSG_WAITFORONE) != 0)
            flags |= MSG_DONTWAIT;
        if (timeout != NULL && timeout->tv_sec == 0 && timeout->tv_nsec == 0)
            break;
    }
    *result = (int)done;
    return true;
}

void pdm_received_from(int fd, struct pdm_descriptor *d, const struct sockaddr *name,
                       socklen_t name_len)
{
    uint32_t flags = pdm_descriptor_flags(d);
    const struct sockaddr_in6 *peer = pdm_peer_of(name, name_len);
    int saved = errno;

    if ((flags & (PDM_FD_OURS | PDM_FD_HANDED_ON)) != 0)
        return;
    if (pdm_peer_is_one(d)) {
        if (pdm_peer_unnamed_own(d))
            return;
        struct pdm_flow_entry *e = pdm_peer_connected(fd, d, pdm_clock(CLOCK_MONOTONIC));

        if (e != NULL) {
            pdm_flow_release(e);
            pdm_options_enable(fd, d);
        }
    } else if (peer != NULL && !pdm_peer_unnamed(d, peer) &&
               pdm_peer_named(d, NULL, peer->sin6_addr.s6_addr, pdm_clock(CLOCK_MONOTONIC))) {
        pdm_options_enable(fd, d);
    }
    errno = saved;
}
