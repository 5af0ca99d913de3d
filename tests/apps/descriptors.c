/* SPDX-License-Identifier: BSD-2-Clause */
/* What programs do with descriptors, beside what they do with sockets: numbers that change hands
 * unseen, duplicates, closing everything, forks of every kind, sockets handed to others, threads
 * and signal handlers on one socket.
 *
 *   descriptors ADDRESS PORT    against a UDP echo server there
 *   descriptors inherit FD      (for itself) says what a program finds on a socket it was given
 *   descriptors receive FD      (for itself) the same for a socket received over the Unix socket FD
 *
 * Exit status 77: all that could be tried was right, but the machine refused to let something be
 * tried (it is named in the output). Two runs print the same lines. Each case that ends the world
 * for its process runs in a child. */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    EXIT_USAGE = 2,
    EXIT_NOT_ALL_TRIED = 77,
    ERRNO_SENTINEL = EOWNERDEAD,
    WAIT_MS = 2000,
    TAG_MAX = 64,
    FIRST_FREE = 3,
    EVERYTHING = 65536,
    OPEN_LIMIT = 1048576,
    HIGH_FD = 1000000,
    GROWTH_KIB = 1024,
    MAIN_SENDS = 2000,
    HANDLER_SENDS_MIN = 100,
    TIMER_US = 1000,
    FORK_SENDS = 200,
    FORK_PACE_US = 300,
    THREADS = 4,
    THREAD_SENDS = 500,
    STACK_OCTETS = 256 * 1024,
    NOBODY = 65534,
};

static struct sockaddr_storage echo_address;
static socklen_t echo_len;
static char self[4096];
static bool not_all_tried;

static const char *error_name(int err)
{
    return err == ERRNO_SENTINEL ? "kept" : strerrorname_np(err);
}

/* One call: what it gave, and whether a success left errno alone. */
static void say(const char *what, ssize_t ret)
{
    int err = errno;

    (void)printf("%s: %zd %s\n", what, ret, error_name(err));
    (void)fflush(stdout);
}

#define SAY(what, call)                                                                            \
    do {                                                                                           \
        errno = ERRNO_SENTINEL;                                                                    \
        say((what), (ssize_t)(call));                                                              \
    } while (0)

static int dial(void)
{
    int fd = socket(AF_INET6, SOCK_DGRAM, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&echo_address, echo_len) != 0) {
        SAY("dial", -1);
    }
    return fd;
}

static bool comes(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};

    return poll(&ready, 1, WAIT_MS) == 1 && (ready.revents & POLLIN) != 0;
}

/* One round trip, with its errors in place of it. */
static const char *round_trip(int fd, const char *tag)
{
    char back[TAG_MAX];
    size_t len = strlen(tag);
    ssize_t got;

    errno = ERRNO_SENTINEL;
    if (send(fd, tag, len, 0) != (ssize_t)len) {
        return strerrorname_np(errno);
    }
    if (!comes(fd)) {
        return "no answer";
    }
    got = recv(fd, back, sizeof(back), 0);
    if (got < 0) {
        return strerrorname_np(errno);
    }
    if (errno != ERRNO_SENTINEL) {
        return "errno changed";
    }
    return (size_t)got == len && memcmp(back, tag, len) == 0 ? "echoed" : "another's answer";
}

static void echo(const char *name, int fd)
{
    (void)printf("%s: %s\n", name, round_trip(fd, name));
    (void)fflush(stdout);
}

/* Prints how a child ended; returns its exit status, -1 if it has none. */
static int say_exit(const char *name, pid_t child)
{
    int status = 0;
    int code = -1;

    if (child < 0 || waitpid(child, &status, 0) != child) {
        SAY(name, -1);
    } else if (WIFSIGNALED(status)) {
        (void)printf("%s: signal %d\n", name, WTERMSIG(status));
    } else {
        code = WEXITSTATUS(status);
        (void)printf("%s: exit %d\n", name, code);
    }
    (void)fflush(stdout);
    return code;
}

