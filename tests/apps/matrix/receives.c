/* SPDX-License-Identifier: BSD-2-Clause */
/* Every receiving call, on every kind of socket, with every shape of buffer.
 *
 * Buffers are global arrays read with lengths known only at run time, so that a copy of this file
 * compiled with _FORTIFY_SOURCE goes through __recv_chk, __recvfrom_chk and __read_chk. */
#include "tests/apps/matrix/cases.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
    BUFFER = 4096,
    CANARY = 0xA5,
    BATCH = 3,
    SHORT_WAIT_US = 20000,
    NS_PER_US = 1000,
    US_PER_S = 1000000,
    LONG_WAIT_US = 1000000,
    /* SO_RCVTIMEO counts in ticks and may end a tick early, and a call that does not wait may still
     * be kept from the processor: the two are told apart half way. */
    TIMEOUT_US = 100000,
    HALF_WAY_US = TIMEOUT_US / 2,
};

extern ssize_t alias_read(int fd, void *data, size_t len) __asm__("__read");
/* What a fortified program calls; named here too, so that each copy of the program meets them. */
extern ssize_t checked_recv(int fd, void *data, size_t len, size_t size,
                            int flags) __asm__("__recv_chk");
extern ssize_t checked_recvfrom(int fd, void *data, size_t len, size_t size, int flags,
                                struct sockaddr *from,
                                socklen_t *from_len) __asm__("__recvfrom_chk");
extern ssize_t checked_read(int fd, void *data, size_t len, size_t size) __asm__("__read_chk");

static struct line line;
static struct inbox inbox;
static unsigned char buffer[BUFFER];
static struct sockaddr_storage from;
static socklen_t from_len;
static size_t batch_len; /* recvmmsg returns a count; the length is beside it */

static struct outcome by_recv(int fd, size_t len, int flags)
{
    return TRY(recv(fd, buffer, len, flags));
}

static struct outcome by_recv_chk(int fd, size_t len, int flags)
{
    return TRY(checked_recv(fd, buffer, len, sizeof(buffer), flags));
}

static struct outcome by_recvfrom(int fd, size_t len, int flags)
{
    from_len = sizeof(from);
    return TRY(recvfrom(fd, buffer, len, flags, (struct sockaddr *)&from, &from_len));
}

static struct outcome by_recvfrom_chk(int fd, size_t len, int flags)
{
    from_len = sizeof(from);
    return TRY(checked_recvfrom(fd, buffer, len, sizeof(buffer), flags, (struct sockaddr *)&from,
                                &from_len));
}

static struct outcome by_recvfrom_null(int fd, size_t len, int flags)
{
    return TRY(recvfrom(fd, buffer, len, flags, NULL, NULL));
}

static struct outcome by_recvmsg(int fd, size_t len, int flags)
{
    struct iovec iov = {.iov_base = buffer, .iov_len = len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_flags = FLAGS_SENTINEL};
    struct outcome outcome = TRY(recvmsg(fd, &msg, flags));

    line_flags(&line, msg.msg_flags);
    line_control(&line, &msg);
    return outcome;
}

static struct outcome by_recvmsg_name(int fd, size_t len, int flags)
{
    struct iovec iov = {.iov_base = buffer, .iov_len = len};
    struct msghdr msg = {.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov};
    struct outcome outcome;

    msg.msg_iovlen = 1;
    outcome = TRY(recvmsg(fd, &msg, flags));
    from_len = msg.msg_namelen;
    line_flags(&line, msg.msg_flags);
    line_control(&line, &msg);
    return outcome;
}

static struct outcome by_syscall(int fd, size_t len, int flags)
{
    struct iovec iov = {.iov_base = buffer, .iov_len = len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    struct outcome outcome = TRY(syscall(SYS_recvmsg, fd, &msg, flags));

    line_flags(&line, msg.msg_flags);
    line_control(&line, &msg);
    return outcome;
}

static struct outcome by_recvmmsg(int fd, size_t len, int flags)
{
    struct iovec iov = {.iov_base = buffer, .iov_len = len};
    struct mmsghdr one = {.msg_len = LENGTH_SENTINEL};
    struct outcome outcome;

    one.msg_hdr.msg_iov = &iov;
    one.msg_hdr.msg_iovlen = 1;
    one.msg_hdr.msg_name = &from;
    one.msg_hdr.msg_namelen = sizeof(from);
    outcome = TRY(recvmmsg(fd, &one, 1, flags, NULL));
    from_len = one.msg_hdr.msg_namelen;
    batch_len = one.msg_len;
    line_add(&line, " msg_len=%u", one.msg_len);
    line_flags(&line, one.msg_hdr.msg_flags);
    line_control(&line, &one.msg_hdr);
    return outcome;
}

static struct outcome by_read(int fd, size_t len, int flags)
{
    (void)flags;
    return TRY(read(fd, buffer, len));
}

static struct outcome by_read_chk(int fd, size_t len, int flags)
{
    (void)flags;
    return TRY(checked_read(fd, buffer, len, sizeof(buffer)));
}

static struct outcome by_alias_read(int fd, size_t len, int flags)
{
    (void)flags;
    return TRY(alias_read(fd, buffer, len));
}

static struct outcome by_readv(int fd, size_t len, int flags)
{
    struct iovec iov[2] = {{.iov_base = buffer, .iov_len = len / 2},
                           {.iov_base = buffer + len / 2, .iov_len = len - len / 2}};

