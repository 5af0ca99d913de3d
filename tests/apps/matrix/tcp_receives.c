/* SPDX-License-Identifier: BSD-2-Clause */
/* Every call that receives on a connection, with every shape of buffer, and each way in which what
 * comes ends. Before each the direction is turned, so that what comes has an option. */
#include "tests/apps/matrix/cases.h"
#include "tests/apps/matrix/tcp.h"

#include <fcntl.h>
#include <linux/net_tstamp.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <linux/sockios.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    LEN = 300,
    BATCH = 3,
    SHORT_US = 30000,
    PAGE = 4096,
    HUGE_LEN = 100000,
};

static struct line line;
static struct inbox inbox;
static unsigned char buffer[DATA_MAX];

static void arrive(const struct lab *lab, int fd, size_t len)
{
    tcp_turn_far(lab, fd);
    tcp_give(lab, len, 0, 1);
    tcp_await(fd, len);
}

static void say(const char *name, int fd, struct outcome outcome)
{
    line_start(&line, "%s", name);
    line_outcome(&line, outcome);
    if (outcome.ret > 0) {
        line_data(&line, buffer, (size_t)outcome.ret);
    }
    line_ready(&line, fd);
    line_print(&line);
}

/* What is left comes as one. */
static void rest(const char *name, int fd)
{
    char text[64];

    (void)snprintf(text, sizeof(text), "%s, rest", name);
    say(text, fd, TRY(recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT)));
}

static void plain_calls(const struct lab *lab, int fd)
{
    struct sockaddr_storage from;
    socklen_t len = sizeof(from);
    struct iovec iov[3] = {{buffer, 10}, {buffer + 10, 0}, {buffer + 10, LEN}};

    arrive(lab, fd, LEN);
    say("recv", fd, TRY(recv(fd, buffer, sizeof(buffer), 0)));
    arrive(lab, fd, LEN);
    say("read", fd, TRY(read(fd, buffer, sizeof(buffer))));
    arrive(lab, fd, LEN);
    say("readv", fd, TRY(readv(fd, iov, 3)));
    arrive(lab, fd, LEN);
    memset(&from, 0x55, sizeof(from));
    say("recvfrom", fd,
        TRY(recvfrom(fd, buffer, sizeof(buffer), 0, (struct sockaddr *)&from, &len)));
    line_start(&line, "recvfrom name %u", len);
    line_hex(&line, &from, 4);
    line_print(&line);
    arrive(lab, fd, LEN);
    say("recvfrom without length", fd,
        TRY(recvfrom(fd, buffer, sizeof(buffer), 0, (struct sockaddr *)&from, NULL)));
    rest("recvfrom without length", fd);
    arrive(lab, fd, LEN);
    for (int i = 0; i < 3; i++) {
        say("small", fd, TRY(recv(fd, buffer, LEN / 3, 0)));
    }
    say("small, none left", fd, TRY(recv(fd, buffer, LEN / 3, MSG_DONTWAIT)));
    arrive(lab, fd, LEN);
    say("nothing", fd, TRY(recv(fd, buffer, 0, 0)));
    say("nothing", fd, TRY(read(fd, buffer, 0)));
    rest("nothing", fd);
    say("nothing there", fd, TRY(recv(fd, buffer, 0, MSG_DONTWAIT)));
}

static void flags(const struct lab *lab, int fd)
{
    int mark = -1;

    arrive(lab, fd, LEN);
    say("peek", fd, TRY(recv(fd, buffer, 10, MSG_PEEK)));
    say("peek", fd, TRY(recv(fd, buffer, sizeof(buffer), MSG_PEEK | MSG_DONTWAIT)));
    say("truncate", fd, TRY(recv(fd, buffer, 100, MSG_TRUNC)));
    say("truncate nowhere", fd, TRY(recv(fd, NULL, 100, MSG_TRUNC)));
    say("errors", fd, TRY(recv(fd, buffer, sizeof(buffer), MSG_ERRQUEUE)));
    rest("flags", fd);
    tcp_turn_far(lab, fd);
    tcp_give(lab, 100, 0, 3);
    say("all", fd, TRY(recv(fd, buffer, LEN, MSG_WAITALL)));
    tcp_turn_far(lab, fd);
    tcp_give(lab, 1, MSG_OOB, 1);
    tcp_give(lab, 10, 0, 1);
    tcp_await(fd, 10);
    say("urgent peek", fd, TRY(recv(fd, buffer, 10, MSG_OOB | MSG_PEEK)));
    say("urgent", fd, TRY(recv(fd, buffer, 10, MSG_OOB)));
    say("urgent again", fd, TRY(recv(fd, buffer, 10, MSG_OOB)));
    line_start(&line, "mark");
    line_outcome(&line, TRY(ioctl(fd, SIOCATMARK, &mark)));
    line_add(&line, " %d", mark);
    line_print(&line);
    rest("urgent", fd);
}

