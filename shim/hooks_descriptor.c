/* SPDX-License-Identifier: BSD-2-Clause */
/* The calls that make, move, copy and close descriptors, and those that set what they do. */
#undef _FORTIFY_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>

#include "shim/descriptor.h"
#include "shim/hook.h"
#include "shim/options.h"
#include "shim/peer.h"
#include "shim/real.h"
#include "shim/stream.h"

/* --- made and closed --- */

PDM_HOOK(int, socket, (int domain, int type, int protocol))
{
    int fd = pdm_real.socket(domain, type, protocol);

    if (fd >= 0)
        pdm_descriptor_made(fd, domain, type, protocol);
    return fd;
}
PDM_HOOK_ALIAS(__socket, socket);

PDM_HOOK(int, accept4, (int fd, struct sockaddr *addr, socklen_t *len, int flags))
{
    int made = pdm_real.accept4(fd, addr, len, flags);

    if (made >= 0)
        pdm_descriptor_accepted(fd, made);
    if (made >= 0 && (flags & SOCK_NONBLOCK) != 0)
        pdm_descriptor_nonblock(made, true);
    return made;
}

PDM_HOOK(int, accept, (int fd, struct sockaddr *addr, socklen_t *len))
{
    int made = pdm_real.accept(fd, addr, len);

    if (made >= 0)
        pdm_descriptor_accepted(fd, made);
    return made;
}

PDM_HOOK(int, close, (int fd))
{
    /* Before the call: after it another thread may have the number. */
    pdm_descriptor_closed(fd);
    return pdm_real.close(fd);
}
PDM_HOOK_ALIAS(__close, close);

PDM_HOOK(int, close_range, (unsigned int first, unsigned int last, int flags))
{
    /* With UNSHARE others go on with theirs; with CLOEXEC nothing is closed yet. */
    if ((flags & (int)(CLOSE_RANGE_CLOEXEC | CLOSE_RANGE_UNSHARE)) == 0 && first <= last)
        pdm_descriptor_closed_range(first, last);
    return pdm_real.close_range(first, last, flags);
}

PDM_HOOK(void, closefrom, (int first))
{
    pdm_descriptor_closed_range(first > 0 ? (unsigned int)first : 0, UINT_MAX);
    pdm_real.closefrom(first);
}

/* --- copied --- */

static int copied(int from, int to)
{
    if (to >= 0)
        pdm_descriptor_copied(from, to);
    return to;
}

PDM_HOOK(int, dup, (int fd))
{
    return copied(fd, pdm_real.dup(fd));
}

PDM_HOOK(int, dup2, (int from, int to))
{
    return copied(from, pdm_real.dup2(from, to));
}
PDM_HOOK_ALIAS(__dup2, dup2);

PDM_HOOK(int, dup3, (int from, int to, int flags))
{
    return copied(from, pdm_real.dup3(from, to, flags));
}

PDM_HOOK(int, fcntl, (int fd, int command, ...))
{
    va_list args;

    va_start(args, command);
    void *arg = va_arg(args, void *);
    va_end(args);
    int result = pdm_real.fcntl(fd, command, arg);

    if (command == F_SETFL && result == 0)
        pdm_descriptor_nonblock(fd, ((int)(intptr_t)arg & O_NONBLOCK) != 0);
    return command == F_DUPFD || command == F_DUPFD_CLOEXEC ? copied(fd, result) : result;
}
PDM_HOOK_ALIAS(fcntl64, fcntl);
PDM_HOOK_ALIAS(__fcntl, fcntl);

/* --- moved --- */

PDM_HOOK(int, bind, (int fd, const struct sockaddr *addr, socklen_t len))
{
    struct pdm_descriptor *d = pdm_descriptor_socket(fd);
    int result = pdm_real.bind(fd, addr, len);

    if (d != NULL && result == 0)
        pdm_descriptor_clear(d, PDM_FD_BOUND_PORT | PDM_FD_BOUND_ADDR);
    return result;
}

