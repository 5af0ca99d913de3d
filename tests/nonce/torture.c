/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Programs that know nothing of PDM and do to their sockets and processes all that could make two
 * options leave under one nonce. Run with the library preloaded; the oracle tells.
 *
 *   torture counters FILE                      prints what was done so far
 *   torture echo PORT...                       sends back what comes to ::1, by UDP and by TCP
 *   torture work FILE SLOT DARK ECHO...        everything, at random, until killed; its sockets are
 *                                              bound to ports of SLOT's own; DARK is an address
 *                                              that nothing answers, or - for none
 *   torture turns FILE SLOT DARK ECHO...       the same over TCP, request by request
 *   torture pings FILE SLOT DARK ECHO...       the same with echoes that the kernel answers
 *   torture burst FILE PORT ECHO COUNT [HOW]   COUNT datagrams from PORT to ECHO, then once more
 *                                              HOW (see bursts below), and closes
 *   torture asked FILE PORT ECHO COUNT [HOW]   the same over TCP
 *   torture stepped FILE PORT ECHO STRIDE WHAT steps through a send, and forks or is killed after
 *                                              every STRIDE of its instructions (see sends below)
 *   torture given FILE FD COUNT                COUNT datagrams through an inherited socket
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <limits.h>
#include <netinet/icmp6.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "tests/nonce/counters.h"

enum {
    WINDOW = 16,        /* datagrams on their way at once */
    WAIT_MS = 5,        /* for an echo */
    LEN = 48,           /* octets of one */
    FIRST_PORT = 20000, /* of slot 0 */
    SLOT_PORTS = 4,
    ECHO_MAX = 16,
    CONNECTIONS = 64, /* at once, of an echo */
    BACKLOG = 16,
    TURNS = 6,       /* on a stream, or of pings, between two options */
    TURN_US = 10500, /* as long as it takes until there is one again */
    BULK = 600,      /* datagrams between two tortures */
    PORTION = 60,    /* that each party of a torture sends */
    THREADS = 3,
    STACK = 64 * 1024,
    HANDLER_FORKS = 4, /* per torture */
    TICK_US = 300,
    SLOW = 20, /* datagrams */
    SLOW_US = 12000,
    SNDBUF = 4608, /* the least that the kernel grants */
    LEAST_MTU = 1280,
    LONG = 65460,        /* octets of a datagram that leaves no room on the loopback */
    PRSEQ_VALUES = 32767 /* options under one Kri */
};

extern char **environ;

static const char *self, *counters_file;
static int kind = SOCK_DGRAM; /* of the sockets that are tortured */

/* --- sockets --- */

static struct sockaddr_in6 local(unsigned int port)
{
    return (struct sockaddr_in6){.sin6_family = AF_INET6,
                                 .sin6_port = htons((uint16_t)port),
                                 .sin6_addr = IN6ADDR_LOOPBACK_INIT};
}

/* Bound to PORT and connected to TO; -1 if the port cannot be had. */
static int open_as(int type, unsigned int port, const struct sockaddr_in6 *to)
{
    struct sockaddr_in6 from = local(port);
    int one = 1, fd = socket(AF_INET6, type, type == SOCK_RAW ? IPPROTO_ICMPV6 : 0);

    if (!IN6_IS_ADDR_LOOPBACK(&to->sin6_addr))
        from.sin6_addr = in6addr_any;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
    if (bind(fd, (const struct sockaddr *)&from, sizeof from) == 0 &&
        connect(fd, (const struct sockaddr *)to, sizeof *to) == 0)
        return fd;
    close(fd);
    return -1;
}

static int open_pair(unsigned int port, const struct sockaddr_in6 *to)
{
    return open_as(SOCK_DGRAM, port, to);
}

/* Whoever closes it resets the connection: its 5-tuple is free at once. Reads wait WAIT_MS. */
static int open_stream(unsigned int port, const struct sockaddr_in6 *to)
{
    const struct linger reset = {1, 0};
    const struct timeval wait = {0, WAIT_MS * 1000};
    int fd = open_as(SOCK_STREAM, port, to);

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    return fd;
}