static int in_child(const char *name, void (*run)(int fd), int fd)
{
    pid_t child = fork();

    if (child == 0) {
        run(fd);
        _exit(EXIT_SUCCESS);
    }
    return say_exit(name, child);
}

/* ------------------------------------------------------------- numbers reused unseen */

static void use_as_file(const char *name, int fd)
{
    char got[TAG_MAX] = {0};
    struct iovec iov = {.iov_base = got, .iov_len = 3};

    (void)printf("%s\n", name);
    SAY("write", write(fd, "file", 4));
    SAY("lseek", lseek(fd, 0, SEEK_SET));
    SAY("read", read(fd, got, sizeof(got)));
    SAY("writev", writev(fd, &iov, 1));
    SAY("pread", pread(fd, got, sizeof(got), 0));
    SAY("lseek", lseek(fd, 0, SEEK_SET));
    SAY("readv", readv(fd, &iov, 1));
    SAY("send", send(fd, "x", 1, 0));
    SAY("recv", recv(fd, got, sizeof(got), 0));
    SAY("getsockname", getsockname(fd, NULL, NULL));
    (void)printf("content %s\n", got);
}

static void close_stream(int fd)
{
    FILE *stream = fdopen(fd, "r+");

    if (stream == NULL || fclose(stream) != 0) {
        SAY("fclose", -1);
    }
}

static void reused(void)
{
    int fd = dial();
    int next;
    int fds[2];

    echo("before fclose", fd);
    close_stream(fd);
    next = memfd_create("reused", MFD_CLOEXEC);
    (void)printf("same number: %s\n", next == fd ? "yes" : "no");
    use_as_file("a file after fclose", next);
    (void)close(next);

    fd = dial();
    echo("before fclose again", fd);
    close_stream(fd);
    if (pipe(fds) == 0) {
        char got[TAG_MAX];

        (void)printf("same number: %s\n", fds[0] == fd ? "yes" : "no");
        SAY("pipe write", write(fds[1], "pipe", 4));
        SAY("pipe read", read(fds[0], got, sizeof(got)));
        (void)close(fds[0]);
        (void)close(fds[1]);
    }

    /* The same number, another socket, with other options: nothing of the first may stick. */
    fd = dial();
    echo("first socket", fd);
    close_stream(fd);
    next = dial();
    (void)printf("same number: %s\n", next == fd ? "yes" : "no");
    echo("second socket", next);
    echo("second socket again", next);
    (void)close(next);
    SAY("second close", close(next));
    fd = socket(AF_INET6, SOCK_STREAM, 0);
    SAY("stream socket there", send(fd, "x", 1, MSG_NOSIGNAL));
    (void)close(fd);
}

/* --------------------------------------------------------------------- duplicates */

static void duplicates(void)
{
    int fd = dial();
    int other = dial();
    int file = memfd_create("file", 0);
    int copy;

    echo("original", fd);
    copy = dup(fd);
    echo("dup", copy);
    SAY("close original", close(fd));
    echo("dup alone", copy);
    SAY("dup2 to itself", dup2(copy, copy) == copy);
    echo("after dup2 to itself", copy);
    SAY("dup2 of nothing", dup2(-1, copy));
    SAY("dup3 to itself", dup3(copy, copy, 0));
    SAY("dup3 with wrong flags", dup3(copy, 50, 1));
    echo("after refused dups", copy);
    fd = fcntl(copy, F_DUPFD, 100);
    (void)printf("F_DUPFD: %d flags %d\n", fd, fcntl(fd, F_GETFD));
    echo("F_DUPFD", fd);
    (void)close(fd);
    fd = fcntl(copy, F_DUPFD_CLOEXEC, 200);
    (void)printf("F_DUPFD_CLOEXEC: %d flags %d\n", fd, fcntl(fd, F_GETFD));
    echo("F_DUPFD_CLOEXEC", fd);
    SAY("dup3 over it", dup3(other, fd, O_CLOEXEC));
    echo("the other, through its number", fd);
    echo("the other", other);
    SAY("file over a socket", dup2(file, fd) == fd);
    use_as_file("socket became a file", fd);
    SAY("socket over a file", dup2(copy, file) == file);
    echo("file became a socket", file);
    SAY("dup2 far up", dup2(copy, 1000));
    echo("far up", 1000);
    (void)close(1000);
    (void)close(fd);
    (void)close(other);
    (void)close(file);
    (void)close(copy);
}

