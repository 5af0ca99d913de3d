/* SPDX-License-Identifier: BSD-2-Clause */
/* Every sending call, on every kind of socket, with every shape of payload. */
#include "tests/apps/matrix/cases.h"

#include <fcntl.h>
#include <netinet/udp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <linux/sockios.h>
#include <unistd.h>

enum {
    MANY = 100,
    HUGE_BATCH = 1500,
    BATCH = 3,
    UDP_PAYLOAD_MAX = 65527,
    TOO_BIG = 70000,
    /* IPv6 and UDP headers; the largest header that any measurement could wish to add. */
    HEADERS = 48,
    SLACK = 44,
};

/* Names of libc's own for the same calls; some programs are bound to these. */
extern ssize_t alias_send(int fd, const void *data, size_t len, int flags) __asm__("__send");
extern ssize_t alias_write(int fd, const void *data, size_t len) __asm__("__write");

struct shot {
    int fd;
    const void *data;
    size_t len;
    int flags;
    struct sockaddr_in6 *to; /* NULL on a connected socket */
};

static struct line line;
static unsigned char payload[DATA_MAX];

static socklen_t to_len(const struct shot *shot)
{
    return shot->to != NULL ? (socklen_t)sizeof(*shot->to) : 0;
}

static void fill_msg(const struct shot *shot, struct msghdr *msg, struct iovec *iov)
{
    *iov = (struct iovec){.iov_base = (void *)(uintptr_t)shot->data, .iov_len = shot->len};
    *msg = (struct msghdr){.msg_name = shot->to, .msg_namelen = to_len(shot), .msg_iov = iov};
    msg->msg_iovlen = 1;
}

static struct outcome by_send(const struct shot *shot)
{
    return TRY(send(shot->fd, shot->data, shot->len, shot->flags));
}

static struct outcome by_alias_send(const struct shot *shot)
{
    return TRY(alias_send(shot->fd, shot->data, shot->len, shot->flags));
}

static struct outcome by_sendto(const struct shot *shot)
{
    return TRY(sendto(shot->fd, shot->data, shot->len, shot->flags, (struct sockaddr *)shot->to,
                      to_len(shot)));
}

static struct outcome by_sendmsg(const struct shot *shot)
{
    struct msghdr msg;
    struct iovec iov;

    fill_msg(shot, &msg, &iov);
    return TRY(sendmsg(shot->fd, &msg, shot->flags));
}

static struct outcome by_sendmmsg(const struct shot *shot)
{
    struct mmsghdr one = {.msg_len = LENGTH_SENTINEL};
    struct iovec iov;
    struct outcome outcome;

    fill_msg(shot, &one.msg_hdr, &iov);
    outcome = TRY(sendmmsg(shot->fd, &one, 1, shot->flags));
    line_add(&line, " msg_len=%u", one.msg_len);
    return outcome;
}

static struct outcome by_write(const struct shot *shot)
{
    return TRY(write(shot->fd, shot->data, shot->len));
}

static struct outcome by_alias_write(const struct shot *shot)
{
    return TRY(alias_write(shot->fd, shot->data, shot->len));
}

static struct outcome by_writev(const struct shot *shot)
{
    struct iovec iov[2] = {
        {.iov_base = (void *)(uintptr_t)shot->data, .iov_len = shot->len / 2},
        {.iov_base = (unsigned char *)(uintptr_t)shot->data + shot->len / 2,
         .iov_len = shot->len - shot->len / 2},
    };

    return TRY(writev(shot->fd, iov, 2));
}

static struct outcome by_pwritev2(const struct shot *shot)
{
    struct iovec iov = {.iov_base = (void *)(uintptr_t)shot->data, .iov_len = shot->len};

    return TRY(pwritev2(shot->fd, &iov, 1, -1, 0));
}

static struct outcome by_syscall(const struct shot *shot)
{
    return TRY(
        syscall(SYS_sendto, shot->fd, shot->data, shot->len, shot->flags, shot->to, to_len(shot)));
}

static struct outcome by_sendfile(const struct shot *shot)
{
    int file = memfd_create("payload", MFD_CLOEXEC);
    off_t from = 0;
    struct outcome outcome = {-1, 0};

