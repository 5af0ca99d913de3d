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

#define NEXT(type, name)                                                                           \
    static type(*next_##name);                                                                     \
    if (next_##name == NULL)                                                                       \
    next_##name = (type(*))dlsym(RTLD_NEXT, #name)

typedef ssize_t write_call(int fd, const void *data, size_t len);
typedef ssize_t writev_call(int fd, const struct iovec *part, int parts);
typedef ssize_t send_call(int fd, const void *data, size_t len, int flags);
typedef ssize_t sendto_call(int fd, const void *data, size_t len, int flags,
                            const struct sockaddr *to, socklen_t to_len);
typedef ssize_t sendmsg_call(int fd, const struct msghdr *message, int flags);
typedef ssize_t pwrite_call(int fd, const void *data, size_t len, off_t at);
typedef int fd_call(int fd);
typedef int truncate_call(int fd, off_t len);
typedef int stream_call(FILE *stream);
typedef int path_call(const char *path);
typedef int rename_call(const char *from, const char *to);
typedef int renameat_call(int from_dir, const char *from, int to_dir, const char *to);
typedef int unlinkat_call(int dir, const char *path, int flags);

write_call write;
ssize_t write(int fd, const void *data, size_t len)
{
    NEXT(write_call, write);
    step_fd("write", fd);
    return next_write(fd, data, len);
}

writev_call writev;
ssize_t writev(int fd, const struct iovec *part, int parts)
{
    NEXT(writev_call, writev);
    step_fd("writev", fd);
    return next_writev(fd, part, parts);
}

send_call send;
ssize_t send(int fd, const void *data, size_t len, int flags)
{
    NEXT(send_call, send);
    step_fd("send", fd);
    return next_send(fd, data, len, flags);
}

sendto_call sendto;
ssize_t sendto(int fd, const void *data, size_t len, int flags, const struct sockaddr *to,
               socklen_t to_len)
{
    NEXT(sendto_call, sendto);
    step_fd("sendto", fd);
    return next_sendto(fd, data, len, flags, to, to_len);
}

sendmsg_call sendmsg;
ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    NEXT(sendmsg_call, sendmsg);
    step_fd("sendmsg", fd);
    return next_sendmsg(fd, message, flags);
}

pwrite_call pwrite;
ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
    NEXT(pwrite_call, pwrite);
    step_fd("pwrite", fd);
    return next_pwrite(fd, data, len, at);
}

pwrite_call pwrite64;
ssize_t pwrite64(int fd, const void *data, size_t len, off_t at)
{
    NEXT(pwrite_call, pwrite64);
    step_fd("pwrite", fd);
    return next_pwrite64(fd, data, len, at);
}

fd_call fsync;
int fsync(int fd)
{
    NEXT(fd_call, fsync);
    step_fd("fsync", fd);
    return next_fsync(fd);
}

fd_call fdatasync;
int fdatasync(int fd)
{
    NEXT(fd_call, fdatasync);
    step_fd("fdatasync", fd);
    return next_fdatasync(fd);
}

truncate_call ftruncate;
int ftruncate(int fd, off_t len)
{
    NEXT(truncate_call, ftruncate);
    step_fd("ftruncate", fd);
    return next_ftruncate(fd, len);
}

truncate_call ftruncate64;
int ftruncate64(int fd, off_t len)
{
    NEXT(truncate_call, ftruncate64);
    step_fd("ftruncate", fd);
    return next_ftruncate64(fd, len);
}

stream_call fflush;
int fflush(FILE *stream)
{
    NEXT(stream_call, fflush);
    if (stream != NULL)
        step_fd("fflush", fileno(stream));
    return next_fflush(stream);
}

stream_call fclose;
int fclose(FILE *stream)
{
    NEXT(stream_call, fclose);
    step_fd("fclose", fileno(stream));
    return next_fclose(stream);
}

path_call unlink;
int unlink(const char *path)
{
    NEXT(path_call, unlink);
    step_path("unlink", path);
    return next_unlink(path);
}

unlinkat_call unlinkat;
int unlinkat(int dir, const char *path, int flags)
{
    NEXT(unlinkat_call, unlinkat);
    step_path("unlink", path);
    return next_unlinkat(dir, path, flags);
}

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

renameat_call renameat;
int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    NEXT(renameat_call, renameat);
    step_path("rename", to);
    int result = next_renameat(from_dir, from, to_dir, to);

    if (result == 0 && strcmp(to, "generations") == 0)
        keep_taken(to_dir, to);
    return result;
}

rename_call rename;
int rename(const char *from, const char *to)
{
    NEXT(rename_call, rename);
    step_path("rename", to);
    return next_rename(from, to);
}
