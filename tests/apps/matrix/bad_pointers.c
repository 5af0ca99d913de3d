/* SPDX-License-Identifier: BSD-2-Clause */
/* Pointers that lead nowhere. libc hands them to the kernel unread, which answers EFAULT; whoever
 * stands between must not crash instead. Each case runs in a child of its own. */
#include "tests/apps/matrix/cases.h"

#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LEN = 16 };

/* Pages without access: volatile, so that no compiler reasons about them. */
static unsigned char *volatile nowhere;

static struct line line;

struct trial {
    int fd;
    struct sockaddr_in6 to;
    struct iovec iov;
    struct msghdr msg;
    struct mmsghdr batch[2];
    socklen_t len;
    unsigned char data[LEN];
};

static struct outcome bad_send(struct trial *t)
{
    return TRY(send(t->fd, nowhere, LEN, 0));
}

static struct outcome bad_send_nothing(struct trial *t)
{
    return TRY(send(t->fd, nowhere, 0, 0));
}

static struct outcome bad_sendto_data(struct trial *t)
{
    return TRY(sendto(t->fd, nowhere, LEN, 0, (struct sockaddr *)&t->to, sizeof(t->to)));
}

static struct outcome bad_sendto_name(struct trial *t)
{
    return TRY(sendto(t->fd, t->data, LEN, 0, (void *)nowhere, sizeof(t->to)));
}

static struct outcome bad_write(struct trial *t)
{
    return TRY(write(t->fd, nowhere, LEN));
}

static struct outcome bad_writev(struct trial *t)
{
    return TRY(writev(t->fd, (void *)nowhere, 2));
}

static struct outcome bad_writev_data(struct trial *t)
{
    const struct iovec *volatile iov = &t->iov;

    t->iov.iov_base = nowhere;
    return TRY(writev(t->fd, iov, 1));
}

static struct outcome bad_sendmsg(struct trial *t)
{
    return TRY(sendmsg(t->fd, (void *)nowhere, 0));
}

static struct outcome bad_sendmsg_vector(struct trial *t)
{
    t->msg.msg_iov = (void *)nowhere;
    return TRY(sendmsg(t->fd, &t->msg, 0));
}

static struct outcome bad_sendmsg_data(struct trial *t)
{
    t->iov.iov_base = nowhere;
    return TRY(sendmsg(t->fd, &t->msg, 0));
}

static struct outcome bad_sendmsg_name(struct trial *t)
{
    t->msg.msg_name = nowhere;
    return TRY(sendmsg(t->fd, &t->msg, 0));
}

static struct outcome bad_sendmsg_control(struct trial *t)
{
    t->msg.msg_control = nowhere;
    t->msg.msg_controllen = CMSG_SPACE(sizeof(int));
    return TRY(sendmsg(t->fd, &t->msg, 0));
}

static struct outcome bad_sendmsg_null_control(struct trial *t)
{
    t->msg.msg_controllen = CMSG_SPACE(sizeof(int));
    return TRY(sendmsg(t->fd, &t->msg, 0));
}

static struct outcome bad_sendmmsg(struct trial *t)
{
    return TRY(sendmmsg(t->fd, (void *)nowhere, 2, 0));
}

static struct outcome bad_sendmmsg_second(struct trial *t)
{
    t->batch[1].msg_hdr.msg_iov = (void *)nowhere;
    return TRY(sendmmsg(t->fd, t->batch, 2, 0));
}

static struct outcome bad_recv(struct trial *t)
{
    return TRY(recv(t->fd, nowhere, LEN, 0));
}

static struct outcome bad_recv_nothing(struct trial *t)
{
    return TRY(recv(t->fd, nowhere, 0, 0));
}

static struct outcome bad_recvfrom_name(struct trial *t)
{
    return TRY(recvfrom(t->fd, t->data, LEN, 0, (void *)nowhere, &t->len));
}

static struct outcome bad_recvfrom_len(struct trial *t)
{
    return TRY(recvfrom(t->fd, t->data, LEN, 0, (struct sockaddr *)&t->to, (void *)nowhere));
}

static struct outcome bad_recvfrom_null_len(struct trial *t)
{
    return TRY(recvfrom(t->fd, t->data, LEN, 0, (struct sockaddr *)&t->to, NULL));
}

