/* SPDX-License-Identifier: BSD-2-Clause */
/* What few programs do, each of which could leave an option where none belongs, or die of one.
 *
 *   corners serve ADDRESS PORT      echoes what comes over TCP and UDP, a process each
 *   corners prefork ADDRESS PORT    the same over TCP, by four children that take turns
 *   corners activate ADDRESS PORT   the same by a program that is given its listener
 *   corners CASE ADDRESS PORT       one of the cases below, against such a server
 *
 * A case prints what it saw, which is the same with the library and without. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    CHUNK = 65536,
    FRAME = 600,
    FRAMES = 400, /* of each writer */
    WRITERS = 3,
    READERS = 3,
    EXCHANGES = 10,
    ROUNDS = 40,
    PAUSE_US = 11000, /* options go not more often */
    NOBODY = 65534,
    INHERITED = 3,
    EXIT_USAGE = 2,
};

static struct sockaddr_in6 server;

/* --- what the cases share --- */

static void die(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

static int dial(int type)
{
    int fd = socket(AF_INET6, type | SOCK_CLOEXEC, 0), on = 1;

    if (fd < 0 || connect(fd, (struct sockaddr *)&server, sizeof(server)) != 0) {
        die("corners: connect");
    }
    if (type == SOCK_STREAM) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    return fd;
}

static bool write_all(int fd, const void *data, size_t len)
{
    const unsigned char *at = data;

    while (len > 0) {
        ssize_t n = write(fd, at, len);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        at += n;
        len -= (size_t)n;
    }
    return true;
}

static bool read_all(int fd, void *data, size_t len)
{
    unsigned char *at = data;

    while (len > 0) {
        ssize_t n = read(fd, at, len);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        at += n;
        len -= (size_t)n;
    }
    return true;
}

/* Exchanges by read() and write() alone, which any filter allows. How many came back whole. */
static int exchange(int fd, int count)
{
    unsigned char out[200], in[200];
    int good = 0;

    for (int i = 0; i < count; i++) {
        struct timespec pause = {.tv_nsec = PAUSE_US * 1000L};

        memset(out, i + 1, sizeof(out));
        good += write_all(fd, out, sizeof(out)) && read_all(fd, in, sizeof(in)) &&
                memcmp(in, out, sizeof(in)) == 0;
        (void)nanosleep(&pause, NULL);
    }
    return good;
}

/* Octets of Destination Options that are left on FD, which nobody but the kernel is asked for. */
static int left_over(int fd)
{
    unsigned char options[256];
    socklen_t len = sizeof(options);

    if (syscall(SYS_getsockopt, fd, IPPROTO_IPV6, IPV6_DSTOPTS, options, &len) != 0) {
        return -errno;
    }
    return (int)len;
}

static void say(const char *what, int value)
{
    (void)printf("%s: %d\n", what, value);
    (void)fflush(stdout);
}

/* --- seccomp: a filter that kills for what only somebody else in the process would call --- */

static struct sock_fprog *filter(void)
{
    static const unsigned forbidden[] = {
        SYS_setsockopt, SYS_getsockopt, SYS_recvmsg,          SYS_sendmsg, SYS_ioctl,
        SYS_getpid,     SYS_connect,    SYS_process_vm_readv, SYS_mmap,    SYS_getpeername,
        SYS_ppoll,      SYS_socket,     SYS_getrandom,        SYS_recvfrom};
    enum { N = sizeof(forbidden) / sizeof(forbidden[0]) };
    static struct sock_filter code[N + 4];
    static struct sock_fprog program = {.len = N + 3, .filter = code};

    code[0] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < N; i++) {
        code[i + 1] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, forbidden[i],
                                                   (unsigned char)(N - i), 0);
    }
    code[N + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    code[N + 2] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    return &program;
}

static void install_by_prctl(void)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter()) != 0) {
        die("corners: prctl");
    }
}

static void install_by_syscall(void)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, filter()) != 0) {
        die("corners: seccomp");
    }
}