/* ------------------------------------------------------------------ closing it all */

static void range_all(int fd)
{
    SAY("close_range", close_range(FIRST_FREE, ~0U, 0));
    echo("closed socket", fd);
    fd = dial();
    (void)printf("new socket is %d\n", fd);
    echo("new socket", fd);
    echo("new socket again", fd);
}

static void range_unshare(int fd)
{
    SAY("close_range unshare", close_range(FIRST_FREE, ~0U, CLOSE_RANGE_UNSHARE));
    echo("closed socket", fd);
    echo("new socket", dial());
}

static void range_cloexec(int fd)
{
    SAY("close_range cloexec", close_range(FIRST_FREE, ~0U, CLOSE_RANGE_CLOEXEC));
    (void)printf("flags %d\n", fcntl(fd, F_GETFD));
    echo("socket to be closed on exec", fd);
    SAY("close_range one", close_range((unsigned)fd, (unsigned)fd, 0));
    echo("closed socket", fd);
}

static void range_wrong(int fd)
{
    SAY("close_range backwards", close_range(5, 3, 0));
    SAY("close_range wrong flags", close_range(3, 5, 0x80));
    SAY("close_range far away", close_range(0x7fffffffU, ~0U, 0));
    SAY("close_range by syscall", syscall(SYS_close_range, 900U, ~0U, 0));
    echo("socket", fd);
}

static void from_three(int fd)
{
    closefrom(FIRST_FREE);
    echo("closed socket", fd);
    echo("new socket", dial());
}

static void loop_all(int fd)
{
    int closed = 0;

    for (int i = FIRST_FREE; i < EVERYTHING; i++) {
        closed += close(i) == 0;
    }
    (void)printf("closed %d\n", closed);
    echo("closed socket", fd);
    fd = dial();
    (void)printf("new socket is %d\n", fd);
    echo("new socket", fd);
    echo("new socket again", fd);
}

static void at_zero(int fd)
{
    (void)close(STDIN_FILENO);
    SAY("socket on number", dup(fd));
    (void)close(fd);
    echo("standard input", STDIN_FILENO);
    echo("standard input again", STDIN_FILENO);
}

static void closing(void)
{
    static const struct {
        const char *name;
        void (*run)(int fd);
    } ways[] = {
        {"close_range all", range_all},
        {"close_range unshare", range_unshare},
        {"close_range cloexec", range_cloexec},
        {"close_range wrong", range_wrong},
        {"closefrom", from_three},
        {"close in a loop", loop_all},
        {"standard input", at_zero},
    };
    int fd = dial();

    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        echo("before", fd);
        (void)in_child(ways[i].name, ways[i].run, fd);
        echo("after", fd);
    }
    (void)close(fd);
}

/* ------------------------------------------------------------------- a high number */

static long resident_kib(void)
{
    FILE *status = fopen("/proc/self/status", "re");
    char text[256];
    long kib = -1;

    while (status != NULL && fgets(text, sizeof(text), status) != NULL) {
        if (strncmp(text, "VmRSS:", 6) == 0) {
            kib = strtol(text + 6, NULL, 10);
        }
    }
    if (status != NULL) {
        (void)fclose(status);
    }
    return kib;
}