static struct outcome negative_recvfrom_len(struct trial *t)
{
    t->len = (socklen_t)-1;
    return TRY(recvfrom(t->fd, t->data, LEN, 0, (struct sockaddr *)&t->to, &t->len));
}

static struct outcome bad_read(struct trial *t)
{
    return TRY(read(t->fd, nowhere, LEN));
}

static struct outcome bad_readv(struct trial *t)
{
    return TRY(readv(t->fd, (void *)nowhere, 2));
}

static struct outcome bad_recvmsg(struct trial *t)
{
    return TRY(recvmsg(t->fd, (void *)nowhere, 0));
}

static struct outcome bad_recvmsg_vector(struct trial *t)
{
    t->msg.msg_iov = (void *)nowhere;
    return TRY(recvmsg(t->fd, &t->msg, 0));
}

static struct outcome bad_recvmsg_data(struct trial *t)
{
    t->iov.iov_base = nowhere;
    return TRY(recvmsg(t->fd, &t->msg, 0));
}

static struct outcome bad_recvmsg_name(struct trial *t)
{
    t->msg.msg_name = nowhere;
    t->msg.msg_namelen = sizeof(t->to);
    return TRY(recvmsg(t->fd, &t->msg, 0));
}

static struct outcome bad_recvmsg_control(struct trial *t)
{
    struct outcome outcome;

    t->msg.msg_control = nowhere;
    t->msg.msg_controllen = CMSG_SPACE(sizeof(struct in6_pktinfo));
    outcome = TRY(recvmsg(t->fd, &t->msg, 0));
    line_add(&line, " control=%zu", (size_t)t->msg.msg_controllen);
    line_flags(&line, t->msg.msg_flags);
    return outcome;
}

static struct outcome bad_recvmsg_unused_control(struct trial *t)
{
    struct outcome outcome;

    t->msg.msg_control = nowhere;
    t->msg.msg_controllen = CMSG_SPACE(sizeof(struct in6_pktinfo));
    outcome = TRY(recvmsg(t->fd, &t->msg, 0));
    line_add(&line, " control=%zu", (size_t)t->msg.msg_controllen);
    line_flags(&line, t->msg.msg_flags);
    return outcome;
}

static struct outcome bad_recvmmsg(struct trial *t)
{
    return TRY(recvmmsg(t->fd, (void *)nowhere, 2, MSG_DONTWAIT, NULL));
}

static struct outcome bad_recvmmsg_timeout(struct trial *t)
{
    return TRY(recvmmsg(t->fd, t->batch, 2, MSG_DONTWAIT, (void *)nowhere));
}

static struct outcome bad_recvmmsg_second(struct trial *t)
{
    t->batch[1].msg_hdr.msg_iov = (void *)nowhere;
    return TRY(recvmmsg(t->fd, t->batch, 2, MSG_DONTWAIT, NULL));
}

static struct outcome bad_setsockopt(struct trial *t)
{
    return TRY(setsockopt(t->fd, IPPROTO_IPV6, IPV6_RECVDSTOPTS, nowhere, sizeof(int)));
}

static struct outcome bad_setsockopt_sticky(struct trial *t)
{
    return TRY(setsockopt(t->fd, IPPROTO_IPV6, IPV6_DSTOPTS, nowhere, 8));
}

static struct outcome bad_setsockopt_stamp(struct trial *t)
{
    return TRY(setsockopt(t->fd, SOL_SOCKET, SO_TIMESTAMPNS, nowhere, sizeof(int)));
}

static struct outcome bad_getsockopt(struct trial *t)
{
    t->len = sizeof(int);
    return TRY(getsockopt(t->fd, IPPROTO_IPV6, IPV6_RECVDSTOPTS, nowhere, &t->len));
}

static struct outcome bad_getsockopt_stamp(struct trial *t)
{
    t->len = sizeof(int);
    return TRY(getsockopt(t->fd, SOL_SOCKET, SO_TIMESTAMPNS, nowhere, &t->len));
}

static struct outcome bad_getsockopt_len(struct trial *t)
{
    return TRY(getsockopt(t->fd, SOL_SOCKET, SO_TIMESTAMPNS, t->data, (void *)nowhere));
}

static struct outcome bad_connect(struct trial *t)
{
    return TRY(connect(t->fd, (void *)nowhere, sizeof(t->to)));
}

