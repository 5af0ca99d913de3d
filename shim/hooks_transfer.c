/* SPDX-License-Identifier: BSD-2-Clause */
/* The calls that carry data. Each asks whether the descriptor is ours, and if not, is the plain
 * call. */
#undef _FORTIFY_SOURCE

#include <errno.h>
#include <limits.h>
#include <stdint.h>

#include "shim/hook.h"
#include "shim/real.h"
#include "shim/receive.h"
#include "shim/descriptor.h"
#include "shim/peer.h"
#include "shim/send.h"
#include "shim/stream.h"

void __chk_fail(void) __attribute__((noreturn));

/*
 * The hooks proper hold no more than the question whether the call is of ours, so that the others
 * pay a few instructions; the rest stays out of line.
 */
#define SLOW __attribute__((noinline))

/* --- sending --- */

/* A datagram or part of a stream, with an option if one can go along. */
static bool send_along(int fd, struct pdm_descriptor *d, const struct msghdr *msg, int flags,
                       ssize_t *result)
{
    return pdm_descriptor_is_stream(d) ? pdm_stream_send(fd, d, msg, flags, result)
                                       : pdm_send(fd, d, msg, flags, result);
}

static bool send_one(int fd, struct pdm_descriptor *d, const void *buf, size_t len, int flags,
                     const struct sockaddr *to, socklen_t to_len, ssize_t *result)
{
    struct iovec iov = {(void *)(uintptr_t)buf, len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    if (to != NULL) {
        msg.msg_name = (void *)(uintptr_t)to;
        msg.msg_namelen = to_len;
    }
    return send_along(fd, d, &msg, flags, result);
}

SLOW static ssize_t send_to(int fd, struct pdm_descriptor *d, const void *buf, size_t len,
                            int flags, const struct sockaddr *to, socklen_t to_len)
{
    ssize_t result;

    if (send_one(fd, d, buf, len, flags, to, to_len, &result))
        return result;
    return pdm_real.sendto(fd, buf, len, flags, to, to_len);
}

PDM_HOOK(ssize_t, sendto,
         (int fd, const void *buf, size_t len, int flags, const struct sockaddr *to,
          socklen_t to_len))
{
    struct pdm_descriptor *d = pdm_descriptor_socket(fd);

    if (d == NULL || pdm_peer_idle(d, to, to_len))
        return pdm_real.sendto(fd, buf, len, flags, to, to_len);
    return send_to(fd, d, buf, len, flags, to, to_len);
}

PDM_HOOK(ssize_t, send, (int fd, const void *buf, size_t len, int flags))
{
    struct pdm_descriptor *d = pdm_descriptor_socket(fd);

    if (d == NULL || pdm_peer_unnamed_own(d))
        return pdm_real.send(fd, buf, len, flags);
    return send_to(fd, d, buf, len, flags, NULL, 0);
}
PDM_HOOK_ALIAS(__send, send);

SLOW static ssize_t write_to(int fd, struct pdm_descriptor *d, const void *buf, size_t len)
{
    ssize_t result;

    if (send_one(fd, d, buf, len, 0, NULL, 0, &result))
        return result;
    return pdm_real.write(fd, buf, len); /* it may be no socket any more */
}

PDM_HOOK(ssize_t, write, (int fd, const void *buf, size_t len))
{
    struct pdm_descriptor *d = pdm_descriptor_known(fd);

    if (d == NULL || pdm_peer_unnamed_own(d))
        return pdm_real.write(fd, buf, len);
    return write_to(fd, d, buf, len);
}
PDM_HOOK_ALIAS(__write, write);

/* Vectors that writev() and sendmsg() treat differently are left to writev(). */
static bool is_ordinary(const struct iovec *iov, int count)
{
    size_t len = 0;

    if (iov == NULL || count <= 0 || count > IOV_MAX)
        return false;
    for (int i = 0; i < count; i++)
        len |= iov[i].iov_len;
    return len != 0 && len <= SSIZE_MAX;
}

PDM_HOOK(ssize_t, writev, (int fd, const struct iovec *iov, int count))
{
    struct pdm_descriptor *d = pdm_descriptor_known(fd);
    ssize_t result;

    if (d != NULL && !pdm_peer_unnamed_own(d) && is_ordinary(iov, count)) {
        struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov,
                             .msg_iovlen = (size_t)count};

        if (send_along(fd, d, &msg, 0, &result))
            return result;
    }
    return pdm_real.writev(fd, iov, count);
}

/* Descriptors handed to another process leave without receive options of ours. */
static void release_passed(const struct msghdr *msg)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL;
         c = CMSG_NXTHDR((struct msghdr *)(uintptr_t)msg, c)) {
        size_t before = (size_t)((uint8_t *)c - (uint8_t *)msg->msg_control);

        if (c->cmsg_len > msg->msg_controllen - before)
            return; /* the kernel refuses the whole */
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || c->cmsg_len < CMSG_LEN(0))
            continue;
        for (size_t at = 0; at + sizeof(int) <= c->cmsg_len - CMSG_LEN(0); at += sizeof(int)) {
            int fd;

            __builtin_memcpy(&fd, CMSG_DATA(c) + at, sizeof fd);
            pdm_descriptor_release(fd, true);
        }
    }
}

