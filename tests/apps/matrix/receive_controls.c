/* SPDX-License-Identifier: BSD-2-Clause */
/* Control messages that a program receives: every option it can ask for, in buffers of every size.
 */
#include "tests/apps/matrix/cases.h"

#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

enum {
    CONTROL_SIZES = 128,
    RECENT_S = 30,
};

/* Where some of all_options stand. */
enum {
    PKTINFO,
    HOPLIMIT,
    TCLASS,
    DSTOPTS,
    OLD_PKTINFO = 8,
    OLD_DSTOPTS = 10,
    FIRST_STAMP = 13,
    STAMP_NS = 14,
    STAMPING = 17,
    AFTER_STAMPS = 19,
};

struct option {
    int level;
    int option;
    int value;
    const char *name;
};

static struct line line;
static struct inbox inbox;

static const struct option all_options[] = {
    {IPPROTO_IPV6, IPV6_RECVPKTINFO, 1, "RECVPKTINFO"},
    {IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1, "RECVHOPLIMIT"},
    {IPPROTO_IPV6, IPV6_RECVTCLASS, 1, "RECVTCLASS"},
    {IPPROTO_IPV6, IPV6_RECVDSTOPTS, 1, "RECVDSTOPTS"},
    {IPPROTO_IPV6, IPV6_RECVHOPOPTS, 1, "RECVHOPOPTS"},
    {IPPROTO_IPV6, IPV6_RECVRTHDR, 1, "RECVRTHDR"},
    {IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, 1, "RECVORIGDSTADDR"},
    {IPPROTO_IPV6, IPV6_RECVFRAGSIZE, 1, "RECVFRAGSIZE"},
    {IPPROTO_IPV6, IPV6_2292PKTINFO, 1, "2292PKTINFO"},
    {IPPROTO_IPV6, IPV6_2292HOPLIMIT, 1, "2292HOPLIMIT"},
    {IPPROTO_IPV6, IPV6_2292DSTOPTS, 1, "2292DSTOPTS"},
    {IPPROTO_IPV6, IPV6_2292HOPOPTS, 1, "2292HOPOPTS"},
    {IPPROTO_IPV6, IPV6_2292RTHDR, 1, "2292RTHDR"},
    {SOL_SOCKET, SO_TIMESTAMP, 1, "TIMESTAMP"},
    {SOL_SOCKET, SO_TIMESTAMPNS, 1, "TIMESTAMPNS"},
    {SOL_SOCKET, SO_TIMESTAMP_NEW, 1, "TIMESTAMP_NEW"},
    {SOL_SOCKET, SO_TIMESTAMPNS_NEW, 1, "TIMESTAMPNS_NEW"},
    {SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE,
     "TIMESTAMPING"},
    {SOL_SOCKET, SO_TIMESTAMPING_NEW, SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE,
     "TIMESTAMPING_NEW"},
    {SOL_SOCKET, SO_RXQ_OVFL, 1, "RXQ_OVFL"},
    {IPPROTO_IPV6, IPV6_RECVERR, 1, "RECVERR"},
};

static const size_t all_count = sizeof(all_options) / sizeof(all_options[0]);

static void one_datagram(struct lab *lab, const char *name, int fd, size_t len, unsigned with)
{
    peer_send(lab, PORT_ALL, PORT_OURS, len, with, 1);
    ours_wait(fd, POLLIN);
    read_and_print(name, fd, MSG_PEEK);
    read_and_print(name, fd, 0);
}

/* Each option alone, switched on before anything came, then off. */
static void each_alone(struct lab *lab)
{
    for (size_t i = 0; i < all_count; i++) {
        const struct option *o = &all_options[i];
        int fd = ours_open(lab, LOOSE_ANY, PORT_ALL);

        set_int(fd, o->level, o->option, o->value);
        one_datagram(lab, o->name, fd, 70, WITH_DSTOPTS | WITH_TCLASS);
        one_datagram(lab, o->name, fd, 71, 0);
        set_int(fd, o->level, o->option, 0);
        one_datagram(lab, o->name, fd, 72, WITH_DSTOPTS | WITH_TCLASS);
        (void)close(fd);
    }
}

/* Each switched on in the middle of a conversation, with a datagram already waiting. */
static void each_late(struct lab *lab)
{
    for (size_t i = 0; i < all_count; i++) {
        const struct option *o = &all_options[i];
        int fd = ours_open(lab, TIED_BOUND, PORT_ALL);

        one_datagram(lab, o->name, fd, 60, WITH_DSTOPTS);
        peer_send(lab, PORT_ALL, PORT_OURS, 61, WITH_DSTOPTS, 1);
        set_int(fd, o->level, o->option, o->value);
        read_and_print(o->name, fd, 0);
        one_datagram(lab, o->name, fd, 62, WITH_DSTOPTS);
        (void)close(fd);
    }
}