static const struct {
    const char *name;
    struct outcome (*call)(struct trial *t);
} trials[] = {
    {"send", bad_send},
    {"send nothing", bad_send_nothing},
    {"sendto data", bad_sendto_data},
    {"sendto name", bad_sendto_name},
    {"write", bad_write},
    {"writev", bad_writev},
    {"writev data", bad_writev_data},
    {"sendmsg", bad_sendmsg},
    {"sendmsg vector", bad_sendmsg_vector},
    {"sendmsg data", bad_sendmsg_data},
    {"sendmsg name", bad_sendmsg_name},
    {"sendmsg control", bad_sendmsg_control},
    {"sendmsg null control", bad_sendmsg_null_control},
    {"sendmmsg", bad_sendmmsg},
    {"sendmmsg second", bad_sendmmsg_second},
    {"recv", bad_recv},
    {"recv nothing", bad_recv_nothing},
    {"recvfrom name", bad_recvfrom_name},
    {"recvfrom len", bad_recvfrom_len},
    {"recvfrom null len", bad_recvfrom_null_len},
    {"recvfrom negative len", negative_recvfrom_len},
    {"read", bad_read},
    {"readv", bad_readv},
    {"recvmsg", bad_recvmsg},
    {"recvmsg vector", bad_recvmsg_vector},
    {"recvmsg data", bad_recvmsg_data},
    {"recvmsg name", bad_recvmsg_name},
    {"recvmsg control", bad_recvmsg_control},
    {"recvmsg unused control", bad_recvmsg_unused_control},
    {"recvmmsg", bad_recvmmsg},
    {"recvmmsg timeout", bad_recvmmsg_timeout},
    {"recvmmsg second", bad_recvmmsg_second},
    {"setsockopt", bad_setsockopt},
    {"setsockopt sticky", bad_setsockopt_sticky},
    {"setsockopt stamp", bad_setsockopt_stamp},
    {"getsockopt", bad_getsockopt},
    {"getsockopt stamp", bad_getsockopt_stamp},
    {"getsockopt len", bad_getsockopt_len},
    {"connect", bad_connect},
};

static void try_in_child(const char *name, struct outcome (*call)(struct trial *t),
                         struct trial *trial)
{
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        line_start(&line, "bad pointer: %s", name);
        line_outcome(&line, call(trial));
        line_ready(&line, trial->fd);
        line_print(&line);
        _exit(EXIT_SUCCESS);
    }
    if (child > 0 && waitpid(child, &status, 0) == child && status != 0) {
        line_start(&line, "bad pointer: %s died, signal %d", name,
                   WIFSIGNALED(status) ? WTERMSIG(status) : 0);
        line_print(&line);
    }
}

static void try_all(struct lab *lab, const unsigned char *page)
{
    nowhere = (unsigned char *)(uintptr_t)page;
    for (size_t i = 0; i < sizeof(trials) / sizeof(trials[0]); i++) {
        struct trial trial = {.fd = ours_open(lab, TIED_BOUND, PORT_ALL)};

        trial.to = lab_remote(lab, PORT_ALL);
        trial.len = sizeof(trial.to);
        trial.iov = (struct iovec){.iov_base = trial.data, .iov_len = LEN};
        trial.msg.msg_iov = &trial.iov;
        trial.msg.msg_iovlen = 1;
        trial.batch[0].msg_hdr = trial.msg;
        trial.batch[1].msg_hdr = trial.msg;
        if (trials[i].call == bad_recvmsg_control) {
            set_int(trial.fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
        }
        /* Something is always there to be read: a call must not wait. */
        peer_send(lab, PORT_ALL, PORT_OURS, LEN, WITH_DSTOPTS, 2);
        ours_wait(trial.fd, POLLIN);
        try_in_child(trials[i].name, trials[i].call, &trial);
        read_and_print("left", trial.fd, MSG_DONTWAIT);
        peer_report(lab, trials[i].name, PORT_ALL);
        (void)close(trial.fd);
    }
}

void cases_bad_pointers(struct lab *lab)
{
    try_all(lab, NULL);
}

void cases_wild_pointers(struct lab *lab)
{
    long size = sysconf(_SC_PAGESIZE);
    unsigned char *page = mmap(NULL, (size_t)size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (page != MAP_FAILED) {
        try_all(lab, page);
        (void)munmap(page, (size_t)size);
    }
}