    if (file >= 0 && write(file, shot->data, shot->len) == (ssize_t)shot->len) {
        outcome = TRY(sendfile(shot->fd, file, &from, shot->len));
    }
    (void)close(file);
    return outcome;
}

static struct outcome by_splice(const struct shot *shot)
{
    int pipe_fds[2];
    struct outcome outcome = {-1, 0};

    if (pipe2(pipe_fds, O_CLOEXEC) != 0) {
        return outcome;
    }
    if (write(pipe_fds[1], shot->data, shot->len) == (ssize_t)shot->len) {
        outcome = TRY(splice(pipe_fds[0], NULL, shot->fd, NULL, shot->len, SPLICE_F_NONBLOCK));
    }
    (void)close(pipe_fds[0]);
    (void)close(pipe_fds[1]);
    return outcome;
}

static struct outcome by_dprintf(const struct shot *shot)
{
    return TRY(dprintf(shot->fd, "%.*s", (int)shot->len, "printed to the socket"));
}

enum { SEND, ALIAS_SEND, SENDTO, SENDMSG, SENDMMSG, WRITE, ALIAS_WRITE, WRITEV };

static const struct send_call {
    const char *name;
    struct outcome (*call)(const struct shot *shot);
} calls[] = {
    [SEND] = {"send", by_send},
    [ALIAS_SEND] = {"__send", by_alias_send},
    [SENDTO] = {"sendto", by_sendto},
    [SENDMSG] = {"sendmsg", by_sendmsg},
    [SENDMMSG] = {"sendmmsg", by_sendmmsg},
    [WRITE] = {"write", by_write},
    [ALIAS_WRITE] = {"__write", by_alias_write},
    [WRITEV] = {"writev", by_writev},
    {"pwritev2", by_pwritev2},
    {"syscall", by_syscall},
    {"sendfile", by_sendfile},
    {"splice", by_splice},
    {"dprintf", by_dprintf},
};

static void fire(struct lab *lab, const char *name, const struct send_call *call,
                 const struct shot *shot, unsigned at)
{
    char full[128];
    struct outcome outcome;

    (void)snprintf(full, sizeof(full), "%s %s len=%zu flags=%#x", name, call->name, shot->len,
                   (unsigned)shot->flags);
    line_start(&line, "%s", full);
    outcome = call->call(shot);
    line_outcome(&line, outcome);
    line_ready(&line, shot->fd);
    line_print(&line);
    peer_report(lab, full, at);
}

void cases_sends(struct lab *lab)
{
    static const size_t sizes[] = {0, 1, 64, 1200, 8000};

    for (enum kind kind = LOOSE_ANY; kind < KINDS; kind++) {
        for (unsigned at = PORT_ALL; at <= PORT_BARE; at++) {
            struct sockaddr_in6 to = lab_remote(lab, at);
            int fd = ours_open(lab, kind, at);

            for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
                struct shot shot = {.fd = fd, .data = payload};

                for (size_t j = 0; j < sizeof(sizes) / sizeof(sizes[0]); j++) {
                    shot.len = sizes[j];
                    shot.to = kind_is_tied(kind) ? NULL : &to;
                    payload_fill(payload, shot.len, (unsigned)i);
                    fire(lab, kind_names[kind], &calls[i], &shot, at);
                }
                /* An address given although there is a connection, and none given without. */
                shot.len = 33;
                shot.to = kind_is_tied(kind) ? &to : NULL;
                fire(lab, kind_names[kind], &calls[i], &shot, at);
            }
            (void)close(fd);
        }
    }
}

/* ------------------------------------------------------------------ odd vectors */

static void fire_vector(struct lab *lab, const char *name, int fd, struct iovec *iov, size_t n)
{
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = n};

    line_start(&line, "sendmsg %s", name);
    line_outcome(&line, TRY(sendmsg(fd, &msg, 0)));
    line_print(&line);
    peer_report(lab, name, PORT_ALL);
    line_start(&line, "writev %s", name);
    line_outcome(&line, TRY(writev(fd, iov, (int)n)));
    line_print(&line);
    peer_report(lab, name, PORT_ALL);
}

