/* SPDX-License-Identifier: BSD-2-Clause */
/* Every call that sends on a connection, with every shape of payload, and each way in which a send
 * fails. Before each the direction is turned, so that an option would go along. */
#include "tests/apps/matrix/cases.h"
#include "tests/apps/matrix/tcp.h"

#include <fcntl.h>
#include <linux/errqueue.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    LARGEST = 5 * 1024 * 1024,
    PARTS = 17,
    PAGE = 4096,
    SHORT_US = 30000,
    SMALL_BUFFER = 20000,
};

static struct line line;
static unsigned char payload[LARGEST];

struct shot {
    int fd;
    size_t len;
    int flags;
};

static struct outcome by_send(const struct shot *s)
{
    return TRY(send(s->fd, payload, s->len, s->flags));
}

static struct outcome by_write(const struct shot *s)
{
    return TRY(write(s->fd, payload, s->len));
}

/* An address is ignored on a connection. */
static struct outcome by_sendto(const struct shot *s)
{
    struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = 9};

    return TRY(sendto(s->fd, payload, s->len, s->flags, (struct sockaddr *)&to, sizeof(to)));
}

/* COUNT parts, some of them empty. */
static size_t split(size_t len, size_t count, struct iovec iov[static PARTS])
{
    size_t at = 0, each = len / (count > 2 ? count - 2 : 1);

    for (size_t i = 0; i < count; i++) {
        size_t part = i == 1 && count > 2 ? 0 : i + 1 == count ? len - at : each;

        part = part > len - at ? len - at : part;
        iov[i] = (struct iovec){.iov_base = payload + at, .iov_len = part};
        at += part;
    }
    return count;
}

static struct outcome send_vector(const struct shot *s, size_t count, void *name,
                                  socklen_t name_len)
{
    struct iovec iov[PARTS];
    struct msghdr msg = {.msg_name = name, .msg_namelen = name_len, .msg_iov = iov};

    msg.msg_iovlen = split(s->len, count, iov);
    return TRY(sendmsg(s->fd, &msg, s->flags));
}

static struct outcome by_sendmsg(const struct shot *s)
{
    return send_vector(s, 1, NULL, 0);
}

static struct outcome by_sendmsg_16(const struct shot *s)
{
    return send_vector(s, PARTS - 1, NULL, 0);
}

static struct outcome by_sendmsg_17(const struct shot *s)
{
    return send_vector(s, PARTS, NULL, 0);
}

/* TCP takes no Destination Options this way. */
static struct outcome by_sendmsg_control(const struct shot *s)
{
    _Alignas(max_align_t) unsigned char control[128];
    struct iovec iov = {.iov_base = payload, .iov_len = s->len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control};

    put_control(&msg, IPPROTO_IPV6, IPV6_DSTOPTS, own_dstopts, sizeof(own_dstopts));
    return TRY(sendmsg(s->fd, &msg, s->flags));
}

static struct outcome by_writev(const struct shot *s)
{
    struct iovec iov[PARTS];

    return TRY(writev(s->fd, iov, (int)split(s->len, PARTS, iov)));
}

static struct outcome by_sendmmsg(const struct shot *s)
{
    struct iovec iov[2] = {{payload, s->len / 2}, {payload + s->len / 2, s->len - s->len / 2}};
    struct mmsghdr batch[2] = {{.msg_hdr = {.msg_iov = &iov[0], .msg_iovlen = 1}},
                               {.msg_hdr = {.msg_iov = &iov[1], .msg_iovlen = 1}}};

    return TRY(sendmmsg(s->fd, batch, 2, s->flags));
}

static int file_of(size_t len)
{
    int fd = memfd_create("payload", MFD_CLOEXEC);

    if (fd < 0 || write(fd, payload, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET) != 0) {
        perror("callmatrix: memfd");
        exit(EXIT_FAILURE);
    }
    return fd;
}

static struct outcome by_sendfile(const struct shot *s)
{
    int file = file_of(s->len);
    struct outcome outcome = TRY(sendfile(s->fd, file, NULL, s->len));

    (void)close(file);
    return outcome;
}

static struct outcome by_splice(const struct shot *s)
{
    struct outcome outcome = {-1, 0};
    int ends[2];

    if (pipe(ends) == 0 && write(ends[1], payload, s->len) == (ssize_t)s->len) {
        outcome = TRY(splice(ends[0], NULL, s->fd, NULL, s->len, 0));
    }
    (void)close(ends[0]);
    (void)close(ends[1]);
    return outcome;
}