    (void)flags;
    return TRY(readv(fd, iov, 2));
}

static struct outcome by_preadv2(int fd, size_t len, int flags)
{
    struct iovec iov = {.iov_base = buffer, .iov_len = len};

    (void)flags;
    return TRY(preadv2(fd, &iov, 1, -1, 0));
}

static const struct receive_call {
    const char *name;
    struct outcome (*call)(int fd, size_t len, int flags);
    bool takes_flags;
} calls[] = {
    {"recv", by_recv, true},
    {"__recv_chk", by_recv_chk, true},
    {"recvfrom", by_recvfrom, true},
    {"__recvfrom_chk", by_recvfrom_chk, true},
    {"recvfrom-null", by_recvfrom_null, true},
    {"recvmsg", by_recvmsg, true},
    {"recvmsg-name", by_recvmsg_name, true},
    {"recvmmsg", by_recvmmsg, true},
    {"syscall", by_syscall, true},
    {"read", by_read, false},
    {"__read_chk", by_read_chk, false},
    {"__read", by_alias_read, false},
    {"readv", by_readv, false},
    {"preadv2", by_preadv2, false},
};

static void take(const char *name, const struct receive_call *call, int fd, size_t len, int flags)
{
    struct outcome outcome;

    memset(buffer, CANARY, sizeof(buffer));
    memset(&from, CANARY, sizeof(from));
    from_len = 0;
    line_start(&line, "%s %s len=%zu", name, call->name, len);
    if (flags != 0) {
        line_add(&line, " asked");
        line_flags(&line, flags);
    }
    outcome = call->call(fd, len, flags);
    line_outcome(&line, outcome);
    line_name(&line, &from, sizeof(from), from_len);
    if (outcome.ret >= 0) {
        size_t stored = call->call == by_recvmmsg ? batch_len : (size_t)outcome.ret;

        stored = stored < len ? stored : len;
        line_data(&line, buffer, stored);
        if (!untouched(buffer + stored, sizeof(buffer) - stored)) {
            line_add(&line, " DATA-OVERRUN");
        }
    }
    line_ready(&line, fd);
    line_print(&line);
}

/* A datagram for each: read whole, short, with no room; then nothing is there. */
static void plain_receives(struct lab *lab, enum kind kind, unsigned at)
{
    static const struct {
        size_t sent;
        size_t room;
    } shapes[] = {{0, 100}, {1, 1},  {64, 64},     {64, 100},
                  {64, 63}, {64, 0}, {1200, 2000}, {1200, 9}};
    int fd = ours_open(lab, kind, at);

    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        for (size_t j = 0; j < sizeof(shapes) / sizeof(shapes[0]); j++) {
            peer_send(lab, at, PORT_OURS, shapes[j].sent, 0, 1);
            ours_wait(fd, POLLIN);
            take(kind_names[kind], &calls[i], fd, shapes[j].room, 0);
            /* read(2) with no room leaves the datagram where it is, recv(2) takes it. */
            take("left", &calls[0], fd, sizeof(buffer), MSG_DONTWAIT);
        }
    }
    (void)close(fd);
}

static void flagged_receives(struct lab *lab, enum kind kind, unsigned at)
{
    static const int flags[] = {MSG_PEEK,     MSG_TRUNC,   MSG_PEEK | MSG_TRUNC,
                                MSG_DONTWAIT, MSG_WAITALL, MSG_CMSG_CLOEXEC,
                                MSG_NOSIGNAL, MSG_OOB,     MSG_WAITFORONE};
    int fd = ours_open(lab, kind, at);

    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]) && calls[i].takes_flags; i++) {
        for (size_t j = 0; j < sizeof(flags) / sizeof(flags[0]); j++) {
            peer_send(lab, at, PORT_OURS, 50, WITH_DSTOPTS, 1);
            ours_wait(fd, POLLIN);
            take(kind_names[kind], &calls[i], fd, 20, flags[j]);
            take("again", &calls[i], fd, sizeof(buffer), flags[j] | MSG_DONTWAIT);
            take("after", &calls[0], fd, sizeof(buffer), MSG_DONTWAIT);
            take("empty", &calls[i], fd, sizeof(buffer), MSG_DONTWAIT | flags[j]);
        }
    }
    (void)close(fd);
}