static void odd_vectors(struct lab *lab)
{
    static struct iovec iov[UIO_MAXIOV + 1];
    volatile int minus_one = -1; /* the compiler would warn of the constant */
    int fd = ours_open(lab, TIED_BOUND, PORT_ALL);

    payload_fill(payload, sizeof(payload), 1);
    for (size_t i = 0; i <= UIO_MAXIOV; i++) {
        iov[i] = (struct iovec){.iov_base = payload + i, .iov_len = 1};
    }
    fire_vector(lab, "octets-0", fd, iov, 0);
    fire_vector(lab, "octets-1", fd, iov, 1);
    fire_vector(lab, "octets-100", fd, iov, MANY);
    fire_vector(lab, "octets-1024", fd, iov, UIO_MAXIOV);
    fire_vector(lab, "octets-1025", fd, iov, UIO_MAXIOV + 1);
    fire_vector(lab, "no-vector-0", fd, NULL, 0);
    for (size_t i = 0; i < UIO_MAXIOV; i += 2) {
        iov[i] = (struct iovec){.iov_base = NULL, .iov_len = 0};
    }
    fire_vector(lab, "half-empty", fd, iov, MANY);
    fire_vector(lab, "one-empty", fd, iov, 1);
    iov[0] = (struct iovec){.iov_base = payload, .iov_len = SIZE_MAX};
    fire_vector(lab, "endless", fd, iov, 1);
    line_start(&line, "writev negative count");
    line_outcome(&line, TRY(writev(fd, iov, minus_one)));
    line_print(&line);
    (void)close(fd);
}

/* ---------------------------------------------------------------------- batches */

static void fire_batch(struct lab *lab, const char *name, int fd, struct mmsghdr *batch, unsigned n)
{
    struct outcome outcome = TRY(sendmmsg(fd, batch, n, 0));

    line_start(&line, "sendmmsg %s", name);
    line_outcome(&line, outcome);
    for (unsigned i = 0; i < n && i < BATCH; i++) {
        line_add(&line, " %u", batch[i].msg_len);
    }
    line_ready(&line, fd);
    line_print(&line);
    peer_report(lab, name, PORT_ALL);
}

static void set_batch(struct mmsghdr *batch, struct iovec *iov, const size_t *sizes)
{
    for (size_t i = 0; i < BATCH; i++) {
        iov[i] = (struct iovec){.iov_base = payload + i, .iov_len = sizes[i]};
        batch[i] = (struct mmsghdr){.msg_len = LENGTH_SENTINEL};
        batch[i].msg_hdr.msg_iov = &iov[i];
        batch[i].msg_hdr.msg_iovlen = 1;
        batch[i].msg_hdr.msg_flags = FLAGS_SENTINEL;
    }
}

static void batches(struct lab *lab)
{
    static struct mmsghdr huge[HUGE_BATCH];
    struct sockaddr_in6 other = lab_remote(lab, PORT_BARE);
    struct sockaddr_in6 sink = lab_local(lab, PORT_SINK);
    struct mmsghdr batch[BATCH];
    struct iovec iov[BATCH];
    int fd = ours_open(lab, TIED_BOUND, PORT_ALL);
    int drop = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    set_batch(batch, iov, (const size_t[]){10, 0, 30});
    fire_batch(lab, "three", fd, batch, BATCH);
    set_batch(batch, iov, (const size_t[]){10, 20, 30});
    fire_batch(lab, "none", fd, batch, 0);
    set_batch(batch, iov, (const size_t[]){10, 20, TOO_BIG});
    fire_batch(lab, "last too big", fd, batch, BATCH);
    set_batch(batch, iov, (const size_t[]){10, TOO_BIG, 30});
    fire_batch(lab, "second too big", fd, batch, BATCH);
    set_batch(batch, iov, (const size_t[]){TOO_BIG, 10, 30});
    fire_batch(lab, "first too big", fd, batch, BATCH);
    set_batch(batch, iov, (const size_t[]){10, 20, 30});
    batch[1].msg_hdr.msg_name = &other;
    batch[1].msg_hdr.msg_namelen = sizeof(other);
    fire_batch(lab, "second elsewhere", fd, batch, BATCH);
    peer_report(lab, "second elsewhere", PORT_BARE);
    batch[1].msg_hdr.msg_namelen = 3;
    fire_batch(lab, "second with a short name", fd, batch, BATCH);

    /* More than UIO_MAXIOV messages: the kernel takes the first 1024. They go to a socket that
     * nobody reads, so that no loss shows. */
    if (bind(drop, (struct sockaddr *)&sink, sizeof(sink)) == 0) {
        for (size_t i = 0; i < HUGE_BATCH; i++) {
            huge[i] = (struct mmsghdr){.msg_len = LENGTH_SENTINEL};
            huge[i].msg_hdr.msg_name = &sink;
            huge[i].msg_hdr.msg_namelen = sizeof(sink);
        }
        line_start(&line, "sendmmsg huge");
        line_outcome(&line, TRY(sendmmsg(fd, huge, HUGE_BATCH, 0)));
        line_add(&line, " %u %u", huge[UIO_MAXIOV - 1].msg_len, huge[UIO_MAXIOV].msg_len);
        line_print(&line);
    }
    (void)close(drop);
    (void)close(fd);
}