static void note_failure(void)
{
    switch (errno) {
    case EFAULT:
        counters_add(COUNT_failed_efault);
        break;
    case ECONNREFUSED:
        counters_add(COUNT_failed_econnrefused);
        break;
    case EMSGSIZE:
        counters_add(COUNT_failed_emsgsize);
        break;
    case EAGAIN:
        counters_add(COUNT_failed_eagain);
        break;
    default:
        counters_add(COUNT_failed_other);
    }
}

static void make_echo(void *payload, unsigned int n)
{
    struct icmp6_hdr *echo = payload;

    echo->icmp6_type = ICMP6_ECHO_REQUEST;
    echo->icmp6_id = htons((uint16_t)getpid());
    echo->icmp6_seq = htons((uint16_t)n);
}

/* One datagram, by each of the calls in turn. */
static void send_one(int fd, unsigned int n)
{
    _Alignas(struct icmp6_hdr) char payload[LEN] = "torture";
    struct iovec iov = {payload, sizeof payload};
    struct mmsghdr msg = {.msg_hdr = {.msg_iov = &iov, .msg_iovlen = 1}};
    ssize_t r;

    if (kind == SOCK_RAW)
        make_echo(payload, n);
    switch (n % 4) {
    case 0:
        r = send(fd, payload, sizeof payload, MSG_DONTWAIT);
        break;
    case 1:
        r = sendmsg(fd, &msg.msg_hdr, MSG_DONTWAIT);
        break;
    case 2:
        r = sendmmsg(fd, &msg, 1, MSG_DONTWAIT);
        break;
    default:
        r = writev(fd, &iov, 1);
    }
    if (r < 0)
        note_failure();
    else
        counters_add(COUNT_sends);
}

/* Fails after the option was sealed: the payload cannot be read. */
static void send_nowhere(int fd)
{
    struct iovec iov = {(void *)1, LEN};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

    if (sendmsg(fd, &msg, MSG_DONTWAIT) < 0)
        note_failure();
}

/* Set in a child that a signal handler forked while the main line was sending. */
static volatile sig_atomic_t forked_in_handler;

static unsigned int take_echoes(int fd)
{
    char payload[2 * LEN];
    unsigned int n = 0;

    while (recv(fd, payload, sizeof payload, MSG_DONTWAIT) > 0) {
        counters_add(COUNT_echoes);
        n++;
    }
    return n;
}

/* One answer or, sometimes, more of them. */
static void take_answer(int fd)
{
    char payload[2 * LEN];

    if (read(fd, payload, sizeof payload) > 0)
        counters_add(COUNT_echoes);
}

/* Of COUNT requests each waits for its answer; that gives a stream an option once in a while. */
static void take_turns(int fd, unsigned int count)
{
    for (unsigned int n = 0; n < count; n++) {
        if (n % TURNS == 0)
            usleep(TURN_US);
        send_one(fd, n);
        take_answer(fd);
        if (forked_in_handler && n > PORTION)
            _exit(0);
    }
}

/* COUNT datagrams, WINDOW of them at once; an echo that does not come is not waited for long. */
static void pump(int fd, unsigned int count)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    unsigned int under_way = 0;

    if (kind != SOCK_DGRAM) {
        take_turns(fd, count);
        count = 0;
    }
    for (unsigned int n = 0; n < count; n++) {
        send_one(fd, n);
        if (++under_way < WINDOW)
            continue;
        if (poll(&p, 1, WAIT_MS) <= 0)
            under_way = 0;
        unsigned int got = take_echoes(fd);

        under_way -= got < under_way ? got : under_way;
        if (forked_in_handler && n > PORTION)
            _exit(0);
    }
    if (forked_in_handler)
        _exit(0);
}

/* The peer may have to search for our Kri, and until it has it few options go. */
static void pump_slowly(int fd)
{
    for (unsigned int n = 0; n < SLOW; n++) {
        send_one(fd, n);
        usleep(SLOW_US);
        take_echoes(fd);
    }
}