/* ------------------------------------------------------------------------ names */

static void short_names(struct lab *lab)
{
    static const socklen_t sizes[] = {0, 1, 4, 27, 28, 29, 100};
    int fd = ours_open(lab, LOOSE_BOUND, PORT_ALL);

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct outcome outcome;
        socklen_t len = sizes[i];

        peer_send(lab, PORT_ALL, PORT_OURS, 30, 0, 2);
        ours_wait(fd, POLLIN);
        memset(&from, CANARY, sizeof(from));
        outcome = TRY(recvfrom(fd, buffer, sizeof(buffer), 0, (struct sockaddr *)&from, &len));
        line_start(&line, "recvfrom name of %u", sizes[i]);
        line_outcome(&line, outcome);
        line_name(&line, &from, sizes[i], len);
        line_add(&line, " %s",
                 untouched((unsigned char *)&from + sizes[i], sizeof(from) - sizes[i]) ? "clean"
                                                                                       : "OVERRUN");
        line_print(&line);
        inbox_set(&inbox, 100, 100, sizes[i]);
        outcome = TRY(recvmsg(fd, &inbox.msg, 0));
        line_start(&line, "recvmsg name of %u", sizes[i]);
        inbox_line(&line, &inbox, outcome);
        line_print(&line);
    }
    peer_send(lab, PORT_ALL, PORT_OURS, 30, 0, 1);
    ours_wait(fd, POLLIN);
    inbox_set(&inbox, 100, 100, 77);
    inbox.msg.msg_name = NULL;
    line_start(&line, "recvmsg no name, length 77");
    inbox_line(&line, &inbox, TRY(recvmsg(fd, &inbox.msg, 0)));
    line_print(&line);
    (void)close(fd);
}

/* ---------------------------------------------------------------------- vectors */

static void odd_vectors(struct lab *lab)
{
    static struct iovec iov[UIO_MAXIOV + 1];
    static const size_t counts[] = {0, 1, 49, 50, 51, UIO_MAXIOV, UIO_MAXIOV + 1};
    int fd = ours_open(lab, TIED_BOUND, PORT_ALL);

    for (size_t step = 1; step <= 2; step++) {
        for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
            struct msghdr msg = {.msg_iov = iov, .msg_iovlen = counts[i]};
            struct outcome outcome;

            for (size_t j = 0; j <= UIO_MAXIOV; j++) {
                bool empty = step == 2 && j % 2 == 0;

                iov[j] = (struct iovec){.iov_base = empty ? NULL : buffer + j, .iov_len = !empty};
            }
            peer_send(lab, PORT_ALL, PORT_OURS, 50, 0, 1);
            ours_wait(fd, POLLIN);
            memset(buffer, CANARY, sizeof(buffer));
            outcome = TRY(recvmsg(fd, &msg, MSG_PEEK));
            line_start(&line, "recvmsg %zu vectors step %zu", counts[i], step);
            line_outcome(&line, outcome);
            line_flags(&line, msg.msg_flags);
            line_data(&line, buffer, 60);
            line_print(&line);
            memset(buffer, CANARY, sizeof(buffer));
            outcome = TRY(readv(fd, iov, (int)counts[i]));
            line_start(&line, "readv %zu vectors step %zu", counts[i], step);
            line_outcome(&line, outcome);
            line_data(&line, buffer, 60);
            line_print(&line);
            take("left", &calls[0], fd, sizeof(buffer), MSG_DONTWAIT);
        }
    }
    (void)close(fd);
}

/* -------------------------------------------------------------- waiting in vain */

static long elapsed_us(const struct timespec *since)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (now.tv_sec - since->tv_sec) * US_PER_S + (now.tv_nsec - since->tv_nsec) / NS_PER_US;
}

static const char *judge_wait(long us)
{
    if (us < HALF_WAY_US) {
        return "at once";
    }
    return us < LONG_WAIT_US ? "in time" : "late";
}

static void on_alarm(int signal_number)
{
    (void)signal_number;
}

