/* SPDX-License-Identifier: BSD-2-Clause */
/* The near end of a connection: what the groups of cases share. */
#include "tests/apps/matrix/tcp.h"

#include "tests/apps/matrix/cases.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum {
    ROOM = 64,
    AWAIT_MS = 1000,
    /* Options are attached not more often. */
    DUE_NS = 11000000,
};

static const struct {
    int level, option;
    const char *name;
} options[] = {
    {IPPROTO_IPV6, IPV6_RECVDSTOPTS, "RECVDSTOPTS"},
    {IPPROTO_IPV6, IPV6_2292DSTOPTS, "2292DSTOPTS"},
    {IPPROTO_IPV6, IPV6_RECVPKTINFO, "RECVPKTINFO"},
    {IPPROTO_IPV6, IPV6_RECVHOPLIMIT, "RECVHOPLIMIT"},
    {IPPROTO_IPV6, IPV6_DSTOPTS, "DSTOPTS"},
    {IPPROTO_IPV6, IPV6_HOPOPTS, "HOPOPTS"},
    {IPPROTO_IPV6, IPV6_RTHDR, "RTHDR"},
    {IPPROTO_IPV6, IPV6_2292PKTOPTIONS, "2292PKTOPTIONS"},
    {IPPROTO_IPV6, IPV6_MTU, "MTU"},
    {IPPROTO_IPV6, IPV6_UNICAST_HOPS, "UNICAST_HOPS"},
    {SOL_SOCKET, SO_TIMESTAMP, "TIMESTAMP"},
    {SOL_SOCKET, SO_TIMESTAMPNS, "TIMESTAMPNS"},
    {SOL_SOCKET, SO_TIMESTAMPING, "TIMESTAMPING"},
    {SOL_SOCKET, SO_TIMESTAMPNS_NEW, "TIMESTAMPNS_NEW"},
    {SOL_SOCKET, SO_ERROR, "ERROR"},
    {SOL_SOCKET, SO_ACCEPTCONN, "ACCEPTCONN"},
    {IPPROTO_TCP, TCP_MAXSEG, "MAXSEG"},
    {IPPROTO_TCP, TCP_CORK, "CORK"},
    {IPPROTO_TCP, TCP_NODELAY, "NODELAY"},
    {IPPROTO_TCP, TCP_FASTOPEN_CONNECT, "FASTOPEN_CONNECT"},
    {IPPROTO_TCP, TCP_INQ, "INQ"},
};

static struct line line;

static void say(const char *name, const char *answer)
{
    (void)printf("%s far%s\n", name, answer);
    (void)fflush(stdout);
}

void tcp_accept(const struct lab *lab, unsigned how)
{
    say("accept", peer_ask(lab, 'a', 0, how, 1));
}

int tcp_connect(const struct lab *lab, unsigned how)
{
    struct sockaddr_in6 remote = lab_remote(lab, PORT_STREAM);
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&remote, sizeof(remote)) != 0) {
        perror("callmatrix: the connection under test");
        exit(EXIT_FAILURE);
    }
    set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    tcp_accept(lab, how);
    return fd;
}

void tcp_give(const struct lab *lab, size_t len, int flags, unsigned count)
{
    const char *answer = peer_ask(lab, 'g', len, (unsigned)flags, count);

    if (strstr(answer, "ret=-1") != NULL) {
        say("give", answer);
    }
}

void tcp_take(const struct lab *lab, const char *name, size_t len)
{
    say(name, peer_ask(lab, 't', len, 0, 1));
}

void tcp_drain(const struct lab *lab, const char *name, size_t expected)
{
    say(name, peer_ask(lab, 'd', expected, 0, 1));
}

void tcp_end(const struct lab *lab, enum tcp_end how)
{
    say("end", peer_ask(lab, 'e', 0, how, 1));
}

void tcp_show(const struct lab *lab, const char *name)
{
    say(name, peer_ask(lab, 'o', 0, 0, 1));
}

void tcp_await(int fd, size_t len)
{
    struct timespec pause = {.tv_nsec = 200000};
    int queued = 0;

    for (int i = 0; i < AWAIT_MS * 5 && (size_t)queued < len; i++) {
        if (ioctl(fd, SIOCINQ, &queued) != 0) {
            break;
        }
        (void)nanosleep(&pause, NULL);
    }
    if ((size_t)queued != len) {
        (void)printf("%d octets wait, not %zu\n", queued, len);
    }
}

void tcp_turn(const struct lab *lab, int fd)
{
    struct timespec due = {.tv_nsec = DUE_NS};
    unsigned char octet;

    tcp_give(lab, 1, 0, 1);
    if (recv(fd, &octet, 1, 0) != 1) {
        (void)printf("no turn\n");
    }
    (void)nanosleep(&due, NULL);
}

void tcp_turn_far(const struct lab *lab, int fd)
{
    struct timespec due = {.tv_nsec = DUE_NS};
    const char *answer;

    tcp_turn(lab, fd);
    if (send(fd, "", 1, MSG_NOSIGNAL) != 1) {
        (void)printf("no turn\n");
    }
    answer = peer_ask(lab, 't', 1, 0, 1);
    if (strstr(answer, "data=1:") == NULL) {
        say("turn", answer);
    }
    (void)nanosleep(&due, NULL);
}

static void add_info(int fd)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof(info);

    line_outcome(&line, TRY(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len)));
    line_add(&line, " state=%u options=%u mss=%u advmss=%u pmtu=%u retrans=%u", info.tcpi_state,
             info.tcpi_options, info.tcpi_snd_mss, info.tcpi_advmss, info.tcpi_pmtu,
             info.tcpi_total_retrans);
}

/* Where no packet with options came, the kernel makes up a message for IPV6_RECVPKTINFO, of the
 * peer's address; of a packet it tells the one it came to. RFC 3542 does not know that call. */
static bool is_made_up(int fd, size_t at)
{
    socklen_t len = sizeof(int);
    int asked = 0;

    return options[at].option == IPV6_2292PKTOPTIONS &&
           getsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &asked, &len) == 0 && asked != 0;
}

void tcp_options(const char *name, int fd)
{
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        if (is_made_up(fd, i)) {
            continue;
        }
        unsigned char got[ROOM] = {0};
        socklen_t len = sizeof(got);
        struct outcome outcome =
            TRY(getsockopt(fd, options[i].level, options[i].option, got, &len));

        line_start(&line, "%s get %s", name, options[i].name);
        line_outcome(&line, outcome);
        line_add(&line, " %u:", len);
        line_hex(&line, got, len < sizeof(got) ? len : sizeof(got));
        line_print(&line);
    }
    line_start(&line, "%s TCP_INFO", name);
    add_info(fd);
    line_print(&line);
}