/* --- tortures: each goes on sending through FD, in every process that there is then --- */

static void wait_for(pid_t pid)
{
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
}

static void by_fork(int fd)
{
    pid_t pid = fork();

    if (pid < 0)
        return;
    pump(fd, PORTION);
    if (pid == 0)
        _exit(0);
    counters_add(COUNT_forks);
    wait_for(pid);
}

static void exec_given(int fd)
{
    char number[12], count[12];
    char *argv[] = {(char *)(uintptr_t)self,
                    (char *)(uintptr_t) "given",
                    (char *)(uintptr_t)counters_file,
                    number,
                    count,
                    NULL};

    snprintf(number, sizeof number, "%d", fd);
    snprintf(count, sizeof count, "%d", PORTION);
    execv(self, argv);
    _exit(1);
}

static void by_vfork_exec(int fd)
{
    pid_t pid = vfork();

    if (pid == 0) {
        send_one(fd, 0);
        send_one(fd, 1);
        exec_given(fd);
    }
    if (pid < 0)
        return;
    counters_add(COUNT_vfork_execs);
    pump(fd, PORTION);
    wait_for(pid);
}

/* Past libc, which thus runs none of what it does at a fork. */
static void by_clone(int fd)
{
    long pid = syscall(SYS_clone, (long)SIGCHLD, 0L, 0L, 0L, 0L);

    if (pid < 0)
        return;
    pump(fd, PORTION);
    if (pid == 0)
        _exit(0);
    counters_add(COUNT_clones);
    wait_for((pid_t)pid);
}

static int pump_in_clone(void *arg)
{
    const int *fd = arg;

    for (unsigned int n = 0; n < PORTION; n++) {
        send_one(*fd, n);
        take_echoes(*fd);
    }
    return 0;
}

/* Two processes in one memory; FLAGS says whether the parent goes on meanwhile. */
static void in_one_memory(int fd, int flags, enum counter which)
{
    char *stack = malloc(STACK);

    if (stack == NULL)
        return;
    pid_t pid = clone(pump_in_clone, stack + STACK, flags | CLONE_VM | SIGCHLD, &fd);

    if (pid > 0) {
        counters_add(which);
        pump(fd, PORTION);
        wait_for(pid);
    }
    free(stack);
}

static void by_clone_vm(int fd)
{
    in_one_memory(fd, 0, COUNT_clone_vms);
}

static void by_clone_vfork(int fd)
{
    in_one_memory(fd, CLONE_VFORK, COUNT_clone_vforks);
}

static void by_spawn(int fd)
{
    char number[12], count[12];
    char *argv[] = {(char *)(uintptr_t)self,
                    (char *)(uintptr_t) "given",
                    (char *)(uintptr_t)counters_file,
                    number,
                    count,
                    NULL};
    pid_t pid;

    snprintf(number, sizeof number, "%d", fd);
    snprintf(count, sizeof count, "%d", PORTION);
    if (posix_spawn(&pid, self, NULL, NULL, argv, environ) != 0)
        return;
    counters_add(COUNT_spawns);
    pump(fd, PORTION);
    wait_for(pid);
}

static volatile sig_atomic_t handler_fd = -1, handler_forks;

static void on_tick(int signal)
{
    int saved = errno;

    (void)signal;
    if (!forked_in_handler && handler_forks < HANDLER_FORKS) {
        pid_t pid = _Fork();

        if (pid == 0) {
            forked_in_handler = 1;
            send_one(handler_fd, 0); /* before the interrupted send goes on */
        } else if (pid > 0) {
            handler_forks = handler_forks + 1;
            counters_add(COUNT_handler_forks);
        }
    }
    send_one(handler_fd, 1);
    errno = saved;
}

static void by_fork_in_handler(int fd)
{
    const struct itimerval tick = {{0, TICK_US}, {0, TICK_US}}, off = {{0, 0}, {0, 0}};
    struct sigaction act = {.sa_handler = on_tick, .sa_flags = SA_RESTART};

    handler_fd = fd;
    handler_forks = 0;
    sigaction(SIGALRM, &act, NULL);
    setitimer(ITIMER_REAL, &tick, NULL);
    for (int i = 0; i < 8 && handler_forks < HANDLER_FORKS; i++)
        pump(fd, BULK);
    setitimer(ITIMER_REAL, &off, NULL);
    while (waitpid(-1, NULL, 0) > 0) {
    }
}