PDM_HOOK(ssize_t, sendmsg, (int fd, const struct msghdr *msg, int flags))
{
    struct pdm_descriptor *d = pdm_descriptor_socket(fd);
    ssize_t result;

    if (d != NULL && msg != NULL && msg->msg_iovlen <= IOV_MAX &&
        !pdm_peer_idle(d, msg->msg_name, msg->msg_namelen) &&
        send_along(fd, d, msg, flags, &result))
        return result;
    if (d == NULL && msg != NULL && msg->msg_control != NULL)
        release_passed(msg);
    return pdm_real.sendmsg(fd, msg, flags);
}

PDM_HOOK(int, sendmmsg, (int fd, struct mmsghdr *vec, unsigned int vlen, int flags))
{
    struct pdm_descriptor *d = pdm_descriptor_socket(fd);
    int result;

    if (d != NULL && vec != NULL && !pdm_descriptor_is_stream(d) &&
        pdm_send_many(fd, d, vec, vlen, flags, &result))
        return result;
    if (d != NULL && pdm_descriptor_is_stream(d))
        pdm_stream_passed(fd, d);
    for (unsigned int i = 0; d == NULL && vec != NULL && i < vlen; i++)
        if (vec[i].msg_hdr.msg_control != NULL)
            release_passed(&vec[i].msg_hdr);
    return pdm_real.sendmmsg(fd, vec, vlen, flags);
}
PDM_HOOK_ALIAS(__sendmmsg, sendmmsg);

/* What a stream's flow knows of a read that does not look for an option. */
static ssize_t heard(int fd, int flags, ssize_t result)
{
    struct pdm_descriptor *d = pdm_descriptor_known(fd);

    if (result > 0 && d != NULL && pdm_descriptor_is_stream(d) && !pdm_peer_unnamed_own(d) &&
        pdm_stream_is_receipt(flags)) {
        pdm_stream_read_begins(d);
        pdm_stream_received(fd, d, NULL, 0);
    }
    return result;
}

/* Calls that take no option. */
static ssize_t passed(int fd, ssize_t result)
{
    struct pdm_descriptor *d = pdm_descriptor_known(fd);

    if (result > 0 && d != NULL && pdm_descriptor_is_stream(d) && !pdm_peer_unnamed_own(d))
        pdm_stream_passed(fd, d);
    return result;
}

PDM_HOOK(ssize_t, sendfile, (int out, int in, off_t *offset, size_t count))
{
    return passed(out, pdm_real.sendfile(out, in, offset, count));
}
PDM_HOOK_ALIAS(sendfile64, sendfile);

PDM_HOOK(ssize_t, splice,
         (int in, off64_t *in_offset, int out, off64_t *out_offset, size_t len, unsigned int flags))
{
    ssize_t result = pdm_real.splice(in, in_offset, out, out_offset, len, flags);

    heard(in, 0, result);
    return passed(out, result);
}

/* --- receiving --- */

/* Whether a read of a stream will be over while no option is due. */
static bool is_moment(const struct pdm_descriptor *d, int flags)
{
    return ((pdm_descriptor_flags(d) & PDM_FD_NONBLOCK) != 0 || (flags & MSG_DONTWAIT) != 0) &&
           pdm_stream_is_quiet(d);
}

static bool receive_one(int fd, struct pdm_descriptor *d, void *buf, size_t len, int flags,
                        struct sockaddr *from, socklen_t *from_len, ssize_t *result)
{
    struct iovec iov = {buf, len};

    return pdm_receive_plain(fd, d, &iov, 1, flags, from, from_len, result);
}

SLOW static ssize_t receive_from(int fd, struct pdm_descriptor *d, void *buf, size_t len, int flags,
                                 struct sockaddr *from, socklen_t *from_len)
{
    struct sockaddr_storage name;
    socklen_t name_len = sizeof name;
    ssize_t result;

    if (pdm_receive_along(d) && !is_moment(d, flags) &&
        receive_one(fd, d, buf, len, flags, from, from_len, &result))
        return result;
    if (pdm_descriptor_is_stream(d))
        return heard(fd, flags, pdm_real.recvfrom(fd, buf, len, flags, from, from_len));
    /* Not read along on yet: who sent this? */
    if (from == NULL && (flags & MSG_ERRQUEUE) == 0) {
        from = (struct sockaddr *)&name;
        from_len = &name_len;
    }
    result = pdm_real.recvfrom(fd, buf, len, flags, from, from_len);
    if (result >= 0 && from != NULL && !pdm_peer_idle(d, from, *from_len))
        pdm_received_from(fd, d, from, *from_len);
    return result;
}

