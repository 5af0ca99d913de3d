/* SPDX-License-Identifier: BSD-2-Clause */
/* Socket options as the program set them and as it finds them again: before traffic, after it, with
 * values and lengths of every kind. */
#include "tests/apps/matrix/cases.h"

#include <linux/net_tstamp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

enum {
    ROOM = 64,
    CANARY = 0xA5,
};

static const struct option {
    int level;
    int option;
    const char *name;
} options[] = {
    {IPPROTO_IPV6, IPV6_RECVDSTOPTS, "RECVDSTOPTS"},
    {IPPROTO_IPV6, IPV6_RECVPKTINFO, "RECVPKTINFO"},
    {IPPROTO_IPV6, IPV6_RECVHOPLIMIT, "RECVHOPLIMIT"},
    {IPPROTO_IPV6, IPV6_RECVTCLASS, "RECVTCLASS"},
    {IPPROTO_IPV6, IPV6_RECVERR, "RECVERR"},
    {IPPROTO_IPV6, IPV6_2292PKTINFO, "2292PKTINFO"},
    {IPPROTO_IPV6, IPV6_2292HOPLIMIT, "2292HOPLIMIT"},
    {IPPROTO_IPV6, IPV6_2292HOPOPTS, "2292HOPOPTS"},
    {IPPROTO_IPV6, IPV6_2292DSTOPTS, "2292DSTOPTS"},
    {IPPROTO_IPV6, IPV6_2292RTHDR, "2292RTHDR"},
    {IPPROTO_IPV6, IPV6_2292PKTOPTIONS, "2292PKTOPTIONS"},
    {IPPROTO_IPV6, IPV6_DSTOPTS, "DSTOPTS"},
    {IPPROTO_IPV6, IPV6_HOPOPTS, "HOPOPTS"},
    {IPPROTO_IPV6, IPV6_RTHDRDSTOPTS, "RTHDRDSTOPTS"},
    {IPPROTO_IPV6, IPV6_PKTINFO, "PKTINFO"},
    {IPPROTO_IPV6, IPV6_MTU, "MTU"},
    {IPPROTO_IPV6, IPV6_MTU_DISCOVER, "MTU_DISCOVER"},
    {IPPROTO_IPV6, IPV6_DONTFRAG, "DONTFRAG"},
    {IPPROTO_IPV6, IPV6_V6ONLY, "V6ONLY"},
    {SOL_SOCKET, SO_TIMESTAMP, "TIMESTAMP"},
    {SOL_SOCKET, SO_TIMESTAMPNS, "TIMESTAMPNS"},
    {SOL_SOCKET, SO_TIMESTAMPING, "TIMESTAMPING"},
    {SOL_SOCKET, SO_TIMESTAMP_NEW, "TIMESTAMP_NEW"},
    {SOL_SOCKET, SO_TIMESTAMPNS_NEW, "TIMESTAMPNS_NEW"},
    {SOL_SOCKET, SO_TIMESTAMPING_NEW, "TIMESTAMPING_NEW"},
    {SOL_SOCKET, SO_ERROR, "ERROR"},
    {SOL_SOCKET, SO_TYPE, "TYPE"},
    {SOL_SOCKET, SO_RCVBUF, "RCVBUF"},
    {SOL_SOCKET, SO_SNDBUF, "SNDBUF"},
    {SOL_UDP, UDP_CORK, "UDP_CORK"},
    {SOL_UDP, UDP_SEGMENT, "UDP_SEGMENT"},
    {SOL_UDP, UDP_GRO, "UDP_GRO"},
};

static const size_t option_count = sizeof(options) / sizeof(options[0]);

static struct line line;

static void say_get(const char *when, int fd, const struct option *o, socklen_t room)
{
    unsigned char got[ROOM];
    socklen_t len = room;
    struct outcome outcome;

    memset(got, CANARY, sizeof(got));
    outcome = TRY(getsockopt(fd, o->level, o->option, got, &len));
    line_start(&line, "%s get %s room %u", when, o->name, room);
    line_outcome(&line, outcome);
    line_add(&line, " %u:", len);
    line_hex(&line, got, len < sizeof(got) ? len : sizeof(got));
    if (len < sizeof(got) && !untouched(got + len, sizeof(got) - len)) {
        line_add(&line, " beyond:");
        line_hex(&line, got + len, 8);
    }
    line_print(&line);
}

