/* SPDX-License-Identifier: BSD-2-Clause */
/* Socket options of a connection as the program finds them, before and after traffic, at both ends
 * and on a listener; and those that it sets itself. */
#include "tests/apps/matrix/cases.h"
#include "tests/apps/matrix/tcp.h"

#include <linux/net_tstamp.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LEN = 200 };

static struct line line;
static unsigned char buffer[4096];

static void exchange(const struct lab *lab, int fd)
{
    for (int i = 0; i < 3; i++) {
        tcp_turn_far(lab, fd);
        tcp_give(lab, LEN, 0, 1);
        tcp_await(fd, LEN);
        line_start(&line, "exchange");
        line_outcome(&line, TRY(recv(fd, buffer, sizeof(buffer), 0)));
        line_outcome(&line, TRY(send(fd, buffer, LEN, 0)));
        line_print(&line);
        tcp_take(lab, "exchange", LEN);
    }
}

static void untold(const struct lab *lab)
{
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    tcp_options("unconnected", fd);
    (void)close(fd);
    fd = tcp_connect(lab, ACCEPT_PLAIN);
    tcp_options("fresh", fd);
    tcp_show(lab, "fresh");
    exchange(lab, fd);
    tcp_options("used", fd);
    tcp_show(lab, "used");
    tcp_turn_far(lab, fd);
    tcp_give(lab, LEN, 0, 1);
    tcp_await(fd, LEN);
    tcp_options("waiting", fd);
    (void)close(fd);
}

static void each_set(const struct lab *lab)
{
    static const struct {
        const char *name;
        int level, option, value;
    } own[] = {
        {"MAXSEG", IPPROTO_TCP, TCP_MAXSEG, 1000},
        {"TIMESTAMPING", SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_SOFTWARE},
        {"TIMESTAMP", SOL_SOCKET, SO_TIMESTAMP, 1},
        {"RECVDSTOPTS", IPPROTO_IPV6, IPV6_RECVDSTOPTS, 1},
        {"2292DSTOPTS", IPPROTO_IPV6, IPV6_2292DSTOPTS, 1},
        {"RECVPKTINFO", IPPROTO_IPV6, IPV6_RECVPKTINFO, 1},
        {"HOPS", IPPROTO_IPV6, IPV6_UNICAST_HOPS, 9},
    };

    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        int fd = tcp_connect(lab, ACCEPT_PLAIN);

        exchange(lab, fd);
        set_int(fd, own[i].level, own[i].option, own[i].value);
        tcp_options(own[i].name, fd);
        exchange(lab, fd);
        tcp_options(own[i].name, fd);
        set_int(fd, own[i].level, own[i].option, 0);
        tcp_options(own[i].name, fd);
        (void)close(fd);
    }
}

static void say_sticky(const char *name, int fd)
{
    unsigned char got[64] = {0};
    socklen_t len = sizeof(got);

    line_start(&line, "%s", name);
    line_outcome(&line, TRY(getsockopt(fd, IPPROTO_IPV6, IPV6_DSTOPTS, got, &len)));
    line_add(&line, " %u:", len);
    line_hex(&line, got, len);
    line_print(&line);
}

/* The program's own Destination Options stay as they are. */
static void sticky(const struct lab *lab)
{
    int fd = tcp_connect(lab, ACCEPT_PLAIN);

    exchange(lab, fd);
    line_start(&line, "sticky");
    line_outcome(&line,
                 TRY(setsockopt(fd, IPPROTO_IPV6, IPV6_DSTOPTS, own_dstopts, sizeof(own_dstopts))));
    line_print(&line);
    say_sticky("sticky set", fd);
    exchange(lab, fd);
    say_sticky("sticky used", fd);
    line_start(&line, "sticky");
    line_outcome(&line, TRY(setsockopt(fd, IPPROTO_IPV6, IPV6_DSTOPTS, NULL, 0)));
    line_print(&line);
    exchange(lab, fd);
    say_sticky("sticky unset", fd);
    (void)close(fd);
}

void cases_tcp_options(struct lab *lab)
{
    untold(lab);
    each_set(lab);
    sticky(lab);
}