/* Pairs that exclude or colour each other. */
static void stamp_pairs(struct lab *lab)
{
    for (size_t i = FIRST_STAMP; i < AFTER_STAMPS; i++) {
        for (size_t j = FIRST_STAMP; j < AFTER_STAMPS; j++) {
            const struct option *a = &all_options[i];
            const struct option *b = &all_options[j];
            char name[64];
            int fd = ours_open(lab, TIED_BOUND, PORT_ALL);

            (void)snprintf(name, sizeof(name), "%s then %s", a->name, b->name);
            set_int(fd, a->level, a->option, a->value);
            set_int(fd, b->level, b->option, b->value);
            one_datagram(lab, name, fd, 40, WITH_DSTOPTS);
            set_int(fd, b->level, b->option, 0);
            one_datagram(lab, name, fd, 41, WITH_DSTOPTS);
            (void)close(fd);
        }
    }
}

static void set_many(int fd, const int *indices, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct option *o = &all_options[indices[i]];

        set_int(fd, o->level, o->option, o->value);
    }
}

static void sized_read(const char *name, int fd, size_t size, int flags)
{
    struct outcome outcome;

    inbox_set(&inbox, 30, size, sizeof(inbox.name));
    outcome = TRY(recvmsg(fd, &inbox.msg, flags));
    line_start(&line, "%s control of %zu", name, size);
    inbox_line(&line, &inbox, outcome);
    line_print(&line);
}

/* Control buffers of every size, over one datagram that is peeked at and then read. */
static void every_size(struct lab *lab)
{
    static const struct {
        const char *name;
        size_t n;
        int indices[8];
    } sets[] = {
        {"no options", 0, {0}},
        {"pktinfo", 1, {PKTINFO}},
        {"dstopts", 1, {DSTOPTS}},
        {"stamp", 1, {STAMP_NS}},
        {"stamp, pktinfo, hoplimit", 3, {STAMP_NS, PKTINFO, HOPLIMIT}},
        {"dstopts last", 4, {PKTINFO, HOPLIMIT, TCLASS, DSTOPTS}},
        {"stamping, 2292", 3, {STAMPING, OLD_PKTINFO, OLD_DSTOPTS}},
    };

    for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
        for (unsigned with = 0; with <= WITH_DSTOPTS; with += WITH_DSTOPTS) {
            char name[64];
            int fd = ours_open(lab, LOOSE_BOUND, PORT_ALL);

            (void)snprintf(name, sizeof(name), "%s%s", sets[i].name,
                           with != 0 ? " with dstopts" : "");
            set_many(fd, sets[i].indices, sets[i].n);
            peer_send(lab, PORT_ALL, PORT_OURS, 30, with, 1);
            ours_wait(fd, POLLIN);
            for (size_t size = 0; size <= CONTROL_SIZES; size++) {
                sized_read(name, fd, size, MSG_PEEK);
            }
            sized_read(name, fd, CONTROL_SIZES, 0);
            for (size_t size = 0; size <= CONTROL_SIZES; size += 12) {
                peer_send(lab, PORT_ALL, PORT_OURS, 30, with, 1);
                ours_wait(fd, POLLIN);
                sized_read(name, fd, size, 0);
            }
            /* No buffer, though a length is claimed for it: nothing is written, nothing crashes. */
            peer_send(lab, PORT_ALL, PORT_OURS, 30, with, 1);
            ours_wait(fd, POLLIN);
            inbox_set(&inbox, 30, 0, sizeof(inbox.name));
            inbox.msg.msg_control = NULL;
            line_start(&line, "%s no control", name);
            inbox_line(&line, &inbox, TRY(recvmsg(fd, &inbox.msg, 0)));
            line_print(&line);
            (void)close(fd);
        }
    }
}

/* ------------------------------------------------------------------ peek, sizes */

static void peek_offsets(struct lab *lab)
{
    int fd = ours_open(lab, TIED_BOUND, PORT_ALL);

    set_int(fd, SOL_SOCKET, SO_PEEK_OFF, 0);
    peer_send(lab, PORT_ALL, PORT_OURS, 50, WITH_DSTOPTS, 2);
    ours_wait(fd, POLLIN);
    for (int i = 0; i < 7; i++) {
        inbox_set(&inbox, 20, 100, sizeof(inbox.name));
        line_start(&line, "peek at an offset");
        inbox_line(&line, &inbox, TRY(recvmsg(fd, &inbox.msg, MSG_PEEK | MSG_DONTWAIT)));
        line_print(&line);
    }
    read_and_print("read at an offset", fd, MSG_DONTWAIT);
    read_and_print("read at an offset", fd, MSG_DONTWAIT);
    (void)close(fd);
}