static void say_all(const char *when, int fd)
{
    for (size_t i = 0; i < option_count; i++) {
        say_get(when, fd, &options[i], sizeof(int));
    }
}

static void say_set(const char *when, int fd, const struct option *o, const void *value,
                    socklen_t len)
{
    struct outcome outcome = TRY(setsockopt(fd, o->level, o->option, value, len));

    line_start(&line, "%s set %s len %u", when, o->name, len);
    line_outcome(&line, outcome);
    line_print(&line);
}

static void exchange(struct lab *lab, int fd)
{
    struct sockaddr_in6 to = lab_remote(lab, PORT_ALL);

    for (int i = 0; i < 3; i++) {
        line_start(&line, "exchange");
        line_outcome(&line, TRY(sendto(fd, "exchange", 8, 0, (struct sockaddr *)&to, sizeof(to))));
        line_print(&line);
        peer_report(lab, "exchange", PORT_ALL);
        peer_send(lab, PORT_ALL, PORT_OURS, 20, WITH_DSTOPTS, 1);
        ours_wait(fd, POLLIN);
        read_and_print("exchange", fd, 0);
    }
}

/* Nothing set: what was there before traffic is there after it. */
static void untold(struct lab *lab)
{
    for (enum kind kind = LOOSE_ANY; kind < KINDS; kind++) {
        int fd = ours_open(lab, kind, PORT_ALL);

        say_all("fresh", fd);
        exchange(lab, fd);
        say_all("used", fd);
        (void)close(fd);
    }
}

static void each_set(struct lab *lab)
{
    static const int values[] = {1, 0, 1, -1, 2};

    for (size_t i = 0; i < option_count; i++) {
        const struct option *o = &options[i];
        int fd = ours_open(lab, TIED_BOUND, PORT_ALL);

        exchange(lab, fd);
        for (size_t j = 0; j < sizeof(values) / sizeof(values[0]); j++) {
            line_start(&line, "value %d", values[j]);
            line_print(&line);
            say_set("used", fd, o, &values[j], sizeof(values[j]));
            say_get("set", fd, o, sizeof(int));
            if (j < 2) {
                exchange(lab, fd);
                say_get("used", fd, o, sizeof(int));
            }
        }
        (void)close(fd);
    }
}

static void odd_lengths(struct lab *lab)
{
    static const socklen_t rooms[] = {0, 1, 2, 3, 4, 5, 8, 16, 64};
    static const unsigned char value[ROOM] = {1};

    for (size_t i = 0; i < option_count; i++) {
        int fd = ours_open(lab, TIED_BOUND, PORT_ALL);

        exchange(lab, fd);
        for (size_t j = 0; j < sizeof(rooms) / sizeof(rooms[0]); j++) {
            say_get("odd", fd, &options[i], rooms[j]);
        }
        say_get("negative", fd, &options[i], (socklen_t)-1);
        for (size_t j = 0; j < sizeof(rooms) / sizeof(rooms[0]); j++) {
            say_set("odd", fd, &options[i], value, rooms[j]);
            say_get("odd", fd, &options[i], sizeof(int));
        }
        say_set("null", fd, &options[i], NULL, 0);
        say_set("negative", fd, &options[i], value, (socklen_t)-1);
        say_get("last", fd, &options[i], sizeof(int));
        exchange(lab, fd);
        (void)close(fd);
    }
}

/* SO_TIMESTAMPING in its long form, with an interface and flags beside. */
static void long_stamping(struct lab *lab)
{
    /* struct so_timestamping: flags, then the clock to bind to. */
    const int stamping[2] = {SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE, 0};
    const struct option o = {SOL_SOCKET, SO_TIMESTAMPING, "TIMESTAMPING"};
    int fd = ours_open(lab, TIED_BOUND, PORT_ALL);

    say_set("long", fd, &o, stamping, sizeof(stamping));
    say_get("long", fd, &o, sizeof(stamping));
    exchange(lab, fd);
    say_get("long", fd, &o, sizeof(stamping));
    (void)close(fd);
}

void cases_options(struct lab *lab)
{
    untold(lab);
    each_set(lab);
    odd_lengths(lab);
    long_stamping(lab);
}