static const struct {
    const char *name;
    struct outcome (*send)(const struct shot *s);
    size_t most;
} calls[] = {
    {"send", by_send, 100000},
    {"write", by_write, 100000},
    {"sendto", by_sendto, PAGE},
    {"sendmsg", by_sendmsg, 100000},
    {"sendmsg/16", by_sendmsg_16, 100000},
    {"sendmsg/17", by_sendmsg_17, 100000},
    {"sendmsg/control", by_sendmsg_control, PAGE},
    {"writev/17", by_writev, 100000},
    {"sendmmsg", by_sendmmsg, PAGE},
    {"sendfile", by_sendfile, 100000},
    {"splice", by_splice, PAGE},
};

static void fire(const struct lab *lab, const char *name, size_t call, const struct shot *s)
{
    tcp_turn(lab, s->fd);
    payload_fill(payload, s->len, (unsigned)call);
    line_start(&line, "%s %s %zu", name, calls[call].name, s->len);
    line_outcome(&line, calls[call].send(s));
    line_ready(&line, s->fd);
    line_print(&line);
    tcp_take(lab, name, s->len);
}

/* More than any buffer holds: it is read while it is sent. */
static void *send_bulk(void *argument)
{
    const int *fd = argument;
    static struct outcome outcome;

    outcome = TRY(send(*fd, payload, LARGEST, 0));
    return &outcome;
}

static void bulk(const struct lab *lab, int fd)
{
    pthread_t sender;
    void *outcome;

    tcp_turn(lab, fd);
    payload_fill(payload, LARGEST, 1);
    if (pthread_create(&sender, NULL, send_bulk, &fd) != 0) {
        return;
    }
    tcp_take(lab, "bulk", LARGEST);
    (void)pthread_join(sender, &outcome);
    line_start(&line, "bulk");
    line_outcome(&line, *(struct outcome *)outcome);
    line_print(&line);
}

static void sizes(const struct lab *lab, int fd, const char *name, int flags)
{
    socklen_t len = sizeof(int);
    int mss = 0;

    (void)getsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &mss, &len);
    const size_t all[] = {1,           (size_t)mss - 41, (size_t)mss - 40, (size_t)mss - 39,
                          (size_t)mss, (size_t)mss + 1,  (size_t)mss * 2,  (size_t)mss * 2 + 50,
                          100000};

    for (size_t call = 0; call < sizeof(calls) / sizeof(calls[0]); call++) {
        for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
            struct shot shot = {fd, all[i], flags};

            /* What most calls have in common is seen with a few sizes. */
            if (all[i] <= calls[call].most && (call == 0 || i % 2 == 0)) {
                fire(lab, name, call, &shot);
            }
        }
    }
}

/* --- held back --- */

static void cork(const struct lab *lab, int fd)
{
    static const size_t lengths[] = {1, 1387, 1388, 1389, 1428, 3000};

    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        tcp_turn(lab, fd);
        set_int(fd, IPPROTO_TCP, TCP_CORK, 1);
        line_start(&line, "cork %zu", lengths[i]);
        line_outcome(&line, TRY(send(fd, payload, lengths[i] / 2, 0)));
        line_outcome(&line, TRY(write(fd, payload, lengths[i] - lengths[i] / 2)));
        line_outcome(&line, TRY(setsockopt(fd, IPPROTO_TCP, TCP_CORK, &(int){0}, sizeof(int))));
        line_print(&line);
        tcp_take(lab, "cork", lengths[i]);
        tcp_turn(lab, fd);
        line_start(&line, "more %zu", lengths[i]);
        line_outcome(&line, TRY(send(fd, payload, lengths[i] / 2, MSG_MORE)));
        line_outcome(&line, TRY(send(fd, payload, lengths[i] - lengths[i] / 2, 0)));
        line_print(&line);
        tcp_take(lab, "more", lengths[i]);
    }
}

/* --- odd flags and names --- */