/* The limit that this process may have: the one wanted, or as much of it as the machine allows. */
static int raise_limit(void)
{
    struct rlimit limit = {OPEN_LIMIT, OPEN_LIMIT};

    if (setrlimit(RLIMIT_NOFILE, &limit) == 0) {
        return OPEN_LIMIT;
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return 0;
    }
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? (int)limit.rlim_max : 0;
}

static void high_number(int fd)
{
    int limit = raise_limit();
    int number = limit > HIGH_FD ? HIGH_FD : limit - 2;
    const char *worked = "not tried";
    long before;

    echo("low", fd);
    before = resident_kib();
    SAY("dup2", dup2(fd, number));
    for (int i = 0; i < 3; i++) {
        worked = round_trip(number, "high");
        (void)printf("high: %s\n", worked);
    }
    SAY("dup2 highest", dup2(fd, limit - 1));
    echo("highest", limit - 1);
    SAY("dup2 beyond", dup2(fd, limit));
    SAY("send beyond", send(limit, "x", 1, 0));
    SAY("close high", close(number));
    SAY("close_range high", close_range((unsigned)number, ~0U, 0));
    /* Of a number that could not be used, memory says nothing. */
    if (strcmp(worked, "echoed") == 0 && before > 0) {
        (void)printf("memory grew by less than %d KiB: %s\n", (int)GROWTH_KIB,
                     resident_kib() - before < GROWTH_KIB ? "yes" : "no");
    }
    echo("low again", fd);
    if (limit < OPEN_LIMIT) {
        (void)printf("NOT TRIED: a limit of %d is refused here, %d was used\n", (int)OPEN_LIMIT,
                     limit);
        (void)fflush(stdout);
        _exit(EXIT_NOT_ALL_TRIED);
    }
}

static void high(void)
{
    int fd = dial();

    if (in_child("high number", high_number, fd) == EXIT_NOT_ALL_TRIED) {
        not_all_tried = true;
    }
    (void)close(fd);
}

/* ---------------------------------------------------------------- a signal handler */

static volatile sig_atomic_t handler_sends;
static volatile sig_atomic_t handler_fd;

static void on_timer(int signal_number)
{
    (void)signal_number;
    /* errno is left to the call: a success must not touch it, in a handler above all. */
    if (sendto(handler_fd, "H", 1, 0, NULL, 0) == 1) {
        handler_sends++;
    }
}

struct tally {
    unsigned main_line;
    unsigned handler;
    unsigned wrong;
};

static void take_one(int fd, struct tally *tally)
{
    char got[TAG_MAX];
    ssize_t len = recv(fd, got, sizeof(got), MSG_DONTWAIT);

    if (len == 1 && got[0] == 'H') {
        tally->handler++;
    } else if (len == 2 && got[0] == 'M') {
        tally->main_line++;
    } else if (len >= 0) {
        tally->wrong++;
    }
}

static void signals(void)
{
    struct sigaction action = {.sa_handler = on_timer, .sa_flags = SA_RESTART};
    struct sigaction before;
    struct itimerval every = {{0, TIMER_US}, {0, TIMER_US}};
    struct itimerval never = {{0, 0}, {0, 0}};
    struct tally tally = {0};
    unsigned errno_changed = 0;
    unsigned sent = 0;
    int fd = dial();

    handler_fd = fd;
    handler_sends = 0;
    (void)sigaction(SIGALRM, &action, &before);
    (void)setitimer(ITIMER_REAL, &every, NULL);
    while (sent < MAIN_SENDS || handler_sends < HANDLER_SENDS_MIN) {
        errno = ERRNO_SENTINEL;
        if (send(fd, "Mm", 2, 0) == 2) {
            sent++;
            errno_changed += errno != ERRNO_SENTINEL;
        }
        while (tally.main_line < sent && comes(fd)) {
            take_one(fd, &tally);
        }
    }
    (void)setitimer(ITIMER_REAL, &never, NULL);
    (void)sigaction(SIGALRM, &before, NULL);
    while (tally.handler < (unsigned)handler_sends && comes(fd)) {
        take_one(fd, &tally);
    }
    (void)printf("handler: main line %s, handler %s, wrong %u, errno changed %u\n",
                 tally.main_line == sent ? "complete" : "incomplete",
                 tally.handler == (unsigned)handler_sends ? "complete" : "incomplete", tally.wrong,
                 errno_changed);
    (void)close(fd);
}

