/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses: bind, connect, connect elsewhere, disconnect, and what the socket says of itself. */
#include "tests/apps/matrix/cases.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct line line;

static void say_names(const char *when, int fd)
{
    struct sockaddr_storage name;
    socklen_t len = sizeof(name);
    struct outcome outcome = TRY(getsockname(fd, (struct sockaddr *)&name, &len));

    line_start(&line, "%s sockname", when);
    line_outcome(&line, outcome);
    if (outcome.ret == 0) {
        line_name(&line, &name, sizeof(name), len);
    }
    len = sizeof(name);
    outcome = TRY(getpeername(fd, (struct sockaddr *)&name, &len));
    line_add(&line, " peername");
    line_outcome(&line, outcome);
    if (outcome.ret == 0) {
        line_name(&line, &name, sizeof(name), len);
    }
    line_ready(&line, fd);
    line_print(&line);
}

static void join(const char *what, int fd, const void *name, socklen_t len)
{
    line_start(&line, "%s", what);
    line_outcome(&line, TRY(connect(fd, name, len)));
    line_print(&line);
    say_names(what, fd);
}

static void both_ways(struct lab *lab, int fd, unsigned at)
{
    struct sockaddr_in6 to = lab_remote(lab, at);

    line_start(&line, "send");
    line_outcome(&line, TRY(send(fd, "there", 5, MSG_NOSIGNAL)));
    line_print(&line);
    peer_report(lab, "send", at);
    line_start(&line, "sendto");
    line_outcome(&line, TRY(sendto(fd, "there", 5, 0, (struct sockaddr *)&to, sizeof(to))));
    line_print(&line);
    peer_report(lab, "sendto", at);
    for (unsigned from = PORT_ALL; from <= PORT_BARE; from++) {
        peer_send(lab, from, PORT_OURS, 10 + from, WITH_DSTOPTS, 1);
        read_and_print("back", fd, MSG_DONTWAIT);
    }
}

static void wander(struct lab *lab, bool specific)
{
    struct sockaddr_in6 all = lab_remote(lab, PORT_ALL);
    struct sockaddr_in6 bare = lab_remote(lab, PORT_BARE);
    struct sockaddr_in6 ours = lab_local(lab, PORT_OURS);
    struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    struct sockaddr_storage full_nowhere = {.ss_family = AF_UNSPEC};
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    say_names("fresh", fd);
    if (!specific) {
        ours.sin6_addr = in6addr_any;
    }
    line_start(&line, "bind");
    line_outcome(&line, TRY(bind(fd, (struct sockaddr *)&ours, sizeof(ours))));
    line_print(&line);
    say_names("bound", fd);
    both_ways(lab, fd, PORT_ALL);
    join("to the one", fd, &all, sizeof(all));
    both_ways(lab, fd, PORT_ALL);
    join("to the other", fd, &bare, sizeof(bare));
    both_ways(lab, fd, PORT_BARE);
    both_ways(lab, fd, PORT_ALL);
    join("nowhere", fd, &nowhere, sizeof(nowhere));
    both_ways(lab, fd, PORT_ALL);
    join("back to the one", fd, &all, sizeof(all));
    both_ways(lab, fd, PORT_ALL);
    join("nowhere again", fd, &full_nowhere, sizeof(full_nowhere));
    join("short name", fd, &all, 4);
    join("too short", fd, &all, 1);
    join("no name", fd, NULL, 0);
    all.sin6_family = AF_UNIX;
    join("wrong family", fd, &all, sizeof(all));
    both_ways(lab, fd, PORT_BARE);
    (void)close(fd);
}

/* A datagram that was waiting when the socket was connected elsewhere is still delivered. */
static void waiting(struct lab *lab)
{
    struct sockaddr_in6 bare = lab_remote(lab, PORT_BARE);
    int fd = ours_open(lab, LOOSE_BOUND, PORT_ALL);

    peer_send(lab, PORT_ALL, PORT_OURS, 33, WITH_DSTOPTS, 2);
    ours_wait(fd, POLLIN);
    join("with two waiting", fd, &bare, sizeof(bare));
    for (int i = 0; i < 3; i++) {
        read_and_print("waiting", fd, MSG_DONTWAIT);
    }
    (void)close(fd);
}

/* A name that the kernel picks: connected without bind, sent from without bind. */
static void picked(struct lab *lab)
{
    struct sockaddr_in6 all = lab_remote(lab, PORT_ALL);
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    line_start(&line, "sendto unbound");
    line_outcome(&line, TRY(sendto(fd, "picked", 6, 0, (struct sockaddr *)&all, sizeof(all))));
    line_print(&line);
    say_names("picked by send", fd);
    peer_report(lab, "picked", PORT_ALL);
    (void)close(fd);
    fd = socket(AF_INET6, SOCK_DGRAM, 0);
    join("connect unbound", fd, &all, sizeof(all));
    line_start(&line, "write unbound");
    line_outcome(&line, TRY(write(fd, "picked", 6)));
    line_print(&line);
    peer_report(lab, "picked", PORT_ALL);
    line_start(&line, "flags %#x %#x", (unsigned)fcntl(fd, F_GETFL), (unsigned)fcntl(fd, F_GETFD));
    line_print(&line);
    (void)close(fd);
}

static void shut(struct lab *lab)
{
    static const int ways[] = {SHUT_RD, SHUT_WR, SHUT_RDWR, 9};

    for (enum kind kind = LOOSE_BOUND; kind < KINDS; kind += 2) {
        for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
            int fd = ours_open(lab, kind, PORT_ALL);

            peer_send(lab, PORT_ALL, PORT_OURS, 12, WITH_DSTOPTS, 1);
            line_start(&line, "shutdown %d of %s", ways[i], kind_names[kind]);
            line_outcome(&line, TRY(shutdown(fd, ways[i])));
            line_ready(&line, fd);
            line_print(&line);
            read_and_print("shut", fd, MSG_DONTWAIT);
            read_and_print("shut", fd, MSG_DONTWAIT);
            both_ways(lab, fd, PORT_ALL);
            (void)close(fd);
        }
    }
}

void cases_names(struct lab *lab)
{
    wander(lab, false);
    wander(lab, true);
    waiting(lab);
    picked(lab);
    shut(lab);
}