static void *pump_in_thread(void *arg)
{
    const int *fd = arg;

    pump(*fd, PORTION);
    return NULL;
}

static void by_threads(int fd)
{
    pthread_t thread[THREADS];
    int started = 0;

    while (started < THREADS && pthread_create(&thread[started], NULL, pump_in_thread, &fd) == 0)
        started++;
    pump(fd, PORTION);
    for (int i = 0; i < started; i++)
        pthread_join(thread[i], NULL);
    counters_add(COUNT_thread_groups);
}

/* Fails after the option was sealed: longer than the path is now. */
static void send_too_long(int fd)
{
    static const char payload[LEAST_MTU];

    if (send(fd, payload, sizeof payload, MSG_DONTWAIT) < 0)
        note_failure();
}

/* Each failure is at a turn, where a stream has its options; so is the next one that succeeds. */
static void fail_in_turn(int fd)
{
    for (unsigned int n = 0; n < PORTION / TURNS; n++) {
        usleep(TURN_US);
        send_nowhere(fd);
        send_one(fd, n);
        take_answer(fd);
        take_turns(fd, TURNS);
    }
}

static void by_failure(int fd)
{
    int one = 1, zero = 0, mtu = LEAST_MTU;

    if (kind == SOCK_STREAM) {
        fail_in_turn(fd);
        return;
    }
    setsockopt(fd, IPPROTO_IPV6, IPV6_DONTFRAG, &one, sizeof one);
    setsockopt(fd, IPPROTO_IPV6, IPV6_MTU, &mtu, sizeof mtu);
    for (unsigned int n = 0; n < PORTION; n++) {
        send_nowhere(fd);
        send_one(fd, n);
        send_too_long(fd);
        take_echoes(fd);
    }
    setsockopt(fd, IPPROTO_IPV6, IPV6_MTU, &zero, sizeof zero);
    setsockopt(fd, IPPROTO_IPV6, IPV6_DONTFRAG, &zero, sizeof zero);
}

/* --- work --- */

static void (*const tortures[])(int fd) = {by_fork,     by_vfork_exec,  by_clone,
                                           by_clone_vm, by_clone_vfork, by_spawn,
                                           by_threads,  by_failure,     by_fork_in_handler};

#define TORTURES (sizeof tortures / sizeof tortures[0])

struct work {
    unsigned int first_port; /* of this slot */
    struct sockaddr_in6 echo[ECHO_MAX];
    unsigned int echoes;
    int fd[2];
    unsigned int target[2]; /* which echo each is connected to */
    int dark, refused;
};

static uint32_t any(uint32_t below)
{
    uint32_t r;

    if (getrandom(&r, sizeof r, 0) != (ssize_t)sizeof r)
        err(EXIT_FAILURE, "getrandom");
    return r % below;
}

/* The same 5-tuple again, after a close. */
static void reuse(struct work *w, unsigned int i)
{
    close(w->fd[i]);
    w->fd[i] = open_pair(w->first_port + i, &w->echo[w->target[i]]);
    if (w->fd[i] < 0)
        err(EXIT_FAILURE, "port %u cannot be bound again", w->first_port + i);
    counters_add(COUNT_reuses);
    pump(w->fd[i], PORTION);
}

/* The same 5-tuple twice at once. */
static void twin(struct work *w, unsigned int i)
{
    int other = open_pair(w->first_port + i, &w->echo[w->target[i]]);

    if (other < 0)
        err(EXIT_FAILURE, "port %u cannot be bound twice", w->first_port + i);
    pump(other, PORTION / 2);
    pump(w->fd[i], PORTION / 2);
    close(other);
    counters_add(COUNT_twins);
}

/* Sends that the network refuses: a queue that nothing drains, and a port that nobody listens on.
 */