static void confine(void (*install)(void))
{
    int stream = dial(SOCK_STREAM), datagrams = dial(SOCK_DGRAM);

    say("before, stream", exchange(stream, EXCHANGES));
    say("before, datagrams", exchange(datagrams, EXCHANGES));
    say("left over", left_over(stream));
    install();
    say("after, stream", exchange(stream, EXCHANGES));
    say("after, datagrams", exchange(datagrams, EXCHANGES));
}

static void case_seccomp_prctl(void)
{
    confine(install_by_prctl);
}

static void case_seccomp_syscall(void)
{
    confine(install_by_syscall);
}

static _Atomic bool stop;

static void *exchange_on(void *argument)
{
    int fd = *(int *)argument;
    unsigned char octets[200] = {1};

    while (!atomic_load(&stop)) {
        if (!write_all(fd, octets, sizeof(octets)) || !read_all(fd, octets, sizeof(octets))) {
            return NULL;
        }
    }
    return argument;
}

/* One thread confines all, while others send. */
static void case_seccomp_threads(void)
{
    pthread_t threads[4];
    int fds[4], good = 0;

    for (int i = 0; i < 4; i++) {
        fds[i] = dial(i % 2 == 0 ? SOCK_STREAM : SOCK_DGRAM);
        (void)pthread_create(&threads[i], NULL, exchange_on, &fds[i]);
    }
    (void)usleep(200000);
    /* What the threads are in the middle of must be over: no filter can know. */
    install_by_syscall();
    (void)usleep(200000);
    atomic_store(&stop, true);
    for (int i = 0; i < 4; i++) {
        void *result;

        (void)pthread_join(threads[i], &result);
        good += result != NULL;
    }
    say("threads", good);
}

/* --- one connection, many threads --- */

struct frame {
    uint32_t writer, number;
    unsigned char body[FRAME];
};

static int shared;
static pthread_mutex_t reading = PTHREAD_MUTEX_INITIALIZER, writing = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int whole;
static uint32_t next_of[WRITERS];

static unsigned char octet_of(uint32_t writer, uint32_t number, size_t at)
{
    return (unsigned char)(writer * 31 + number * 7 + at);
}

static void *write_frames(void *argument)
{
    struct frame f = {.writer = (uint32_t)(uintptr_t)argument};

    for (f.number = 0; f.number < FRAMES; f.number++) {
        for (size_t i = 0; i < FRAME; i++) {
            f.body[i] = octet_of(f.writer, f.number, i);
        }
        (void)pthread_mutex_lock(&writing);
        bool sent = write_all(shared, &f, sizeof(f));

        (void)pthread_mutex_unlock(&writing);
        if (!sent) {
            break;
        }
        if (f.number % 16 == 0) {
            (void)usleep(PAUSE_US);
        }
    }
    return NULL;
}

static bool is_whole(const struct frame *f)
{
    if (f->writer >= WRITERS || next_of[f->writer]++ != f->number) {
        return false;
    }
    for (size_t i = 0; i < FRAME; i++) {
        if (f->body[i] != octet_of(f->writer, f->number, i)) {
            return false;
        }
    }
    return true;
}

static void *read_frames(void *argument)
{
    struct frame f;

    (void)argument;
    for (;;) {
        (void)pthread_mutex_lock(&reading);
        bool more = read_all(shared, &f, sizeof(f));

        if (more && is_whole(&f)) {
            atomic_fetch_add(&whole, 1);
        }
        (void)pthread_mutex_unlock(&reading);
        if (!more) {
            return NULL;
        }
    }
}

static void case_threads(void)
{
    pthread_t writers[WRITERS], readers[READERS];

    shared = dial(SOCK_STREAM);
    for (uintptr_t i = 0; i < WRITERS; i++) {
        (void)pthread_create(&writers[i], NULL, write_frames, (void *)i);
    }
    for (int i = 0; i < READERS; i++) {
        (void)pthread_create(&readers[i], NULL, read_frames, NULL);
    }
    for (int i = 0; i < WRITERS; i++) {
        (void)pthread_join(writers[i], NULL);
    }
    (void)shutdown(shared, SHUT_WR);
    for (int i = 0; i < READERS; i++) {
        (void)pthread_join(readers[i], NULL);
    }
    say("whole", atomic_load(&whole));
    say("left over", left_over(shared));
}

/* --- ended in the middle of a send --- */