/* --- messages --- */

static void message(const char *name, int fd, size_t data, size_t control, int with)
{
    struct outcome outcome;

    inbox_set(&inbox, data, control, sizeof(inbox.name));
    outcome = TRY(recvmsg(fd, &inbox.msg, with));
    line_start(&line, "%s", name);
    inbox_line(&line, &inbox, outcome);
    line_ready(&line, fd);
    line_print(&line);
}

/* With each kind of stamp of the program's own, and with room for none, some or all of it. */
static void messages(const struct lab *lab)
{
    static const struct {
        const char *name;
        int level, option, value;
    } own[] = {
        {"bare", SOL_SOCKET, SO_KEEPALIVE, 1},
        {"TIMESTAMPNS", SOL_SOCKET, SO_TIMESTAMPNS, 1},
        {"TIMESTAMP", SOL_SOCKET, SO_TIMESTAMP, 1},
        {"TIMESTAMPING", SOL_SOCKET, SO_TIMESTAMPING,
         SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE},
        {"TIMESTAMPNS_NEW", SOL_SOCKET, SO_TIMESTAMPNS_NEW, 1},
        {"INQ", IPPROTO_TCP, TCP_INQ, 1},
        {"RECVDSTOPTS", IPPROTO_IPV6, IPV6_RECVDSTOPTS, 1},
        {"RECVPKTINFO", IPPROTO_IPV6, IPV6_RECVPKTINFO, 1},
    };
    static const size_t rooms[] = {0, 8, 16, 20, 32, 40, 512};

    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        int fd = tcp_connect(lab, ACCEPT_PLAIN);

        /* Before it is set and after: what the library has set by then must give way. */
        arrive(lab, fd, LEN);
        message(own[i].name, fd, LEN, 512, 0);
        set_int(fd, own[i].level, own[i].option, own[i].value);
        for (size_t j = 0; j < sizeof(rooms) / sizeof(rooms[0]); j++) {
            char name[64];

            (void)snprintf(name, sizeof(name), "%s room %zu", own[i].name, rooms[j]);
            arrive(lab, fd, LEN);
            message(name, fd, 100, rooms[j], MSG_PEEK);
            message(name, fd, 100, rooms[j], 0);
            message(name, fd, LEN, rooms[j], MSG_CMSG_CLOEXEC);
            message(name, fd, LEN, rooms[j], MSG_DONTWAIT);
        }
        tcp_options(own[i].name, fd);
        set_int(fd, own[i].level, own[i].option, 0);
        arrive(lab, fd, LEN);
        message("unset", fd, LEN, 512, 0);
        tcp_options("unset", fd);
        (void)close(fd);
    }
}

static void batches(const struct lab *lab, int fd)
{
    static const int kinds[] = {0, MSG_WAITFORONE, MSG_DONTWAIT};
    struct timespec bound = {.tv_nsec = SHORT_US * 1000L};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct iovec iov[BATCH];
        struct mmsghdr batch[BATCH];

        arrive(lab, fd, LEN);
        memset(batch, 0, sizeof(batch));
        for (size_t j = 0; j < BATCH; j++) {
            iov[j] = (struct iovec){buffer + j * 100, 100};
            batch[j].msg_hdr.msg_iov = &iov[j];
            batch[j].msg_hdr.msg_iovlen = 1;
            batch[j].msg_hdr.msg_flags = FLAGS_SENTINEL;
        }
        struct outcome outcome = TRY(recvmmsg(fd, batch, BATCH, kinds[i], i == 0 ? &bound : NULL));

        line_start(&line, "recvmmsg %#x", (unsigned)kinds[i]);
        line_outcome(&line, outcome);
        for (ssize_t j = 0; j < outcome.ret; j++) {
            line_add(&line, " %u", batch[j].msg_len);
            line_flags(&line, batch[j].msg_hdr.msg_flags);
        }
        line_data(&line, buffer, LEN);
        line_print(&line);
    }
}