/* ---------------------------------------------------------------- forks of all kinds */

static void echo_twice(int fd)
{
    echo("child", fd);
    echo("child again", fd);
    echo("child's own", dial());
}

static int echo_in_clone(void *argument)
{
    echo_twice(*(int *)argument);
    return 0;
}

static void clone_with(const char *name, int flags, int fd)
{
    char *stack = mmap(NULL, STACK_OCTETS, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);

    if (stack == MAP_FAILED) {
        SAY("mmap", -1);
        return;
    }
    (void)say_exit(name, clone(echo_in_clone, stack + STACK_OCTETS, flags | SIGCHLD, &fd));
    (void)munmap(stack, STACK_OCTETS);
}

/* Both sides of a fork at once: the child sends, the parent sends and reads every answer. */
static void fork_together(int fd)
{
    unsigned from_child = 0;
    unsigned from_parent = 0;
    unsigned wrong = 0;
    pid_t child = fork();

    if (child == 0) {
        for (int i = 0; i < FORK_SENDS; i++) {
            (void)send(fd, "C", 1, 0);
            (void)usleep(FORK_PACE_US);
        }
        _exit(EXIT_SUCCESS);
    }
    for (int i = 0; i < 2 * FORK_SENDS && comes(fd); i++) {
        char got[TAG_MAX];
        ssize_t len = recv(fd, got, sizeof(got), 0);

        from_child += len == 1 && got[0] == 'C';
        from_parent += len == 1 && got[0] == 'P';
        wrong += len != 1;
        if (i < FORK_SENDS) {
            (void)send(fd, "P", 1, 0);
        }
    }
    (void)printf("together: child %u, parent %u, wrong %u\n", from_child, from_parent, wrong);
    (void)say_exit("together", child);
}

static void forks(void)
{
    int fd = dial();
    pid_t child;

    echo("before fork", fd);
    (void)in_child("fork", echo_twice, fd);
    echo("after fork", fd);
    child = _Fork();
    if (child == 0) {
        echo_twice(fd);
        _exit(EXIT_SUCCESS);
    }
    (void)say_exit("_Fork", child);
    echo("after _Fork", fd);
    child = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0L);
    if (child == 0) {
        echo_twice(fd);
        _exit(EXIT_SUCCESS);
    }
    (void)say_exit("raw clone", child);
    echo("after raw clone", fd);
    clone_with("clone", 0, fd);
    echo("after clone", fd);
    clone_with("clone sharing memory", CLONE_VM | CLONE_VFORK, fd);
    echo("after clone sharing memory", fd);
    clone_with("clone sharing files", CLONE_FILES, fd);
    echo("after clone sharing files", fd);
    fork_together(fd);
    echo("after all forks", fd);
    (void)close(fd);
}

/* ----------------------------------------------------------- handed to other programs */

static void say_option(int fd, int level, int option, const char *name)
{
    int value = -1;
    socklen_t len = sizeof(value);
    int ret = getsockopt(fd, level, option, &value, &len);

    (void)printf(" %s=%d/%d", name, ret, value);
}

static void read_bare(int fd, const char *name)
{
    char data[TAG_MAX];
    struct iovec iov = {.iov_base = data, .iov_len = sizeof(data)};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t got = comes(fd) ? recvmsg(fd, &msg, 0) : -1;

    (void)printf("  %s: %zd flags %#x control %zu\n", name, got, (unsigned)msg.msg_flags,
                 (size_t)msg.msg_controllen);
}

