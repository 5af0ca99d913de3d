/* SPDX-License-Identifier: BSD-2-Clause */
/* How connections begin, and what becomes of their descriptors: connect() in its ways, accept() in
 * its, copies, other processes, other programs. */
#include "tests/apps/matrix/cases.h"
#include "tests/apps/matrix/tcp.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LEN = 100 };

static struct line line;
static unsigned char buffer[4096];

static void say(const char *name, int fd, struct outcome outcome)
{
    line_start(&line, "%s", name);
    line_outcome(&line, outcome);
    line_ready(&line, fd);
    line_print(&line);
}

/* On its way; whether it has arrived is chance. */
static void begin(const char *name, int fd, const struct sockaddr_in6 *to)
{
    line_start(&line, "%s", name);
    line_outcome(&line, TRY(connect(fd, (const struct sockaddr *)to, sizeof(*to))));
    line_print(&line);
    ours_wait(fd, POLLOUT);
}

static void say_error(const char *name, int fd)
{
    int error = -1;
    socklen_t len = sizeof(error);

    line_start(&line, "%s", name);
    line_outcome(&line, TRY(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len)));
    line_add(&line, " %d", error);
    line_print(&line);
}

/* Request and answer, three times, over FD. */
static void exchange(const struct lab *lab, const char *name, int fd)
{
    for (int i = 0; i < 3; i++) {
        tcp_turn(lab, fd);
        line_start(&line, "%s", name);
        line_outcome(&line, TRY(send(fd, buffer, LEN, MSG_NOSIGNAL)));
        line_print(&line);
        tcp_take(lab, name, LEN);
        tcp_give(lab, LEN, 0, 1);
        tcp_await(fd, LEN);
        read_and_print(name, fd, 0);
    }
}

static void connects(const struct lab *lab)
{
    struct sockaddr_in6 remote = lab_remote(lab, PORT_STREAM),
                        closed = lab_remote(lab, PORT_CLOSED);
    struct sockaddr *to = (struct sockaddr *)&remote;
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    say("unconnected send", fd, TRY(send(fd, buffer, 1, MSG_NOSIGNAL)));
    say("unconnected recv", fd, TRY(recv(fd, buffer, 1, 0)));
    begin("nonblocking", fd, &remote);
    say_error("nonblocking", fd);
    say("nonblocking again", fd, TRY(connect(fd, to, sizeof(remote))));
    say("connected again", fd, TRY(connect(fd, to, sizeof(remote))));
    tcp_accept(lab, ACCEPT_PLAIN);
    (void)fcntl(fd, F_SETFL, 0);
    exchange(lab, "nonblocking", fd);
    (void)close(fd);

    fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    begin("refused", fd, &closed);
    say("refused", fd, TRY(send(fd, buffer, 1, MSG_NOSIGNAL)));
    say_error("refused", fd);
    (void)fcntl(fd, F_SETFL, 0);
    say("refused", fd, TRY(connect(fd, (struct sockaddr *)&closed, sizeof(closed))));
    /* The same socket, to where somebody listens. */
    say("then not", fd, TRY(connect(fd, to, sizeof(remote))));
    tcp_accept(lab, ACCEPT_PLAIN);
    exchange(lab, "then not", fd);
    (void)close(fd);
}

/* The first octets with the SYN, where a cookie is there; without one they follow. */
static void fast_opens(const struct lab *lab)
{
    struct sockaddr_in6 remote = lab_remote(lab, PORT_STREAM);
    struct sockaddr *to = (struct sockaddr *)&remote;
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    line_start(&line, "fast open");
    line_outcome(&line, TRY(sendto(fd, buffer, LEN, MSG_FASTOPEN, to, sizeof(remote))));
    line_print(&line);
    tcp_accept(lab, ACCEPT_PLAIN);
    tcp_take(lab, "fast open", LEN);
    exchange(lab, "fast open", fd);
    (void)close(fd);
    fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    set_int(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1);
    line_start(&line, "fast open by connect");
    line_outcome(&line, TRY(connect(fd, to, sizeof(remote))));
    line_outcome(&line, TRY(write(fd, buffer, LEN)));
    line_print(&line);
    tcp_accept(lab, ACCEPT_PLAIN);
    tcp_take(lab, "fast open by connect", LEN);
    exchange(lab, "fast open by connect", fd);
    (void)close(fd);
}