/* --- waits --- */

static volatile sig_atomic_t alarms;

static void on_alarm(int signal_number)
{
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval once = {.it_value = {.tv_usec = SHORT_US}};

    (void)signal_number;
    alarms++;
    /* The call was begun again if SA_RESTART was set; the second time it is not. */
    (void)sigaction(SIGALRM, &action, NULL);
    if (alarms < 2) {
        (void)setitimer(ITIMER_REAL, &once, NULL);
    }
}

static void interrupted(const char *name, int fd, int with)
{
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = with};
    struct itimerval once = {.it_value = {.tv_usec = SHORT_US}}, never = {0};

    alarms = 0;
    (void)sigaction(SIGALRM, &action, NULL);
    (void)setitimer(ITIMER_REAL, &once, NULL);
    struct outcome outcome = TRY(recv(fd, buffer, LEN, 0));

    (void)setitimer(ITIMER_REAL, &never, NULL);
    line_start(&line, "%s", name);
    line_outcome(&line, outcome);
    line_add(&line, " after %d", (int)alarms);
    line_print(&line);
}

static void waits(const struct lab *lab, int fd)
{
    struct timeval bound = {.tv_usec = SHORT_US}, none = {0};

    interrupted("interrupted", fd, 0);
    interrupted("interrupted, restarting", fd, SA_RESTART);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof(bound));
    say("timeout", fd, TRY(recv(fd, buffer, LEN, 0)));
    say("timeout", fd, TRY(read(fd, buffer, LEN)));
    message("timeout", fd, LEN, 512, 0);
    tcp_turn_far(lab, fd);
    tcp_give(lab, 100, 0, 1);
    tcp_await(fd, 100);
    say("timeout, all", fd, TRY(recv(fd, buffer, LEN, MSG_WAITALL)));
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &none, sizeof(none));
    set_int(fd, SOL_SOCKET, SO_RCVLOWAT, 200);
    arrive(lab, fd, 100);
    line_start(&line, "low water");
    line_ready(&line, fd);
    line_print(&line);
    tcp_give(lab, 100, 0, 1);
    tcp_await(fd, 200);
    say("low water", fd, TRY(recv(fd, buffer, LEN, 0)));
    set_int(fd, SOL_SOCKET, SO_RCVLOWAT, 1);
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    say("O_NONBLOCK", fd, TRY(recv(fd, buffer, LEN, 0)));
    say("O_NONBLOCK", fd, TRY(read(fd, buffer, LEN)));
    message("O_NONBLOCK", fd, LEN, 512, 0);
    arrive(lab, fd, LEN);
    say("O_NONBLOCK", fd, TRY(recv(fd, buffer, LEN, 0)));
    (void)fcntl(fd, F_SETFL, 0);
}

static void faults(const struct lab *lab, int fd)
{
    unsigned char *nowhere = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct iovec iov[2] = {{buffer, 100}, {nowhere, 100}};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};

    arrive(lab, fd, LEN);
    say("fault", fd, TRY(recv(fd, nowhere, 10, 0)));
    say("fault", fd, TRY(read(fd, nowhere, 10)));
    say("fault in the second part", fd, TRY(recvmsg(fd, &msg, 0)));
    say("fault in the second part", fd, TRY(readv(fd, iov, 2)));
    say("fault in the message", fd, TRY(recvmsg(fd, &(struct msghdr){.msg_iovlen = 1}, 0)));
    say("no message", fd, TRY(recvmsg(fd, NULL, MSG_DONTWAIT)));
    rest("fault", fd);
    (void)munmap(nowhere, PAGE);
}

/* --- readiness: as many wakeups, by level and by edge --- */

static int wakeups(int epoll)
{
    struct epoll_event event;
    int count = 0;

    /* By level a socket that is ready is so each time. */
    while (count < 3 && epoll_wait(epoll, &event, 1, 5) == 1) {
        count++;
    }
    return count;
}