/* The view of whoever is given the socket: no option that its giver did not set. */
static int inherited(int fd)
{
    (void)printf("  given:");
    say_option(fd, IPPROTO_IPV6, IPV6_RECVDSTOPTS, "RECVDSTOPTS");
    say_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, "RECVPKTINFO");
    say_option(fd, SOL_SOCKET, SO_TIMESTAMP, "TIMESTAMP");
    say_option(fd, SOL_SOCKET, SO_TIMESTAMPNS, "TIMESTAMPNS");
    say_option(fd, SOL_SOCKET, SO_TIMESTAMPING, "TIMESTAMPING");
    say_option(fd, IPPROTO_IPV6, IPV6_DSTOPTS, "DSTOPTS");
    (void)printf("\n");
    /* One datagram was left waiting by the giver, one is asked for here. */
    read_bare(fd, "waiting");
    if (send(fd, "given", 5, 0) == 5) {
        read_bare(fd, "answer");
    }
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void leave_waiting(int fd)
{
    echo("giver", fd);
    echo("giver again", fd);
    (void)send(fd, "waiting", 7, 0);
    (void)comes(fd);
}

enum way { BY_FORK, BY_VFORK, BY_SPAWN, BY_SPAWN_DUP, BY_SYSCALL, WAYS };

static pid_t hand_over(enum way way, char **arguments, char **environment, int fd)
{
    posix_spawn_file_actions_t actions;
    pid_t child = -1;

    switch (way) {
    case BY_FORK:
        child = fork();
        if (child == 0) {
            (void)execve(self, arguments, environment);
            _exit(EXIT_FAILURE);
        }
        return child;
    case BY_VFORK:
        child = vfork(); /* NOLINT(clang-analyzer-security.insecureAPI.vfork): what is tested */
        if (child == 0) {
            (void)execve(self, arguments, environment);
            _exit(EXIT_FAILURE);
        }
        return child;
    case BY_SPAWN:
        return posix_spawn(&child, self, NULL, NULL, arguments, environment) == 0 ? child : -1;
    case BY_SPAWN_DUP:
        (void)posix_spawn_file_actions_init(&actions);
        (void)posix_spawn_file_actions_adddup2(&actions, fd, 77);
        arguments[2] = (char[]){"77"};
        if (posix_spawn(&child, self, &actions, NULL, arguments, environment) != 0) {
            child = -1;
        }
        (void)posix_spawn_file_actions_destroy(&actions);
        return child;
    default:
        child = fork();
        if (child == 0) {
            (void)syscall(SYS_execve, self, arguments, environment);
            _exit(EXIT_FAILURE);
        }
        return child;
    }
}

/* Each way to start a program, with the environment and without it: in the second case nothing of
 * what surrounds this program comes along, and the child sees the socket as the kernel has it. */
static void hands(void)
{
    static const char *const names[WAYS] = {"fork and exec", "vfork and exec", "posix_spawn",
                                            "posix_spawn with dup2", "raw exec"};
    char *no_environment[] = {NULL};

    for (enum way way = BY_FORK; way < WAYS; way++) {
        for (int bare = 0; bare <= 1; bare++) {
            int fd = dial();
            char number[16];
            char *arguments[] = {self, (char[]){"inherit"}, number, NULL};

            (void)snprintf(number, sizeof(number), "%d", fd);
            leave_waiting(fd);
            (void)fflush(stdout);
            (void)say_exit(names[way],
                           hand_over(way, arguments, bare != 0 ? no_environment : environ, fd));
            echo("giver after", fd);
            echo("giver after again", fd);
            (void)close(fd);
        }
    }
    /* A program that is not there: everything goes on as before. */
    {
        char *nothing[] = {(char[]){"nothing"}, NULL};
        int fd = dial();

        leave_waiting(fd);
        read_bare(fd, "own");
        SAY("execve of nothing", execve("/nonexistent/program", nothing, environ));
        echo("after failed exec", fd);
        echo("after failed exec again", fd);
        (void)close(fd);
    }
}