PDM_HOOK(int, connect, (int fd, const struct sockaddr *addr, socklen_t len))
{
    struct pdm_descriptor *d = pdm_descriptor_socket(fd);

    /* Before the call: no option for the old peer may go to the new one. */
    if (d != NULL)
        pdm_descriptor_moved(d);
    int result = pdm_real.connect(fd, addr, len);

    if (d != NULL && result == 0)
        pdm_descriptor_connected(d, addr, len);
    return result;
}
PDM_HOOK_ALIAS(__connect, connect);

PDM_HOOK(int, listen, (int fd, int backlog))
{
    struct pdm_descriptor *d = pdm_descriptor_socket(fd);

    /* Before the first client: what it accepts has its receive options. */
    if (d != NULL && pdm_descriptor_is_stream(d))
        pdm_descriptor_listens(fd, d);
    return pdm_real.listen(fd, backlog);
}

/* --- socket options --- */

static void note_cork(struct pdm_descriptor *d, bool on)
{
    if (on)
        pdm_descriptor_set(d, PDM_FD_CORKED);
    else
        pdm_descriptor_clear(d, PDM_FD_CORKED);
}

/* Of a connection's own options only TCP_CORK matters: to uncork is to send what was held. */
static int set_tcp(int fd, struct pdm_descriptor *d, int name, const void *value, socklen_t len)
{
    bool corked = (pdm_descriptor_flags(d) & PDM_FD_CORKED) != 0;
    int on = 1, result;

    if (name != TCP_CORK || len < sizeof on || value == NULL || !pdm_descriptor_is_stream(d))
        return pdm_real.setsockopt(fd, IPPROTO_TCP, name, value, len);
    memcpy(&on, value, sizeof on);
    if (on == 0 && corked && !pdm_peer_unnamed_own(d) && pdm_stream_uncork(fd, d, &result)) {
        note_cork(d, false);
        return result;
    }
    result = pdm_real.setsockopt(fd, IPPROTO_TCP, name, value, len);
    if (result == 0 && corked != (on != 0))
        note_cork(d, on != 0);
    return result;
}

PDM_HOOK(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t len))
{
    struct pdm_descriptor *d = pdm_descriptor_socket(fd);

    if (d == NULL)
        return pdm_real.setsockopt(fd, level, name, value, len);
    if (level == IPPROTO_TCP)
        return set_tcp(fd, d, name, value, len);
    uint32_t before = pdm_descriptor_flags(d);
    int result = 0;

    if (!pdm_options_intercept(fd, d, level, name, value, len)) {
        result = pdm_real.setsockopt(fd, level, name, value, len);
        if (result == 0)
            pdm_options_noted(fd, d, level, name, value, len);
    }
    if ((before & PDM_FD_SHARED) != 0 && ((before ^ pdm_descriptor_flags(d)) & PDM_FD_ITS) != 0)
        pdm_descriptor_spread(fd, d);
    return result;
}

PDM_HOOK(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *len))
{
    struct pdm_descriptor *d = pdm_descriptor_socket(fd);

    if (d != NULL && level == IPPROTO_IPV6 && name == IPV6_2292PKTOPTIONS &&
        pdm_descriptor_is_stream(d))
        return pdm_options_of_packet(fd, d, value, len);
    int saved = errno;
    int result = pdm_real.getsockopt(fd, level, name, value, len);

    if (d != NULL && result != 0 && errno == ENOTCONN && level == IPPROTO_IPV6 &&
        name == IPV6_MTU && pdm_descriptor_is_stream(d) && pdm_options_mtu(fd, value, len)) {
        errno = saved;
        return 0;
    }
    if (d != NULL && result == 0)
        pdm_options_hide(d, level, name, value, *len);
    return result;
}

PDM_HOOK(int, ioctl, (int fd, unsigned long request, ...))
{
    va_list args;

    va_start(args, request);
    void *arg = va_arg(args, void *);
    va_end(args);
    if (request == SIOCGSTAMP || request == SIOCGSTAMPNS) {
        struct pdm_descriptor *d = pdm_descriptor_socket(fd);

        if (d != NULL)
            return pdm_options_stamp_asked(fd, d, request, arg);
    }
    int result = pdm_real.ioctl(fd, request, arg);

    if (request == FIONBIO && result == 0)
        pdm_descriptor_nonblock(fd, *(const int *)arg != 0);
    return result;
}