static void odd(const struct lab *lab, int fd)
{
    static const int flags[] = {MSG_DONTWAIT, MSG_NOSIGNAL, MSG_CONFIRM, MSG_DONTROUTE, MSG_EOR,
                                MSG_PEEK,     MSG_TRUNC,    MSG_WAITALL, MSG_ERRQUEUE,  MSG_PROXY};
    static const socklen_t lengths[] = {0, 3, 16, 28, 128, 129, 200, (socklen_t)-1};
    struct sockaddr_storage to = {.ss_family = AF_INET6};
    struct iovec iov = {.iov_base = payload, .iov_len = 4};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_name = &to};

    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        tcp_turn(lab, fd);
        line_start(&line, "flag %#x", (unsigned)flags[i]);
        line_outcome(&line, TRY(send(fd, payload, 40, flags[i])));
        line_print(&line);
        tcp_take(lab, "flag", 40);
    }
    for (size_t i = 0; i < 2 * sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct outcome outcome;

        tcp_turn(lab, fd);
        msg.msg_namelen = lengths[i / 2];
        outcome = i % 2 == 0
                      ? TRY(sendmsg(fd, &msg, 0))
                      : TRY(sendto(fd, payload, 4, 0, (struct sockaddr *)&to, lengths[i / 2]));
        line_start(&line, "name of %u", lengths[i / 2]);
        line_outcome(&line, outcome);
        line_print(&line);
        tcp_take(lab, "name", outcome.ret > 0 ? (size_t)outcome.ret : 0);
    }
    line_start(&line, "nothing");
    line_outcome(&line, TRY(send(fd, payload, 0, 0)));
    line_outcome(&line, TRY(send(fd, NULL, 0, 0)));
    line_outcome(&line, TRY(write(fd, payload, 0)));
    msg = (struct msghdr){0};
    line_outcome(&line, TRY(sendmsg(fd, &msg, 0)));
    line_ready(&line, fd);
    line_print(&line);
}

/* --- pointers that lead nowhere --- */

static void faults(const struct lab *lab, int fd)
{
    unsigned char *nowhere = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct iovec iov[2] = {{payload, 100}, {nowhere, 100}};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2}, no_vector = {.msg_iovlen = 1};
    struct iovec *volatile no_parts = NULL;

    for (int i = 0; i < 6; i++) {
        struct outcome outcome;

        tcp_turn(lab, fd);
        outcome = i == 0   ? TRY(send(fd, nowhere, 10, 0))
                  : i == 1 ? TRY(write(fd, nowhere, 10))
                  : i == 2 ? TRY(sendmsg(fd, &msg, 0))
                  : i == 3 ? TRY(writev(fd, iov, 2))
                  : i == 4 ? TRY(sendmsg(fd, &no_vector, 0))
                           : TRY(writev(fd, no_parts, 1));
        line_start(&line, "fault %d", i);
        line_outcome(&line, outcome);
        line_print(&line);
        tcp_drain(lab, "fault", 0);
    }
    (void)munmap(nowhere, PAGE);
}

/* --- a buffer that fills --- */

static volatile sig_atomic_t alarms;

static void on_alarm(int signal_number)
{
    (void)signal_number;
    alarms++;
}

/* Again and again: the first may come before there is anything to interrupt. 0: no more. */
static void alarm_each(long us, int flags)
{
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = flags};
    struct itimerval each = {.it_value = {.tv_usec = us}, .it_interval = {.tv_usec = us}};

    (void)sigaction(SIGALRM, &action, NULL);
    (void)setitimer(ITIMER_REAL, &each, NULL);
}

/* How much fits is the kernel's affair and differs: that it is all that was taken does not. */
static size_t fill(int fd, size_t len, int flags, struct outcome *last)
{
    size_t sent = 0;

    for (;;) {
        *last = TRY(send(fd, payload, len, flags));
        if (last->ret < 0) {
            return sent;
        }
        sent += (size_t)last->ret;
    }
}

/* Nor how much went before a signal, and whether there is room again by now. */
static void say_last(const char *name, struct outcome last)
{
    last.ret = last.ret > 0 && last.ret < LARGEST ? 1 : last.ret;
    line_start(&line, "%s", name);
    line_outcome(&line, last);
    line_print(&line);
}

static void full(const struct lab *lab)
{
    struct timeval bound = {.tv_usec = SHORT_US};
    struct outcome last;
    size_t sent;
    int fd = tcp_connect(lab, ACCEPT_PLAIN);

    set_int(fd, SOL_SOCKET, SO_SNDBUF, SMALL_BUFFER);
    tcp_turn(lab, fd);
    sent = fill(fd, 1000, MSG_DONTWAIT, &last);
    say_last("full, MSG_DONTWAIT", last);
    tcp_drain(lab, "full", sent);
    tcp_turn(lab, fd);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &bound, sizeof(bound));
    sent = fill(fd, 7000, 0, &last);
    say_last("full, SO_SNDTIMEO", last);
    tcp_drain(lab, "full", sent);
    bound.tv_usec = 0;
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &bound, sizeof(bound));
    tcp_turn(lab, fd);
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    sent = fill(fd, 100000, 0, &last);
    say_last("full, O_NONBLOCK", last);
    tcp_drain(lab, "full", sent);
    (void)fcntl(fd, F_SETFL, 0);
    /* A signal ends a send that waits: what was sent counts. */
    for (int flags = 0; flags <= SA_RESTART; flags += SA_RESTART) {
        tcp_turn(lab, fd);
        alarm_each(SHORT_US, flags);
        last = TRY(send(fd, payload, LARGEST, 0));
        sent = last.ret > 0 ? (size_t)last.ret : 0;
        say_last("full, interrupted", last);
        alarm_each(SHORT_US, 0);
        last = TRY(send(fd, payload, LARGEST, 0));
        sent += last.ret > 0 ? (size_t)last.ret : 0;
        alarm_each(0, 0);
        say_last("full, interrupted again", last);
        tcp_drain(lab, "full", sent);
    }
    (void)close(fd);
}