static void refused(const struct work *w)
{
    for (unsigned int n = 0; n < WINDOW; n++) {
        send_one(w->refused, n);
        if (w->dark >= 0)
            send_one(w->dark, 0);
    }
}

static void set_up(struct work *w, char **argv)
{
    struct sockaddr_in6 nobody = local(1), dark = local(7);
    int least = SNDBUF;

    w->first_port = FIRST_PORT + SLOT_PORTS * (unsigned int)atoi(argv[0]);
    w->dark = -1;
    if (inet_pton(AF_INET6, argv[1], &dark.sin6_addr) == 1) {
        w->dark = open_pair(w->first_port + 3, &dark);
        setsockopt(w->dark, SOL_SOCKET, SO_SNDBUF, &least, sizeof least);
    }
    for (argv += 2; *argv != NULL && w->echoes < ECHO_MAX; argv++)
        w->echo[w->echoes++] = local((unsigned int)atoi(*argv));
    w->refused = open_pair(w->first_port + 2, &nobody);
    for (unsigned int i = 0; i < 2; i++) {
        w->target[i] = any(w->echoes);
        w->fd[i] = open_pair(w->first_port + i, &w->echo[w->target[i]]);
        if (w->fd[i] < 0)
            err(EXIT_FAILURE, "port %u", w->first_port + i);
    }
}

/* Each torture on a connection of its own; they have the same few 5-tuples in turn. */
static _Noreturn int turns(char **argv)
{
    struct work w = {.first_port = FIRST_PORT + SLOT_PORTS * (unsigned int)atoi(argv[0])};

    kind = SOCK_STREAM;
    signal(SIGPIPE, SIG_IGN);
    for (argv += 2; *argv != NULL && w.echoes < ECHO_MAX; argv++)
        w.echo[w.echoes++] = local((unsigned int)atoi(*argv));
    for (;;) {
        int fd = open_stream(w.first_port + any(2), &w.echo[any(w.echoes)]);

        if (fd < 0) {
            usleep(TICK_US); /* the echo was killed, or a child still has the port */
            continue;
        }
        counters_add(COUNT_connections);
        take_turns(fd, PORTION);
        tortures[any(TORTURES)](fd);
        close(fd);
    }
}

static _Noreturn int pings(char **argv)
{
    struct sockaddr_in6 to = local(0);

    (void)argv;
    kind = SOCK_RAW;
    for (;;) {
        int fd = open_as(SOCK_RAW, 0, &to);

        if (fd < 0)
            err(EXIT_FAILURE, "a raw socket");
        counters_add(COUNT_pings);
        take_turns(fd, PORTION);
        tortures[any(TORTURES)](fd);
        close(fd);
    }
}

static _Noreturn int work(char **argv)
{
    struct work w = {0};

    set_up(&w, argv);
    for (;;) {
        unsigned int i = any(2);

        pump(w.fd[i], BULK);
        uint32_t what = any(TORTURES + 3);

        if (what < TORTURES)
            tortures[what](w.fd[i]);
        else if (what == TORTURES)
            reuse(&w, i);
        else if (what == TORTURES + 1)
            twin(&w, i);
        else
            refused(&w);
    }
}

/* --- the others --- */

/* What echo() waits for: listeners, then connections, of which each takes the place of one gone. */
struct crowd {
    struct pollfd p[2 * ECHO_MAX + CONNECTIONS];
    nfds_t listeners, all;
};

static int bound_to(int type, unsigned int port)
{
    struct sockaddr_in6 at = local(port);
    int one = 1, fd = socket(AF_INET6, type, 0);

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (const struct sockaddr *)&at, sizeof at) != 0)
        err(EXIT_FAILURE, "port %u", port);
    return fd;
}

static void welcome(struct crowd *c, int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    for (nfds_t i = c->listeners; fd >= 0 && i < c->all; i++)
        if (c->p[i].fd < 0) {
            c->p[i] = (struct pollfd){.fd = fd, .events = POLLIN};
            return;
        }
    if (fd >= 0)
        close(fd);
}