static bool pass_socket(int channel, int fd)
{
    union {
        struct cmsghdr align;
        char octets[CMSG_SPACE(sizeof(int))];
    } control = {.octets = {0}};
    struct iovec iov = {.iov_base = (char[]){"s"}, .iov_len = 1};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.octets};

    msg.msg_controllen = sizeof(control.octets);
    control.align.cmsg_level = SOL_SOCKET;
    control.align.cmsg_type = SCM_RIGHTS;
    control.align.cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(&control.align), &fd, sizeof(fd));
    return sendmsg(channel, &msg, 0) == 1;
}

static int take_socket(int channel, int flags)
{
    union {
        struct cmsghdr align;
        char octets[CMSG_SPACE(sizeof(int))];
    } control = {.octets = {0}};
    char data;
    struct iovec iov = {.iov_base = &data, .iov_len = 1};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.octets};
    int fd = -1;

    msg.msg_controllen = sizeof(control.octets);
    if (recvmsg(channel, &msg, flags) == 1 && CMSG_FIRSTHDR(&msg) != NULL) {
        memcpy(&fd, CMSG_DATA(&control.align), sizeof(fd));
    }
    return fd;
}

static int received(int channel)
{
    int fd = take_socket(channel, 0);

    return fd < 0 ? EXIT_FAILURE : inherited(fd);
}

static void rights(void)
{
    char *no_environment[] = {NULL};

    for (int bare = 0; bare <= 1; bare++) {
        int fds[2];
        int fd = dial();
        int copy;
        char number[16];
        char *arguments[] = {self, (char[]){"receive"}, number, NULL};

        if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0) {
            return;
        }
        (void)snprintf(number, sizeof(number), "%d", fds[1]);
        leave_waiting(fd);
        (void)fflush(stdout);
        SAY("passed", pass_socket(fds[0], fd));
        (void)say_exit("received",
                       hand_over(BY_FORK, arguments, bare != 0 ? no_environment : environ, fd));
        echo("passer after", fd);
        /* To itself, looked at first: each look makes a descriptor of its own. */
        SAY("passed to itself", pass_socket(fds[0], fd));
        copy = take_socket(fds[1], MSG_PEEK);
        echo("looked at", copy);
        (void)close(copy);
        copy = take_socket(fds[1], MSG_CMSG_CLOEXEC);
        (void)printf("flags %d\n", fcntl(copy, F_GETFD));
        (void)close(fd);
        echo("received back", copy);
        (void)close(copy);
        (void)close(fds[0]);
        (void)close(fds[1]);
    }
}

/* ------------------------------------------------------------------------- threads */

struct worker {
    pthread_t thread;
    int fd;
    char letter;
    unsigned taken;
    unsigned wrong;
};

static void *work(void *argument)
{
    struct worker *worker = argument;

    for (int i = 0; i < THREAD_SENDS; i++) {
        char got[TAG_MAX];
        ssize_t len;

        (void)send(worker->fd, &worker->letter, 1, 0);
        len = recv(worker->fd, got, sizeof(got), 0);
        worker->taken += len == 1;
        worker->wrong += len != 1 || got[0] < 'a' || got[0] >= 'a' + THREADS;
    }
    return NULL;
}

static void threads(void)
{
    struct timeval bound = {.tv_sec = WAIT_MS / 1000};
    struct worker workers[THREADS] = {0};
    unsigned taken = 0;
    unsigned wrong = 0;
    int fd = dial();

    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof(bound));
    for (int i = 0; i < THREADS; i++) {
        workers[i].fd = fd;
        workers[i].letter = (char)('a' + i);
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0) {
            exit(EXIT_FAILURE);
        }
    }
    for (int i = 0; i < THREADS; i++) {
        (void)pthread_join(workers[i].thread, NULL);
        taken += workers[i].taken;
        wrong += workers[i].wrong;
    }
    (void)printf("threads: %u of %d, wrong %u\n", taken, THREADS * THREAD_SENDS, wrong);
    echo("after threads", fd);
    (void)close(fd);
}