/* ------------------------------------------------------------ flags, cork, sizes */

static void odd_flags(struct lab *lab)
{
    static const int flags[] = {MSG_DONTWAIT, MSG_NOSIGNAL, MSG_CONFIRM, MSG_DONTROUTE,
                                MSG_EOR,      MSG_OOB,      MSG_PEEK,    MSG_TRUNC,
                                MSG_ERRQUEUE, MSG_ZEROCOPY, MSG_PROXY,   MSG_FASTOPEN};
    struct sockaddr_in6 to = lab_remote(lab, PORT_ALL);

    for (enum kind kind = LOOSE_BOUND; kind < KINDS; kind += 2) {
        int fd = ours_open(lab, kind, PORT_ALL);
        struct shot shot = {.fd = fd, .data = payload, .len = 40};

        shot.to = kind_is_tied(kind) ? NULL : &to;
        for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
            shot.flags = flags[i];
            fire(lab, kind_names[kind], &calls[SENDTO], &shot, PORT_ALL);
            fire(lab, kind_names[kind], &calls[SENDMSG], &shot, PORT_ALL);
        }
        (void)close(fd);
    }
}

static void corked(struct lab *lab)
{
    struct sockaddr_in6 to = lab_remote(lab, PORT_ALL);
    struct sockaddr_in6 other = lab_remote(lab, PORT_BARE);

    for (enum kind kind = LOOSE_BOUND; kind < KINDS; kind += 2) {
        int fd = ours_open(lab, kind, PORT_ALL);
        struct shot shot = {.fd = fd, .data = payload, .len = 10};

        shot.to = kind_is_tied(kind) ? NULL : &to;
        for (size_t i = SENDTO; i <= SENDMMSG; i++) {
            shot.flags = MSG_MORE;
            fire(lab, "more", &calls[i], &shot, PORT_ALL);
            fire(lab, "more", &calls[i], &shot, PORT_ALL);
            shot.flags = 0;
            fire(lab, "more-end", &calls[i], &shot, PORT_ALL);
        }
        /* What is pending goes to the first address, whatever the later ones say. */
        shot.flags = MSG_MORE;
        fire(lab, "more", &calls[SENDTO], &shot, PORT_ALL);
        shot.to = &other;
        shot.flags = 0;
        fire(lab, "more-elsewhere", &calls[SENDTO], &shot, PORT_ALL);
        peer_report(lab, "more-elsewhere", PORT_BARE);
        shot.to = kind_is_tied(kind) ? NULL : &to;

        set_int(fd, SOL_UDP, UDP_CORK, 1);
        for (size_t i = SENDTO; i <= SENDMMSG; i++) {
            fire(lab, "cork", &calls[i], &shot, PORT_ALL);
        }
        if (kind_is_tied(kind)) {
            fire(lab, "cork", &calls[WRITE], &shot, PORT_ALL);
            fire(lab, "cork", &calls[WRITEV], &shot, PORT_ALL);
        }
        set_int(fd, SOL_UDP, UDP_CORK, 0);
        peer_report(lab, "uncork", PORT_ALL);
        /* Too much in one datagram, then the socket is as new. */
        shot.flags = MSG_MORE;
        shot.len = 40000;
        fire(lab, "more", &calls[SENDTO], &shot, PORT_ALL);
        fire(lab, "more", &calls[SENDTO], &shot, PORT_ALL);
        shot.flags = 0;
        shot.len = 12;
        fire(lab, "more-end", &calls[SENDTO], &shot, PORT_ALL);
        /* Closed with something pending: it is lost. */
        shot.flags = MSG_MORE;
        fire(lab, "more", &calls[SENDTO], &shot, PORT_ALL);
        (void)close(fd);
        peer_report(lab, "closed corked", PORT_ALL);
    }
}