static void answer(struct pollfd *p)
{
    char payload[2 * LEN];
    ssize_t n = recv(p->fd, payload, sizeof payload, MSG_DONTWAIT);

    if (n > 0)
        send(p->fd, payload, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0 || (n < 0 && errno == EAGAIN))
        return;
    close(p->fd);
    p->fd = -1;
}

static void echo_all(int fd)
{
    char payload[2 * LEN];
    struct sockaddr_in6 from;
    socklen_t len = sizeof from;
    ssize_t n;

    while ((n = recvfrom(fd, payload, sizeof payload, MSG_DONTWAIT, (struct sockaddr *)&from,
                         &len)) >= 0) {
        sendto(fd, payload, (size_t)n, MSG_DONTWAIT, (const struct sockaddr *)&from, len);
        len = sizeof from;
    }
}

static int echo(char **argv)
{
    struct crowd c = {0};

    for (; *argv != NULL && c.listeners < 2 * ECHO_MAX; argv++) {
        int stream = bound_to(SOCK_STREAM, (unsigned int)atoi(*argv));

        if (listen(stream, BACKLOG) != 0)
            err(EXIT_FAILURE, "port %s", *argv);
        c.p[c.listeners++] = (struct pollfd){.fd = stream, .events = POLLIN};
        c.p[c.listeners++] = (struct pollfd){.fd = bound_to(SOCK_DGRAM, (unsigned int)atoi(*argv)),
                                             .events = POLLIN};
    }
    for (c.all = c.listeners; c.all < c.listeners + CONNECTIONS; c.all++)
        c.p[c.all].fd = -1;
    for (;;) {
        poll(c.p, c.all, -1);
        for (nfds_t i = 0; i < c.all; i++) {
            if (c.p[i].revents == 0)
                continue;
            if (i >= c.listeners)
                answer(&c.p[i]);
            else if (i % 2 == 0)
                welcome(&c, c.p[i].fd);
            else
                echo_all(c.p[i].fd);
        }
    }
}

static int given(char **argv)
{
    socklen_t len = sizeof kind;

    if (getsockopt(atoi(argv[0]), SOL_SOCKET, SO_TYPE, &kind, &len) != 0)
        err(EXIT_FAILURE, "descriptor %s", argv[0]);
    pump(atoi(argv[0]), (unsigned int)atoi(argv[1]));
    return 0;
}

static const struct {
    const char *name;
    void (*torture)(int fd);
} bursts[] = {{"fork", by_fork}, {"clone", by_clone}, {"failure", by_failure}};

static int burst_of(int fd, char **argv)
{
    if (fd < 0)
        err(EXIT_FAILURE, "port %s", argv[0]);
    pump_slowly(fd);
    pump(fd, (unsigned int)atoi(argv[2]));
    for (size_t i = 0; argv[3] != NULL && i < sizeof bursts / sizeof bursts[0]; i++)
        if (strcmp(argv[3], bursts[i].name) == 0)
            bursts[i].torture(fd);
    close(fd);
    return 0;
}

static int burst(char **argv)
{
    struct sockaddr_in6 to = local((unsigned int)atoi(argv[1]));

    return burst_of(open_pair((unsigned int)atoi(argv[0]), &to), argv);
}

static int asked(char **argv)
{
    struct sockaddr_in6 to = local((unsigned int)atoi(argv[1]));

    kind = SOCK_STREAM;
    return burst_of(open_stream((unsigned int)atoi(argv[0]), &to), argv);
}

#ifdef __x86_64__
/*
 * A send is interrupted after each of its instructions by a handler that forks; the child opens a
 * flow in the handler and then goes on with the interrupted send, in memory that changed under it.
 * The processor's trap flag makes the steps; the kernel clears it while the handler runs.
 */
#define TRAP_FLAG 0x100

static struct {
    long steps;
    long stride;
    long phase;             /* the remainder to fork at */
    long from;              /* the first step to fork at */
    long end;               /* the step to be killed at; 0: none */
    unsigned int port;      /* what a child is bound to is counted from here on */
    struct sockaddr_in6 to; /* whom it sends to */
    int other;              /* its socket */
} stepping;