static void say_ioctl(const char *name, int fd, unsigned long request)
{
    int value = LENGTH_SENTINEL;
    struct outcome outcome = TRY(ioctl(fd, request, &value));

    line_start(&line, "%s", name);
    line_outcome(&line, outcome);
    line_add(&line, " %d", value);
    line_ready(&line, fd);
    line_print(&line);
}

static void pending(struct lab *lab)
{
    static const size_t sizes[] = {0, 1, 40, 1200, 8000};
    int fd = ours_open(lab, LOOSE_ANY, PORT_ALL);

    say_ioctl("FIONREAD empty", fd, FIONREAD);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        peer_send(lab, PORT_ALL, PORT_OURS, sizes[i], WITH_DSTOPTS, 2);
        ours_wait(fd, POLLIN);
        say_ioctl("FIONREAD two", fd, FIONREAD);
        say_ioctl("SIOCINQ two", fd, SIOCINQ);
        read_and_print("pending", fd, 0);
        say_ioctl("FIONREAD one", fd, FIONREAD);
        read_and_print("pending", fd, 0);
        say_ioctl("FIONREAD none", fd, FIONREAD);
    }
    (void)close(fd);
}

static void say_stamp(const char *name, int fd, struct timespec *last)
{
    struct timeval tv = {0, 0};
    struct timespec ts = {0, 0};
    struct outcome outcome = TRY(ioctl(fd, SIOCGSTAMP, &tv));
    time_t now = time(NULL);

    line_start(&line, "%s SIOCGSTAMP", name);
    line_outcome(&line, outcome);
    line_add(&line, " %s", tv.tv_sec + RECENT_S >= now ? "recent" : "not recent");
    outcome = TRY(ioctl(fd, SIOCGSTAMPNS, &ts));
    line_add(&line, " SIOCGSTAMPNS");
    line_outcome(&line, outcome);
    line_add(&line, " %s", ts.tv_sec + RECENT_S >= now ? "recent" : "not recent");
    line_add(&line, " %s",
             ts.tv_sec == last->tv_sec && ts.tv_nsec == last->tv_nsec ? "as before" : "new");
    *last = ts;
    line_print(&line);
}

/* The older way to ask for a stamp; asking switches stamping on. */
static void old_stamps(struct lab *lab)
{
    for (int own = 0; own < 4; own++) {
        struct timespec last = {0, 0};
        int fd = ours_open(lab, TIED_BOUND, PORT_ALL);

        if (own == 1) {
            set_int(fd, SOL_SOCKET, SO_TIMESTAMP, 1);
        } else if (own == 2) {
            set_int(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
        }
        if (own != 3) {
            say_stamp("before", fd, &last);
        }
        for (int i = 0; i < 3; i++) {
            peer_send(lab, PORT_ALL, PORT_OURS, 20, 0, 1);
            ours_wait(fd, POLLIN);
            read_and_print("stamped", fd, 0);
            say_stamp("after", fd, &last);
            say_stamp("again", fd, &last);
        }
        (void)close(fd);
    }
}

/* Receive offload: several datagrams in one read, with their size. */
static void coalesced(struct lab *lab)
{
    for (int on = 0; on <= 1; on++) {
        int fd = ours_open(lab, TIED_BOUND, PORT_ALL);

        set_int(fd, SOL_UDP, UDP_GRO, on);
        for (unsigned n = 0; n <= 1; n++) {
            unsigned with = n == 0 ? WITH_SEGMENTS : WITH_SEGMENTS | WITH_DSTOPTS;

            peer_send(lab, PORT_ALL, PORT_OURS, 250, with, 1);
            ours_wait(fd, POLLIN);
            read_and_print("coalesced", fd, MSG_PEEK);
            for (int i = 0; i < 4; i++) {
                read_and_print("coalesced", fd, MSG_DONTWAIT);
            }
            peer_send(lab, PORT_ALL, PORT_OURS, 250, with, 1);
            ours_wait(fd, POLLIN);
            sized_read("coalesced", fd, 0, 0);
            for (int i = 0; i < 3; i++) {
                sized_read("coalesced", fd, 8, MSG_DONTWAIT);
            }
        }
        (void)close(fd);
    }
}

void cases_receive_controls(struct lab *lab)
{
    each_alone(lab);
    each_late(lab);
    stamp_pairs(lab);
    every_size(lab);
    peek_offsets(lab);
    pending(lab);
    old_stamps(lab);
    coalesced(lab);
}