static void *send_without_end(void *argument)
{
    int fd = *(int *)argument;
    unsigned char octet[10] = {0};

    for (;;) {
        if (send(fd, octet, sizeof(octet), 0) < 0 || read(fd, octet, sizeof(octet)) < 0) {
            return NULL;
        }
    }
}

static void case_cancel(void)
{
    int left = 0;

    for (int i = 0; i < ROUNDS; i++) {
        int fd = dial(SOCK_STREAM);
        pthread_t thread;

        (void)pthread_create(&thread, NULL, send_without_end, &fd);
        (void)usleep((unsigned)(5000 + i * 700));
        (void)pthread_cancel(thread);
        (void)pthread_join(thread, NULL);
        left += left_over(fd) != 0;
        (void)close(fd);
    }
    say("left over", left);
}

/* SIGKILL cannot be held back: an option that it leaves stays until the survivor attaches its own.
 */
static void case_kill(void)
{
    int good = 0;

    for (int i = 0; i < ROUNDS; i++) {
        int fd = dial(SOCK_STREAM);
        pid_t child = fork();

        if (child == 0) {
            (void)send_without_end(&fd);
            _exit(0);
        }
        (void)usleep((unsigned)(5000 + i * 700));
        (void)kill(child, SIGKILL);
        (void)waitpid(child, NULL, 0);
        good += write_all(fd, "x", 1);
        (void)close(fd);
    }
    say("sends after", good);
}

static sigjmp_buf back;

static void jump(int signal_number)
{
    (void)signal_number;
    siglongjmp(back, 1);
}

/* As old programs bound their time: out of whatever is under way. */
static void case_jump(void)
{
    struct sigaction action = {.sa_handler = jump};
    volatile int left = 0;

    (void)sigaction(SIGALRM, &action, NULL);
    for (volatile int i = 0; i < ROUNDS; i++) {
        volatile int fd = dial(SOCK_STREAM);
        struct itimerval once = {.it_value = {.tv_usec = 5000 + i * 700}};
        int copy = fd;

        if (sigsetjmp(back, 1) == 0) {
            (void)setitimer(ITIMER_REAL, &once, NULL);
            (void)send_without_end(&copy);
        }
        left += left_over(fd) != 0;
        (void)close(fd);
    }
    say("left over", left);
}

/* --- handlers that send on the socket they interrupt --- */

static volatile sig_atomic_t sent_by_handler;

static void on_tick(int signal_number)
{
    int saved = errno;

    (void)signal_number;
    sent_by_handler += send(shared, "0123456789", 10, 0) == 10;
    errno = saved;
}

static void case_signals(void)
{
    struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
    struct itimerval each = {.it_value = {.tv_usec = 900}, .it_interval = {.tv_usec = 900}};
    struct itimerval never = {0};
    unsigned char octets[CHUNK];
    size_t sent = 0, came = 0;

    shared = dial(SOCK_STREAM);
    (void)exchange(shared, EXCHANGES);
    (void)sigaction(SIGALRM, &action, NULL);
    (void)setitimer(ITIMER_REAL, &each, NULL);
    for (int i = 0; i < 100 * EXCHANGES; i++) {
        ssize_t n = send(shared, "abcdefghij", 10, 0);

        sent += n > 0 ? (size_t)n : 0;
        n = recv(shared, octets, sizeof(octets), 0);
        came += n > 0 ? (size_t)n : 0;
    }
    (void)setitimer(ITIMER_REAL, &never, NULL);
    sent += (size_t)sent_by_handler * 10;
    (void)shutdown(shared, SHUT_WR);
    for (ssize_t n; (n = recv(shared, octets, sizeof(octets), 0)) > 0;) {
        came += (size_t)n;
    }
    say("all came back", came == sent);
    say("handlers sent", sent_by_handler > 0);
    say("left over", left_over(shared));
}

/* --- privilege dropped while options are attached --- */