/* On a tuple that none had before it, so that its Kri is one that the parent's flow has too. */
static void send_in_child(void)
{
    stepping.other = open_pair(stepping.port, &stepping.to);
    send_one(stepping.other, 0);
}

/* What the shim has set on the socket is gone after the send, in the child and in the parent. */
static void must_be_bare(int fd)
{
    char option[2 * LEN];
    socklen_t len = sizeof option;

    if (kind == SOCK_STREAM && getsockopt(fd, IPPROTO_IPV6, IPV6_DSTOPTS, option, &len) == 0 &&
        len != 0)
        abort();
}

static void must_end_well(pid_t pid)
{
    int status = 0;

    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (status != 0)
        abort();
}

static void on_step(int signal, siginfo_t *info, void *context)
{
    ucontext_t *u = context;
    int saved = errno;

    (void)signal;
    (void)info;
    stepping.steps++;
    if (stepping.steps == stepping.end)
        kill(getpid(), SIGTERM);
    if (forked_in_handler)
        u->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
    else if (stepping.steps >= stepping.from &&
             stepping.steps % stepping.stride == stepping.phase) {
        pid_t pid = _Fork();

        stepping.port++;
        if (pid == 0) {
            forked_in_handler = 1;
            send_in_child();
            u->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
        } else if (pid > 0) {
            counters_add(COUNT_stepped_forks);
            must_end_well(pid);
        }
    }
    errno = saved;
}

/* Whoever sealed under a Kri of the child's new flow that was not its own shares it with these. */
static void lease_others(void)
{
    for (int i = 0; i < 2; i++) {
        pid_t pid = fork();

        if (pid == 0) {
            send_one(stepping.other, 0);
            _exit(0);
        }
        wait_for(pid);
    }
}

/* Returns how many instructions it took. Does not return in a child. */
static long send_stepped(int fd)
{
    stepping.steps = 0;
    __asm__ volatile("sub $128, %%rsp\n\tpushfq\n\torq %0, (%%rsp)\n\tpopfq\n\tadd $128, %%rsp"
                     :
                     : "i"(TRAP_FLAG)
                     : "memory", "cc");
    send_one(fd, 0);
    __asm__ volatile("sub $128, %%rsp\n\tpushfq\n\tandq %0, (%%rsp)\n\tpopfq\n\tadd $128, %%rsp"
                     :
                     : "i"(~TRAP_FLAG)
                     : "memory", "cc");
    must_be_bare(fd);
    if (forked_in_handler) {
        send_one(fd, 0);
        must_be_bare(fd);
        send_one(stepping.other, 0);
        lease_others();
        _exit(0);
    }
    take_echoes(fd);
    return stepping.steps;
}

/*
 * Until a send is far longer than ORDINARY: it has changed the Kri. SEALED is how many were sealed
 * under the Kri so far, or less.
 */
static void step_to_the_end(int fd, unsigned int sealed, long ordinary)
{
    pump(fd, PRSEQ_VALUES - sealed - 1);
    for (unsigned int i = 0; i < BULK; i++)
        if (send_stepped(fd) > 2 * ordinary)
            return;
    errx(EXIT_FAILURE, "no Kri came to its end");
}

/* Instructions of an ordinary send, when the peer has caught up. */
static long step_through_ordinary(int fd)
{
    stepping.from = LONG_MAX;
    pump_slowly(fd);
    return send_stepped(fd);
}

/* The first seal of a flow that is open. */
static void step_through_seal(int fd)
{
    static const char long_one[LONG]; /* with an option it would not fit */

    send(fd, long_one, sizeof long_one, MSG_DONTWAIT);
    send_stepped(fd);
}

/*
 * The send that finds the first lease, of one Kri, used up, from about when the agent has answered:
 * with forks before, the request would take longer than a request may.
 */
static void step_through_renewal(int fd)
{
    long ordinary = step_through_ordinary(fd);

    stepping.from = 2 * ordinary;
    step_to_the_end(fd, SLOW, ordinary);
}