/* --- urgent data and copies avoided --- */

static void urgent(const struct lab *lab, int fd)
{
    tcp_turn(lab, fd);
    line_start(&line, "urgent");
    line_outcome(&line, TRY(send(fd, "a", 1, 0)));
    line_outcome(&line, TRY(send(fd, "bc", 2, MSG_OOB)));
    line_outcome(&line, TRY(send(fd, "d", 1, 0)));
    line_print(&line);
    /* The urgent octet itself is not in the stream. */
    tcp_take(lab, "urgent", 3);
}

static void zero_copy(const struct lab *lab)
{
    int fd = tcp_connect(lab, ACCEPT_PLAIN);

    line_start(&line, "zerocopy unset");
    line_outcome(&line, TRY(send(fd, payload, 100, MSG_ZEROCOPY)));
    line_print(&line);
    set_int(fd, SOL_SOCKET, SO_ZEROCOPY, 1);
    for (int i = 0; i < 3; i++) {
        tcp_turn(lab, fd);
        line_start(&line, "zerocopy");
        line_outcome(&line, TRY(send(fd, payload, 1000, MSG_ZEROCOPY)));
        line_print(&line);
        tcp_take(lab, "zerocopy", i == 0 ? 1100 : 1000);
        ours_wait(fd, 0);
        drain_errors("zerocopy", fd);
        tcp_turn(lab, fd);
        line_start(&line, "copy between");
        line_outcome(&line, TRY(send(fd, payload, 1000, 0)));
        line_print(&line);
        tcp_take(lab, "copy between", 1000);
    }
    (void)close(fd);
}

/* --- a peer that is gone --- */

static void gone(const struct lab *lab, enum tcp_end how)
{
    int fd = tcp_connect(lab, ACCEPT_PLAIN);
    struct pollfd ready = {.fd = fd, .events = POLLIN | POLLRDHUP};

    tcp_turn(lab, fd);
    tcp_end(lab, how);
    (void)poll(&ready, 1, WAIT_MS);
    line_start(&line, "gone %d", (int)how);
    line_ready(&line, fd);
    line_print(&line);
    for (int i = 0; i < 3; i++) {
        line_start(&line, "gone %d", (int)how);
        line_outcome(&line, TRY(send(fd, payload, 10, i == 1 ? MSG_NOSIGNAL : 0)));
        line_print(&line);
        /* Its answer, which is a reset where there is one. */
        (void)usleep(SHORT_US);
        line_start(&line, "gone %d", (int)how);
        line_ready(&line, fd);
        line_print(&line);
    }
    (void)close(fd);
}

static void half(const struct lab *lab)
{
    int fd = tcp_connect(lab, ACCEPT_PLAIN);

    tcp_turn(lab, fd);
    line_start(&line, "half");
    line_outcome(&line, TRY(shutdown(fd, SHUT_WR)));
    line_outcome(&line, TRY(send(fd, payload, 10, MSG_NOSIGNAL)));
    line_outcome(&line, TRY(write(fd, payload, 10)));
    line_ready(&line, fd);
    line_print(&line);
    tcp_drain(lab, "half", 0);
    tcp_give(lab, 100, 0, 1);
    ours_wait(fd, POLLIN);
    read_and_print("half", fd, 0);
    (void)close(fd);
}

void cases_tcp_sends(struct lab *lab)
{
    int fd = tcp_connect(lab, ACCEPT_PLAIN);

    sizes(lab, fd, "sizes", 0);
    bulk(lab, fd);
    cork(lab, fd);
    odd(lab, fd);
    urgent(lab, fd);
    faults(lab, fd);
    (void)close(fd);
    zero_copy(lab);
    full(lab);
    half(lab);
    gone(lab, TCP_END_WRITING);
    gone(lab, TCP_END_CLOSE);
    gone(lab, TCP_END_RESET);
}