static void accepts(const struct lab *lab)
{
    for (unsigned how = 0; how < ACCEPT_KINDS; how++) {
        int fd = tcp_connect(lab, how);

        exchange(lab, "accepted", fd);
        (void)close(fd);
    }
}

static void copies(const struct lab *lab)
{
    int fd = tcp_connect(lab, ACCEPT_PLAIN), copy;

    exchange(lab, "original", fd);
    copy = dup(fd);
    exchange(lab, "copy", copy);
    exchange(lab, "original", fd);
    (void)close(fd);
    exchange(lab, "copy alone", copy);
    fd = fcntl(copy, F_DUPFD, 400);
    (void)close(copy);
    exchange(lab, "higher", fd);
    (void)close(fd);
}

/* --- other processes --- */

static void end_child(pid_t child)
{
    int status = -1;

    (void)waitpid(child, &status, 0);
    (void)printf("child %#x\n", (unsigned)status);
    (void)fflush(stdout);
}

static void forks(const struct lab *lab)
{
    int fd = tcp_connect(lab, ACCEPT_PLAIN);
    pid_t child;

    exchange(lab, "parent", fd);
    child = fork();
    if (child == 0) {
        exchange(lab, "child", fd);
        _exit(0);
    }
    end_child(child);
    exchange(lab, "parent", fd);
    tcp_options("parent", fd);
    (void)close(fd);
}

/* Another program, which knows nothing of what was before, has it as its input. */
static void execs(const struct lab *lab)
{
    int fd = tcp_connect(lab, ACCEPT_PLAIN);
    pid_t child;

    exchange(lab, "before", fd);
    tcp_turn_far(lab, fd);
    tcp_give(lab, LEN, 0, 1);
    tcp_await(fd, LEN);
    child = fork();
    if (child == 0) {
        (void)dup2(fd, 0);
        (void)execlp("od", "od", "-An", "-tx1", "-N100", (char *)NULL);
        _exit(127);
    }
    end_child(child);
    exchange(lab, "after", fd);
    (void)close(fd);
}

static int receive_descriptor(int from)
{
    _Alignas(struct cmsghdr) unsigned char control[CMSG_SPACE(sizeof(int))];
    struct iovec iov = {buffer, 1};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control};
    int fd = -1;

    msg.msg_controllen = sizeof(control);
    if (recvmsg(from, &msg, 0) == 1) {
        memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
    }
    return fd;
}

static void send_descriptor(int to, int fd)
{
    _Alignas(struct cmsghdr) unsigned char control[CMSG_SPACE(sizeof(int))];
    struct iovec iov = {buffer, 1};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control};

    put_control(&msg, SOL_SOCKET, SCM_RIGHTS, &fd, sizeof(fd));
    (void)sendmsg(to, &msg, 0);
}

/* Passed on while it lives, to a process that was there before it. */
static void passes(const struct lab *lab)
{
    int ends[2], fd;
    pid_t child;

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) {
        return;
    }
    child = fork();
    if (child == 0) {
        fd = receive_descriptor(ends[1]);
        tcp_options("passed", fd);
        exchange(lab, "passed", fd);
        _exit(0);
    }
    fd = tcp_connect(lab, ACCEPT_PLAIN);
    exchange(lab, "passing", fd);
    send_descriptor(ends[0], fd);
    end_child(child);
    exchange(lab, "passed back", fd);
    (void)close(fd);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

void cases_tcp_ends(struct lab *lab)
{
    connects(lab);
    fast_opens(lab);
    accepts(lab);
    copies(lab);
    forks(lab);
    execs(lab);
    passes(lab);
}