static void events(const struct lab *lab, int fd)
{
    static const unsigned modes[] = {0, EPOLLET};

    for (size_t mode = 0; mode < 2; mode++) {
        struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | modes[mode]};
        int epoll = epoll_create1(EPOLL_CLOEXEC);

        (void)epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
        line_start(&line, "wakeups %s:", mode != 0 ? "by edge" : "by level");
        line_add(&line, " %d", wakeups(epoll));
        tcp_turn_far(lab, fd);
        (void)wakeups(epoll);
        for (int i = 0; i < 3; i++) {
            tcp_give(lab, 10, 0, 1);
            tcp_await(fd, (size_t)(i + 1) * 10);
            line_add(&line, " %d", wakeups(epoll));
        }
        line_outcome(&line, TRY(recv(fd, buffer, 5, 0)));
        line_add(&line, " %d", wakeups(epoll));
        line_outcome(&line, TRY(recv(fd, buffer, 100, 0)));
        line_add(&line, " %d", wakeups(epoll));
        line_outcome(&line, TRY(recv(fd, buffer, 100, MSG_DONTWAIT)));
        line_outcome(&line, TRY(send(fd, buffer, 100, 0)));
        line_add(&line, " %d", wakeups(epoll));
        line_print(&line);
        tcp_take(lab, "wakeups", 100);
        (void)close(epoll);
    }
}

/* --- spliced out, and much at once --- */

static void other_ways(const struct lab *lab, int fd)
{
    int ends[2];

    arrive(lab, fd, LEN);
    if (pipe(ends) == 0) {
        line_start(&line, "splice");
        line_outcome(&line, TRY(splice(fd, NULL, ends[1], NULL, LEN, 0)));
        line_outcome(&line, TRY(read(ends[0], buffer, LEN)));
        line_data(&line, buffer, LEN);
        line_print(&line);
        (void)close(ends[0]);
        (void)close(ends[1]);
    }
    tcp_turn_far(lab, fd);
    tcp_give(lab, HUGE_LEN / 2, 0, 1);
    say("much", fd, TRY(recv(fd, buffer, HUGE_LEN / 2, MSG_WAITALL)));
}

/* --- ends --- */

static void ended(const struct lab *lab, enum tcp_end how, size_t before)
{
    int fd = tcp_connect(lab, ACCEPT_PLAIN);
    struct pollfd ready = {.fd = fd, .events = POLLRDHUP};

    tcp_turn_far(lab, fd);
    tcp_give(lab, before, 0, before > 0);
    tcp_end(lab, how);
    (void)poll(&ready, 1, WAIT_MS);
    line_start(&line, "ended %d", (int)how);
    line_ready(&line, fd);
    line_print(&line);
    say("ended", fd, TRY(recv(fd, buffer, LEN, MSG_PEEK)));
    say("ended", fd, TRY(recv(fd, buffer, LEN, 0)));
    message("ended", fd, LEN, 512, 0);
    say("ended", fd, TRY(read(fd, buffer, LEN)));
    (void)close(fd);
}

static void half(const struct lab *lab)
{
    int fd = tcp_connect(lab, ACCEPT_PLAIN);

    arrive(lab, fd, LEN);
    line_start(&line, "no more reading");
    line_outcome(&line, TRY(shutdown(fd, SHUT_RD)));
    line_print(&line);
    say("no more reading", fd, TRY(recv(fd, buffer, 100, 0)));
    say("no more reading", fd, TRY(recv(fd, buffer, LEN, 0)));
    say("no more reading", fd, TRY(recv(fd, buffer, LEN, 0)));
    (void)close(fd);
}

void cases_tcp_receives(struct lab *lab)
{
    int fd = tcp_connect(lab, ACCEPT_PLAIN);

    plain_calls(lab, fd);
    flags(lab, fd);
    batches(lab, fd);
    waits(lab, fd);
    faults(lab, fd);
    events(lab, fd);
    other_ways(lab, fd);
    (void)close(fd);
    messages(lab);
    half(lab);
    ended(lab, TCP_END_WRITING, LEN);
    ended(lab, TCP_END_CLOSE, 0);
    ended(lab, TCP_END_RESET, LEN);
    ended(lab, TCP_END_RESET, 0);
}