/* The send that goes from the first to the second Kri of the next lease. */
static void step_through_next(int fd)
{
    long ordinary = step_through_ordinary(fd);

    step_to_the_end(fd, SLOW, ordinary);
    pump_slowly(fd);
    stepping.from = 0;
    step_to_the_end(fd, SLOW, ordinary);
}

/* A request with an option, which is set before it is sent and cleared afterwards. */
static void step_through_turn(int fd)
{
    (void)fd;
    kind = SOCK_STREAM;
    int stream = open_stream(stepping.port, &stepping.to);

    stepping.from = LONG_MAX;
    take_turns(stream, TURNS);
    long without = send_stepped(stream);

    take_turns(stream, TURNS);
    usleep(TURN_US);
    stepping.from = 0;
    if (send_stepped(stream) < 2 * without)
        errx(EXIT_FAILURE, "what was stepped through had no option");
}

/* A process that shares STREAM is killed after END instructions of a send, or ends by itself. */
static int kill_at(int stream, long end, long without)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        take_turns(stream, 1); /* under a lease of its own */
        usleep(TURN_US);
        stepping.end = end;
        _exit(send_stepped(stream) > 2 * without ? 0 : 1);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    must_be_bare(stream);
    take_echoes(stream);
    return status;
}

/* Ever later in a send with an option: what was set on the socket for it must not stay there. */
static void step_to_a_kill(int fd)
{
    long end = stepping.phase + 1;
    unsigned int in_vain = 0;

    (void)fd;
    kind = SOCK_STREAM;
    int stream = open_stream(stepping.port, &stepping.to);

    stepping.from = LONG_MAX;
    take_turns(stream, TURNS);
    long without = send_stepped(stream);

    for (;;) {
        int status = kill_at(stream, end, without);

        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
            return;
        if (WIFEXITED(status) && ++in_vain > BULK)
            errx(EXIT_FAILURE, "what was stepped through had no option");
        if (WIFEXITED(status))
            continue; /* the agent may have been busy */
        end += stepping.stride;
        counters_add(COUNT_stepped_kills);
    }
}

static const struct {
    const char *name;
    void (*step_through)(int fd);
} sends[] = {{"seal", step_through_seal},
             {"renewal", step_through_renewal},
             {"next", step_through_next},
             {"turn", step_through_turn},
             {"kill", step_to_a_kill}};

static int stepped(char **argv)
{
    struct sigaction act = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};

    stepping.to = local((unsigned int)atoi(argv[1]));
    stepping.port = (unsigned int)atoi(argv[0]);
    stepping.stride = atol(argv[2]);
    stepping.phase = any((uint32_t)stepping.stride);
    int fd = open_pair(stepping.port, &stepping.to);

    if (fd < 0)
        err(EXIT_FAILURE, "port %s", argv[0]);
    sigaction(SIGTRAP, &act, NULL);
    for (size_t i = 0; i < sizeof sends / sizeof sends[0]; i++)
        if (strcmp(argv[3], sends[i].name) == 0)
            sends[i].step_through(fd);
    return 0;
}
#endif

static int print_counters(char **argv)
{
    (void)argv;
    counters_print();
    return 0;
}

static const struct {
    const char *name;
    int least; /* arguments after the name */
    int (*run)(char **argv);
} roles[] = {{"work", 4, work},
             {"turns", 4, turns},
             {"pings", 4, pings},
             {"burst", 4, burst},
             {"asked", 4, asked},
             {"given", 3, given},
             {"counters", 1, print_counters},
#ifdef __x86_64__
             {"stepped", 5, stepped}
#endif
};

int main(int argc, char **argv)
{
    self = argv[0];
    if (argc > 2 && strcmp(argv[1], "echo") == 0)
        return echo(argv + 2);
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++)
        if (argc >= roles[i].least + 2 && strcmp(argv[1], roles[i].name) == 0) {
            counters_file = argv[2];
            counters_open(counters_file);
            return roles[i].run(argv + 3);
        }
    errx(EXIT_FAILURE, "usage: see tests/nonce/torture.c");
}