static void largest(struct lab *lab)
{
    static const size_t sizes[] = {UDP_PAYLOAD_MAX - 40, UDP_PAYLOAD_MAX - 39, UDP_PAYLOAD_MAX - 1,
                                   UDP_PAYLOAD_MAX,      UDP_PAYLOAD_MAX + 1,  TOO_BIG};
    int fd = ours_open(lab, TIED_BOUND, PORT_ALL);

    set_int(fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct shot shot = {.fd = fd, .data = payload, .len = sizes[i]};

        payload_fill(payload, shot.len, (unsigned)i);
        fire(lab, "largest", &calls[SEND], &shot, PORT_ALL);
        fire(lab, "largest", &calls[SENDMSG], &shot, PORT_ALL);
        drain_errors("largest", fd);
    }
    (void)close(fd);
}

/* Around the size that fills one packet of the path: with fragments forbidden, what fits bare must
 * go, what does not must fail once, and the error queue must hold the kernel's own word on it. */
static void just_fitting(struct lab *lab, const char *name, int option, int value)
{
    int fd = ours_open(lab, TIED_BOUND, PORT_ALL);
    socklen_t len = sizeof(int);
    int mtu = 0;
    size_t full;

    (void)getsockopt(fd, IPPROTO_IPV6, IPV6_MTU, &mtu, &len);
    if (mtu < HEADERS + SLACK || mtu > UDP_PAYLOAD_MAX) {
        mtu = UDP_PAYLOAD_MAX;
    }
    full = (size_t)mtu - HEADERS;
    set_int(fd, IPPROTO_IPV6, option, value);
    set_int(fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
    set_int(fd, IPPROTO_IPV6, IPV6_RECVPATHMTU, 1);
    for (size_t size = full - SLACK; size <= full + 2; size++) {
        struct shot shot = {.fd = fd, .data = payload, .len = size};

        payload_fill(payload, size, (unsigned)size);
        fire(lab, name, &calls[size % 2 == 0 ? SEND : SENDMSG], &shot, PORT_ALL);
        drain_errors(name, fd);
        read_and_print(name, fd, MSG_DONTWAIT);
    }
    (void)close(fd);
}

static void queues(struct lab *lab)
{
    int fd = ours_open(lab, TIED_BOUND, PORT_ALL);
    struct shot shot = {.fd = fd, .data = payload, .len = 100};
    int pending = LENGTH_SENTINEL;
    struct outcome outcome;

    fire(lab, "queue", &calls[SEND], &shot, PORT_ALL);
    outcome = TRY(ioctl(fd, SIOCOUTQ, &pending));
    line_start(&line, "SIOCOUTQ");
    line_outcome(&line, outcome);
    line_add(&line, " %d", pending);
    line_print(&line);
    (void)close(fd);
}

void cases_send_sizes(struct lab *lab)
{
    odd_vectors(lab);
    batches(lab);
    odd_flags(lab);
    corked(lab);
    largest(lab);
    just_fitting(lab, "dontfrag", IPV6_DONTFRAG, 1);
    just_fitting(lab, "pmtu-do", IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO);
    just_fitting(lab, "pmtu-probe", IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
    queues(lab);
}
