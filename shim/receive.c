/* SPDX-License-Identifier: BSD-2-Clause */
/* The receiving side of the data path. */
#include "shim/receive.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <string.h>

#include "core/limits.h"
#include "shim/control.h"
#include "shim/incoming.h"
#include "shim/mapping.h"
#include "shim/options.h"
#include "shim/peer.h"
#include "shim/process.h"
#include "shim/real.h"
#include "shim/stream.h"
#include "shim/sys.h"

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
static void finish_stream(int fd, struct pdm_descriptor *d, const struct pdm_incoming *in,
                          int flags)
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
static void tell_flow(int fd, struct pdm_descriptor *d, struct pdm_incoming *in, uint32_t state,
                      int flags)
{
    if ((state & PDM_FD_TCP6) != 0)
        finish_stream(fd, d, in, flags);
    else if ((state & PDM_FD_OURS) == 0)
        pdm_received_from(fd, d, in->msg->msg_name, in->msg->msg_namelen);
    else if ((flags & MSG_ERRQUEUE) == 0 && (!in->peeked || in->entered != 0))
        pdm_incoming_take(fd, d, in);
}

/* After a receive call that succeeded: the packet to its flow, the rest to the program. */
static void finish(int fd, struct pdm_descriptor *d, struct pdm_incoming *in, struct msghdr *its,
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
    struct pdm_incoming in = {.msg = &ours, .entered = entry_time(d), .read = begin_read(d)};

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
        struct pdm_incoming in = {
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