static void vain(struct lab *lab)
{
    struct timeval wait = {.tv_usec = TIMEOUT_US};
    /* The second alarm is for a call that the first one preceded. */
    struct itimerval alarm_after = {.it_value = {.tv_usec = SHORT_WAIT_US},
                                    .it_interval = {.tv_usec = TIMEOUT_US}};
    struct itimerval no_alarm = {.it_value = {.tv_usec = 0}};
    struct sigaction action = {.sa_handler = on_alarm};
    struct sigaction before;
    struct timespec start;
    int fd = ours_open(lab, TIED_BOUND, PORT_ALL);

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        (void)clock_gettime(CLOCK_MONOTONIC, &start);
        take("timeout", &calls[i], fd, sizeof(buffer), 0);
        (void)printf("%s\n", judge_wait(elapsed_us(&start)));
    }
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        (void)clock_gettime(CLOCK_MONOTONIC, &start);
        take("nonblock", &calls[i], fd, sizeof(buffer), 0);
        (void)printf("%s\n", judge_wait(elapsed_us(&start)));
    }
    (void)close(fd);

    fd = ours_open(lab, TIED_BOUND, PORT_ALL);
    (void)sigaction(SIGALRM, &action, &before);
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        (void)setitimer(ITIMER_REAL, &alarm_after, NULL);
        take("interrupted", &calls[i], fd, sizeof(buffer), 0);
        (void)setitimer(ITIMER_REAL, &no_alarm, NULL);
    }
    (void)sigaction(SIGALRM, &before, NULL);
    (void)close(fd);
}

void cases_receives(struct lab *lab)
{
    for (enum kind kind = LOOSE_ANY; kind < KINDS; kind++) {
        plain_receives(lab, kind, PORT_ALL);
        plain_receives(lab, kind, PORT_BARE);
        flagged_receives(lab, kind, PORT_ALL);
    }
    short_names(lab);
    odd_vectors(lab);
    vain(lab);
}

/* ---------------------------------------------------------------------- batches */

static void take_batch(const char *name, int fd, unsigned n, int flags, struct timespec *timeout,
                       size_t control_size)
{
    static struct inbox inboxes[BATCH];
    struct mmsghdr batch[BATCH];
    struct outcome outcome;

    for (size_t i = 0; i < BATCH; i++) {
        inbox_set(&inboxes[i], 60, control_size, sizeof(inboxes[i].name));
        batch[i] = (struct mmsghdr){.msg_hdr = inboxes[i].msg, .msg_len = LENGTH_SENTINEL};
    }
    outcome = TRY(recvmmsg(fd, batch, n, flags, timeout));
    line_start(&line, "recvmmsg %s %u control %zu", name, n, control_size);
    line_outcome(&line, outcome);
    line_ready(&line, fd);
    line_print(&line);
    for (size_t i = 0; i < n && i < BATCH; i++) {
        struct outcome each = {.ret = -1, .err = ERRNO_SENTINEL};

        if (outcome.ret > (ssize_t)i) {
            each.ret = batch[i].msg_len;
        }
        inboxes[i].msg = batch[i].msg_hdr;
        line_start(&line, "  %zu msg_len=%u", i, batch[i].msg_len);
        inbox_line(&line, &inboxes[i], each);
        line_print(&line);
    }
}

void cases_receive_batches(struct lab *lab)
{
    static const size_t controls[] = {0, 8, 40, 200};
    static const struct timespec waits[] = {
        {0, 0}, {0, (long)SHORT_WAIT_US * NS_PER_US}, {5, 0}, {0, 2000000000L}, {-1, 0}};
    struct timeval limit = {.tv_usec = SHORT_WAIT_US};
    int fd = ours_open(lab, LOOSE_BOUND, PORT_ALL);

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    for (int options = 0; options <= 1; options++) {
        for (size_t i = 0; i < sizeof(controls) / sizeof(controls[0]); i++) {
            for (unsigned there = 0; there <= BATCH; there++) {
                if (there > 0) {
                    peer_send(lab, PORT_ALL, PORT_OURS, 60 + there, WITH_DSTOPTS, there);
                    ours_wait(fd, POLLIN);
                }
                take_batch("peek", fd, BATCH, MSG_PEEK | MSG_DONTWAIT, NULL, controls[i]);
                take_batch("first", fd, BATCH, MSG_WAITFORONE, NULL, controls[i]);
                take_batch("rest", fd, BATCH, MSG_DONTWAIT, NULL, controls[i]);
            }
        }
        peer_send(lab, PORT_ALL, PORT_OURS, 60, 0, 2);
        ours_wait(fd, POLLIN);
        take_batch("all, one missing", fd, BATCH, 0, NULL, 200);
        take_batch("none asked", fd, 0, MSG_DONTWAIT, NULL, 200);
        set_int(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
        set_int(fd, IPPROTO_IPV6, IPV6_RECVDSTOPTS, 1);
        set_int(fd, SOL_SOCKET, SO_TIMESTAMP, 1);
    }
    for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
        struct timespec wait = waits[i];

        peer_send(lab, PORT_ALL, PORT_OURS, 40, 0, 2);
        ours_wait(fd, POLLIN);
        take_batch("timeout", fd, BATCH, 0, &wait, 200);
        line_start(&line, "timeout left: %s",
                   wait.tv_sec == waits[i].tv_sec && wait.tv_nsec == waits[i].tv_nsec ? "all"
                                                                                      : "less");
        line_print(&line);
        take_batch("drain", fd, BATCH, MSG_DONTWAIT, NULL, 0);
    }
    (void)close(fd);
}