PDM_HOOK(ssize_t, recvfrom,
         (int fd, void *buf, size_t len, int flags, struct sockaddr *from, socklen_t *from_len))
{
    struct pdm_descriptor *d = pdm_descriptor_socket(fd);

    if (d == NULL || pdm_receive_idle(d))
        return pdm_real.recvfrom(fd, buf, len, flags, from, from_len);
    if (from == NULL || pdm_receive_along(d) || pdm_descriptor_is_stream(d))
        return receive_from(fd, d, buf, len, flags, from, from_len);
    ssize_t result = pdm_real.recvfrom(fd, buf, len, flags, from, from_len);

    if (result >= 0 && !pdm_peer_idle(d, from, *from_len))
        pdm_received_from(fd, d, from, *from_len);
    return result;
}

PDM_HOOK(ssize_t, recv, (int fd, void *buf, size_t len, int flags))
{
    struct pdm_descriptor *d = pdm_descriptor_socket(fd);

    if (d == NULL || pdm_receive_idle(d))
        return pdm_real.recv(fd, buf, len, flags);
    return receive_from(fd, d, buf, len, flags, NULL, NULL);
}
PDM_HOOK_ALIAS(__recv, recv);

PDM_HOOK(ssize_t, read, (int fd, void *buf, size_t len))
{
    struct pdm_descriptor *d = pdm_descriptor_known(fd);

    /* read() of nothing takes no datagram; recv() of nothing does. */
    if (d == NULL || len == 0 || len > SSIZE_MAX)
        return pdm_real.read(fd, buf, len);
    int saved = errno;
    ssize_t result = hook_recvfrom(fd, buf, len, 0, NULL, NULL);

    if (result >= 0 || errno != ENOTSOCK)
        return result;
    /* The number was closed and made anew unseen. */
    pdm_descriptor_clear(d, UINT32_MAX);
    errno = saved;
    return pdm_real.read(fd, buf, len);
}
PDM_HOOK_ALIAS(__read, read);

PDM_HOOK(ssize_t, readv, (int fd, const struct iovec *iov, int count))
{
    struct pdm_descriptor *d = pdm_descriptor_known(fd);
    ssize_t result;

    if (d == NULL || pdm_receive_idle(d))
        return pdm_real.readv(fd, iov, count);
    if (is_ordinary(iov, count) && pdm_receive_along(d) && !is_moment(d, 0) &&
        pdm_receive_plain(fd, d, iov, (size_t)count, 0, NULL, NULL, &result))
        return result;
    return heard(fd, 0, pdm_real.readv(fd, iov, count));
}

PDM_HOOK(ssize_t, recvmsg, (int fd, struct msghdr *msg, int flags))
{
    struct pdm_descriptor *d = pdm_descriptor_socket(fd);
    ssize_t result;

    if (d == NULL || msg == NULL || pdm_receive_idle(d))
        return pdm_real.recvmsg(fd, msg, flags);
    if (pdm_receive_along(d) && pdm_receive(fd, d, msg, flags, &result))
        return result;
    result = pdm_real.recvmsg(fd, msg, flags);
    if (pdm_descriptor_is_stream(d))
        return heard(fd, flags, result);
    if (result >= 0 && msg->msg_name != NULL && !pdm_peer_idle(d, msg->msg_name, msg->msg_namelen))
        pdm_received_from(fd, d, msg->msg_name, msg->msg_namelen);
    return result;
}

PDM_HOOK(int, recvmmsg,
         (int fd, struct mmsghdr *vec, unsigned int vlen, int flags, struct timespec *timeout))
{
    struct pdm_descriptor *d = pdm_descriptor_socket(fd);
    int result;

    if (d == NULL || vec == NULL)
        return pdm_real.recvmmsg(fd, vec, vlen, flags, timeout);
    if (pdm_receive_many(fd, d, vec, vlen, flags, timeout, &result))
        return result;
    result = pdm_real.recvmmsg(fd, vec, vlen, flags, timeout);
    for (int i = 0; i < result; i++)
        if (vec[i].msg_hdr.msg_name != NULL)
            pdm_received_from(fd, d, vec[i].msg_hdr.msg_name, vec[i].msg_hdr.msg_namelen);
    return result;
}

/* --- what _FORTIFY_SOURCE makes of them --- */

PDM_HOOK(ssize_t, __read_chk, (int fd, void *buf, size_t len, size_t room))
{
    if (len > room)
        __chk_fail();
    return hook_read(fd, buf, len);
}

PDM_HOOK(ssize_t, __recv_chk, (int fd, void *buf, size_t len, size_t room, int flags))
{
    if (len > room)
        __chk_fail();
    return hook_recvfrom(fd, buf, len, flags, NULL, NULL);
}

PDM_HOOK(ssize_t, __recvfrom_chk,
         (int fd, void *buf, size_t len, size_t room, int flags, struct sockaddr *from,
          socklen_t *from_len))
{
    if (len > room)
        __chk_fail();
    return hook_recvfrom(fd, buf, len, flags, from, from_len);
}