/* ------------------------------------------------------------ rights lost on the way */

static void drop_user(int fd)
{
    echo("root", fd);
    SAY("setresuid", setresuid(NOBODY, NOBODY, NOBODY));
    echo("nobody", fd);
    echo("nobody again", fd);
    echo("nobody's own", dial());
}

/* A filter as Debian's sshd uses for its child: plain sends and reads, none of the richer calls. */
static void seccomp_filter(int fd)
{
    static const unsigned refused[] = {
        SYS_sendmsg,     SYS_recvmsg, SYS_sendmmsg, SYS_recvmmsg, SYS_setsockopt, SYS_getsockopt,
        SYS_getsockname, SYS_socket,  SYS_connect,  SYS_mmap,     SYS_openat,     SYS_ioctl};
    enum { REFUSED = sizeof(refused) / sizeof(refused[0]) };
    struct sock_filter code[REFUSED * 2 + 2];
    struct sock_fprog program = {.len = REFUSED * 2 + 2, .filter = code};

    code[0] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (unsigned i = 0; i < REFUSED; i++) {
        code[1 + 2 * i] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, refused[i], 0, 1);
        code[2 + 2 * i] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    }
    /* cppcheck-suppress unreadVariable ; the kernel reads it through program */
    code[REFUSED * 2 + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    echo("before the filter", fd);
    echo("before the filter again", fd);
    SAY("no new privileges", prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL));
    SAY("filter", prctl(PR_SET_SECCOMP, (unsigned long)SECCOMP_MODE_FILTER, &program, 0UL, 0UL));
    echo("behind the filter", fd);
    echo("behind the filter again", fd);
}

static void seccomp_by_syscall(int fd)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_recvmsg, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sendmsg, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

    echo("before the filter", fd);
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL);
    SAY("filter", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0UL, &program));
    echo("behind the filter", fd);
    echo("behind the filter again", fd);
}

static void restrictions(void)
{
    int fd = dial();

    (void)in_child("without root", drop_user, fd);
    (void)in_child("behind a filter", seccomp_filter, fd);
    (void)in_child("behind a filter by syscall", seccomp_by_syscall, fd);
    echo("unrestricted", fd);
    (void)close(fd);
}

/* ---------------------------------------------------------------------------- main */

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    {"numbers reused", reused},     {"duplicates", duplicates}, {"closing", closing},
    {"a high number", high},        {"a handler", signals},     {"forks", forks},
    {"other programs", hands},      {"rights", rights},         {"threads", threads},
    {"restrictions", restrictions},
};

static bool find_echo(const char *address, const char *port)
{
    struct addrinfo hints = {.ai_family = AF_INET6, .ai_socktype = SOCK_DGRAM};
    struct addrinfo *found = NULL;

    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    if (getaddrinfo(address, port, &hints, &found) != 0) {
        return false;
    }
    memcpy(&echo_address, found->ai_addr, found->ai_addrlen);
    echo_len = found->ai_addrlen;
    freeaddrinfo(found);
    return true;
}

int main(int argc, char **argv)
{
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

    if (argc == 3 && strcmp(argv[1], "inherit") == 0) {
        return inherited((int)strtol(argv[2], NULL, 10));
    }
    if (argc == 3 && strcmp(argv[1], "receive") == 0) {
        return received((int)strtol(argv[2], NULL, 10));
    }
    if (argc != 3 || len <= 0 || !find_echo(argv[1], argv[2])) {
        (void)fputs("usage: descriptors ADDRESS PORT\n", stderr);
        return EXIT_USAGE;
    }
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        (void)printf("== %s\n", cases[i].name);
        (void)fflush(stdout);
        cases[i].run();
    }
    return not_all_tried ? EXIT_NOT_ALL_TRIED : EXIT_SUCCESS;
}
