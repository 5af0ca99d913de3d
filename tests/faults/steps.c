/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A library to preload into a daemon that may be killed at every step of what it does. A step is a
 * call by which anything leaves the process: what is written to a file, made durable, renamed,
 * removed, or sent to another host. Between two of them a kill makes no difference to anyone.
 * Messages and the sockets of the same host's programs are not steps: they come at any time.
 *
 *   STEPS_FILE   its first 64 octets are a number in decimal, then spaces; 64 octets of zeros
 *                follow, in which the steps are counted. With another number than 0 the daemon is
 *                killed before the step of that number, counted from 1. Both may be changed, in
 *                place, at any time.
 *
 * Each step is a line of STEPS_FILE.log. An agent's file of generations is appended to
 * STEPS_FILE.taken whenever it was replaced, with a line "= PID" before it.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { NUMBER_LEN = 64, CONTROL_LEN = 128, NAME_LEN = 128 };

static struct control {
    char number[NUMBER_LEN];
    _Atomic uint64_t count;
} * control;

static int steps_log = -1;
static int taken_log = -1;

static int open_beside(const char *path, const char *suffix)
{
    char name[PATH_MAX];

    snprintf(name, sizeof name, "%s%s", path, suffix);
    return (int)syscall(SYS_openat, AT_FDCWD, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
                        0600);
}

__attribute__((constructor)) static void start(void)
{
    const char *path = getenv("STEPS_FILE");
    int fd = path != NULL ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0) : -1;

    if (fd < 0)
        return;
    void *at = mmap(NULL, CONTROL_LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    close(fd);
    steps_log = open_beside(path, ".log");
    taken_log = open_beside(path, ".taken");
    if (at != MAP_FAILED)
        control = at;
}

/* Descriptors may have been closed by the daemon, and their numbers used anew. */
static void append(int fd, const char *text, size_t len)
{
    if (fd >= 0 && syscall(SYS_write, fd, text, len) < 0)
        abort();
}

/* WHAT was or is to be done to NAME. */
static void step(const char *what, const char *name)
{
    char line[NAME_LEN];
    uint64_t number;

    if (control == NULL)
        return;
    int error = errno;
    uint64_t kill_at = strtoull(control->number, NULL, 10);

    number = atomic_fetch_add(&control->count, 1) + 1;
    int len = snprintf(line, sizeof line, "%s %s\n", what, name);
    append(steps_log, line, (size_t)(len < NAME_LEN ? len : NAME_LEN - 1));
    while (kill_at != 0 && number >= kill_at)
        syscall(SYS_kill, getpid(), SIGKILL);
    errno = error;
}

static bool is_local(int fd)
{
    int domain = AF_UNIX;
    socklen_t len = sizeof domain;

    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) != 0 || domain == AF_UNIX;
}

/* What is done to what FD stands for, if that is seen outside. */
static void step_fd(const char *what, int fd)
{
    char link[NAME_LEN], path[PATH_MAX];
    struct stat st;

    if (fd == STDERR_FILENO || fstat(fd, &st) != 0)
        return;
    if (S_ISSOCK(st.st_mode)) {
        if (!is_local(fd))
            step(what, "socket");
        return;
    }
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof path - 1);

    if (len > 0 && path[0] == '/' && strncmp(path, "/memfd:", strlen("/memfd:")) != 0) {
        path[len] = '\0';
        step(what, basename(path));
    }
}

static void step_path(const char *what, const char *path)
{
    const char *slash = strrchr(path, '/');

    step(what, slash != NULL ? slash + 1 : path);
}

#define NEXT(type, name, parameters)                                                               \
    static type(*next) parameters;                                                                 \
    if (next == NULL)                                                                              \
    next = (type(*) parameters)dlsym(RTLD_NEXT, #name)

/* A function of libc, and the step that it is. */
#define STEP(type, name, parameters, arguments, step)                                              \
    type name parameters;                                                                          \
    type name parameters                                                                           \
    {                                                                                              \
        NEXT(type, name, parameters);                                                              \
        step;                                                                                      \
        return next arguments;                                                                     \
    }

STEP(ssize_t, write, (int fd, const void *data, size_t len), (fd, data, len), step_fd("write", fd))
STEP(ssize_t, writev, (int fd, const struct iovec *part, int parts), (fd, part, parts),
     step_fd("writev", fd))
STEP(ssize_t, send, (int fd, const void *data, size_t len, int flags), (fd, data, len, flags),
     step_fd("send", fd))
STEP(ssize_t, sendto,
     (int fd, const void *data, size_t len, int flags, const struct sockaddr *to, socklen_t to_len),
     (fd, data, len, flags, to, to_len), step_fd("sendto", fd))
STEP(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags),
     step_fd("sendmsg", fd))
STEP(ssize_t, pwrite, (int fd, const void *data, size_t len, off_t at), (fd, data, len, at),
     step_fd("pwrite", fd))
STEP(ssize_t, pwrite64, (int fd, const void *data, size_t len, off_t at), (fd, data, len, at),
     step_fd("pwrite", fd))
STEP(int, fsync, (int fd), (fd), step_fd("fsync", fd))
STEP(int, fdatasync, (int fd), (fd), step_fd("fdatasync", fd))
STEP(int, ftruncate, (int fd, off_t len), (fd, len), step_fd("ftruncate", fd))
STEP(int, ftruncate64, (int fd, off_t len), (fd, len), step_fd("ftruncate", fd))
STEP(int, fflush, (FILE * stream), (stream),
     step_fd("fflush", stream != NULL ? fileno(stream) : -1))
STEP(int, fclose, (FILE * stream), (stream), step_fd("fclose", fileno(stream)))
STEP(int, unlink, (const char *path), (path), step_path("unlink", path))
STEP(int, unlinkat, (int dir, const char *path, int flags), (dir, path, flags),
     step_path("unlink", path))
STEP(int, rename, (const char *from, const char *to), (from, to), step_path("rename", to))

static void keep_taken(int dir, const char *name)
{
    char text[BUFSIZ];
    int fd = (int)syscall(SYS_openat, dir, name, O_RDONLY | O_CLOEXEC, 0);
    ssize_t len;

    append(taken_log, text, (size_t)snprintf(text, sizeof text, "= %d\n", (int)getpid()));
    while ((len = read(fd, text, sizeof text)) > 0)
        append(taken_log, text, (size_t)len);
    close(fd);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to);
int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    NEXT(int, renameat, (int from_dir, const char *from, int to_dir, const char *to));
    step_path("rename", to);
    int result = next(from_dir, from, to_dir, to);

    if (result == 0 && strcmp(to, "generations") == 0)
        keep_taken(to_dir, to);
    return result;
}