static void case_drop(void)
{
    pthread_t threads[4];
    int fds[4], left = 0, good = 0;

    for (int i = 0; i < 4; i++) {
        fds[i] = dial(SOCK_STREAM);
        (void)pthread_create(&threads[i], NULL, exchange_on, &fds[i]);
    }
    (void)usleep(200000);
    if (setresgid(NOBODY, NOBODY, NOBODY) != 0 || setresuid(NOBODY, NOBODY, NOBODY) != 0) {
        die("corners: setresuid");
    }
    (void)usleep(50000);
    /* The capture is looked at from here on. */
    say("dropped", 1);
    (void)usleep(200000);
    atomic_store(&stop, true);
    for (int i = 0; i < 4; i++) {
        void *result;

        (void)pthread_join(threads[i], &result);
        good += result != NULL;
        left += left_over(fds[i]) != 0;
    }
    say("threads", good);
    say("left over", left);
}

/* --- forks while a connection is in use --- */

static void case_forks(void)
{
    int fd = dial(SOCK_STREAM), good = exchange(fd, EXCHANGES);

    for (int i = 0; i < 5; i++) {
        pid_t child = fork();
        int status;

        if (child == 0) {
            _exit(exchange(fd, 3) == 3 ? 0 : 1);
        }
        (void)waitpid(child, &status, 0);
        good += status == 0;
        child = fork();
        if (child == 0) {
            (void)execlp("true", "true", (char *)NULL);
            _exit(1);
        }
        (void)waitpid(child, &status, 0);
        good += status == 0 && exchange(fd, 2) == 2;
    }
    say("good", good);
    say("left over", left_over(fd));
}

/* --- another network, in which the old sockets go on --- */

static void case_network(void)
{
    int stream = dial(SOCK_STREAM), datagrams = dial(SOCK_DGRAM);
    int good = exchange(stream, EXCHANGES) + exchange(datagrams, EXCHANGES), fresh;

    if (unshare(CLONE_NEWNET) != 0) {
        die("corners: unshare");
    }
    good += exchange(stream, EXCHANGES) + exchange(datagrams, EXCHANGES);
    fresh = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    errno = 0;
    say("connect", connect(fresh, (struct sockaddr *)&server, sizeof(server)));
    say("because", errno);
    say("good", good);
    say("left over", left_over(stream));
}

/* --- datagrams of no length, and groups --- */

static void case_datagrams(void)
{
    int fd = dial(SOCK_DGRAM), good = exchange(fd, EXCHANGES);
    unsigned char octet;

    for (int i = 0; i < EXCHANGES; i++) {
        good += send(fd, &octet, 0, 0) == 0 && recv(fd, &octet, 1, 0) == 0;
    }
    say("good", good);
}

static void case_multicast(void)
{
    static const char *const groups[] = {"ff02::1234", "ff05::1234", "ff0e::1234"};
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0), good = 0;
    unsigned index = if_nametoindex("pdm0");
    struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons(9)};

    (void)setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &index, sizeof(index));
    for (int i = 0; i < 3 * EXCHANGES; i++) {
        (void)inet_pton(AF_INET6, groups[i % 3], &to.sin6_addr);
        to.sin6_scope_id = i % 3 == 0 ? index : 0;
        good += sendto(fd, "group", 5, 0, (struct sockaddr *)&to, sizeof(to)) == 5;
    }
    say("sent", good);
}

/* --- servers of other kinds, their client in the same process --- */

static void echo_on(int fd)
{
    unsigned char octets[CHUNK];

    for (ssize_t n; (n = read(fd, octets, sizeof(octets))) > 0;) {
        if (!write_all(fd, octets, (size_t)n)) {
            return;
        }
    }
}

static int listen_at(const struct sockaddr_in6 *address, int type)
{
    int fd = socket(AF_INET6, type, 0), on = 1, off = 0;

    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 ||
        (type == SOCK_STREAM && listen(fd, 64) != 0)) {
        die("corners: listen");
    }
    return fd;
}

