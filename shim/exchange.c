/* SPDX-License-Identifier: BSD-2-Clause */
/* One request to the agent. */
#include "shim/exchange.h"

#include <errno.h>
#include <poll.h>
#include <sodium.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "shim/effort.h"
#include "shim/mapping.h"
#include "shim/process.h"
#include "shim/sys.h"

void pdm_exchange_begin(struct pdm_exchange *x, uint8_t type)
{
    pdm_message_begin(&x->message, x->bytes, sizeof x->bytes, type);
    x->fds[0] = x->fds[1] = -1;
}

static void close_fd(int fd)
{
    if (fd >= 0)
        pdm_sys(SYS_close, fd, 0, 0, 0, 0, 0);
}

static long dial(void)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};

    if (pdm_agent_path()[0] == '\0')
        return -ENOENT; /* to connect() it would be an abstract name, which any user may bind */
    long fd =
        pdm_sys(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, 0, 0, 0);

    if (fd < 0)
        return fd;
    memcpy(to.sun_path, pdm_agent_path(), strlen(pdm_agent_path()));
    long r = pdm_sys(SYS_connect, fd, (long)&to, sizeof to, 0, 0, 0);

    if (r == 0)
        return fd;
    close_fd((int)fd);
    return r;
}

/* Waits until DEADLINE for FD to be readable. */
static bool wait_readable(int fd, int64_t deadline)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    for (;;) {
        int64_t left = deadline - pdm_clock(CLOCK_MONOTONIC);
        struct timespec t = {left / PDM_NSEC_PER_SEC, left % PDM_NSEC_PER_SEC};

        if (left <= 0)
            return false;
        long r = pdm_sys(SYS_ppoll, (long)&p, 1, (long)&t, 0, 0, 0);

        if (r != -EINTR)
            return r == 1;
    }
}

static void take_fds(struct pdm_exchange *x, struct msghdr *msg)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
            c->cmsg_len >= CMSG_LEN(sizeof(int)))
            memcpy(x->fds, CMSG_DATA(c),
                   c->cmsg_len >= CMSG_LEN(sizeof x->fds) ? sizeof x->fds : sizeof(int));
}

static bool receive_reply(int fd, struct pdm_exchange *x, uint8_t type)
{
    union {
        struct cmsghdr align;
        uint8_t bytes[CMSG_SPACE(sizeof x->fds)];
    } control;
    struct iovec iov = {x->bytes, sizeof x->bytes};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof control.bytes};
    uint8_t got;
    long n = pdm_sys(SYS_recvmsg, fd, (long)&msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT, 0, 0, 0);

    if (n < 0)
        return false;
    take_fds(x, &msg);
    return pdm_message_open(x->bytes, (size_t)n, &got, &x->reply) && got == (type | PDM_REPLY);
}

bool pdm_exchange_make(struct pdm_exchange *x, int64_t now, bool wants_reply)
{
    int64_t budget = (int64_t)pdm_policy_settings().budget_us * PDM_NSEC_PER_USEC;
    uint8_t type = x->bytes[1];
    size_t len = pdm_message_end(&x->message);
    bool ok = false;
    long fd = dial();

    if (fd >= 0) {
        ok = pdm_sys(SYS_sendto, fd, (long)x->bytes, (long)len, MSG_NOSIGNAL | MSG_DONTWAIT, 0,
                     0) == (long)len;
        if (ok && wants_reply)
            ok = wait_readable((int)fd, now + budget) && receive_reply((int)fd, x, type);
        close_fd((int)fd);
    }
    int64_t after = pdm_clock(CLOCK_MONOTONIC);

    pdm_effort_spend(after - now);
    if (ok)
        pdm_effort_answered();
    else
        pdm_effort_unanswered(after, fd < 0 && fd != -EAGAIN);
    return ok;
}

void pdm_exchange_end(struct pdm_exchange *x)
{
    close_fd(x->fds[0]);
    close_fd(x->fds[1]);
    sodium_memzero(x->bytes, sizeof x->bytes);
}