static void prefork(int listener, int children)
{
    for (int i = 0; i < children; i++) {
        if (fork() == 0) {
            (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
            for (int fd; (fd = accept(listener, NULL, NULL)) >= 0;) {
                echo_on(fd);
                (void)close(fd);
            }
            _exit(0);
        }
    }
}

/* A listener made before, and children that take turns at it; over IPv4 behind IPv6 too. */
static void case_mapped(void)
{
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(7501)};
    struct sockaddr_in6 mapped = any;
    int listener = listen_at(&any, SOCK_STREAM), fd = socket(AF_INET6, SOCK_STREAM, 0);

    (void)inet_pton(AF_INET6, "::ffff:127.0.0.1", &mapped.sin6_addr);
    prefork(listener, 2);
    if (connect(fd, (struct sockaddr *)&mapped, sizeof(mapped)) != 0) {
        die("corners: connect");
    }
    say("mapped", exchange(fd, EXCHANGES));
    (void)close(fd);
    (void)close(listener);
    (void)kill(0, SIGTERM);
}

static int serve(bool preforks)
{
    int listener = listen_at(&server, SOCK_STREAM), datagrams = listen_at(&server, SOCK_DGRAM);
    unsigned char octets[CHUNK];
    struct sockaddr_in6 from;
    socklen_t len = sizeof(from);

    (void)signal(SIGCHLD, SIG_IGN);
    if (preforks) {
        prefork(listener, 4);
        (void)pause();
    }
    if (fork() == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
        for (ssize_t n;
             (n = recvfrom(datagrams, octets, CHUNK, 0, (struct sockaddr *)&from, &len)) >= 0;) {
            (void)sendto(datagrams, octets, (size_t)n, 0, (struct sockaddr *)&from, len);
            len = sizeof(from);
        }
        _exit(0);
    }
    for (int fd; (fd = accept(listener, NULL, NULL)) >= 0; (void)close(fd)) {
        if (fork() == 0) {
            (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
            echo_on(fd);
            _exit(0);
        }
    }
    return EXIT_FAILURE;
}

static int serve_inherited(void)
{
    for (int fd; (fd = accept4(INHERITED, NULL, NULL, SOCK_CLOEXEC)) >= 0; (void)close(fd)) {
        echo_on(fd);
    }
    return EXIT_FAILURE;
}

/* As a service manager does: the listener is made, and the program that serves is run with it. */
static int activate(char **argv)
{
    int listener = listen_at(&server, SOCK_STREAM);

    if (dup2(listener, INHERITED) != INHERITED) {
        die("corners: dup2");
    }
    if (listener != INHERITED) {
        (void)close(listener);
    }
    (void)setenv("LISTEN_FDS", "1", 1);
    argv[1] = "inherited";
    (void)execv(argv[0], argv);
    return EXIT_FAILURE;
}

static void case_exchange(void)
{
    int fd = dial(SOCK_STREAM);

    say("good", exchange(fd, 2 * EXCHANGES));
    say("left over", left_over(fd));
}

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    {"seccomp-prctl", case_seccomp_prctl},
    {"seccomp-syscall", case_seccomp_syscall},
    {"seccomp-threads", case_seccomp_threads},
    {"threads", case_threads},
    {"cancel", case_cancel},
    {"kill", case_kill},
    {"jump", case_jump},
    {"signals", case_signals},
    {"drop", case_drop},
    {"forks", case_forks},
    {"network", case_network},
    {"datagrams", case_datagrams},
    {"multicast", case_multicast},
    {"mapped", case_mapped},
    {"exchange", case_exchange},
};

int main(int argc, char **argv)
{
    server.sin6_family = AF_INET6;
    if (argc != 4 || inet_pton(AF_INET6, argv[2], &server.sin6_addr) != 1) {
        (void)fputs("usage: corners serve|prefork|activate|CASE ADDRESS PORT\n", stderr);
        return EXIT_USAGE;
    }
    server.sin6_port = htons((in_port_t)strtoul(argv[3], NULL, 10));
    (void)signal(SIGPIPE, SIG_IGN);
    if (strcmp(argv[1], "serve") == 0 || strcmp(argv[1], "prefork") == 0) {
        return serve(argv[1][0] == 'p');
    }
    if (strcmp(argv[1], "activate") == 0) {
        return activate(argv);
    }
    if (strcmp(argv[1], "inherited") == 0) {
        return serve_inherited();
    }
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (strcmp(argv[1], cases[i].name) == 0) {
            cases[i].run();
            return EXIT_SUCCESS;
        }
    }
    return EXIT_USAGE;
}
