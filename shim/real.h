/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The functions that the shim stands before: one table, from which come their types, the pointers
 * to the next definition, and the look-up. Until the constructor has run, and for what libc lacks,
 * a pointer leads straight to the kernel.
 */
#ifndef PDM_SHIM_REAL_H
#define PDM_SHIM_REAL_H

#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

/* X(type, name, parameters, arguments, number of the system call) */
#define PDM_REAL_CALLS(X)                                                                          \
    X(ssize_t, send, (int fd, const void *buf, size_t len, int flags), SYS_sendto,                 \
      (fd, buf, len, flags, 0, 0))                                                                 \
    X(ssize_t, sendto,                                                                             \
      (int fd, const void *buf, size_t len, int flags, const struct sockaddr *to,                  \
       socklen_t to_len),                                                                          \
      SYS_sendto, (fd, buf, len, flags, to, to_len))                                               \
    X(ssize_t, sendmsg, (int fd, const struct msghdr *msg, int flags), SYS_sendmsg,                \
      (fd, msg, flags, 0, 0, 0))                                                                   \
    X(int, sendmmsg, (int fd, struct mmsghdr *vec, unsigned int vlen, int flags), SYS_sendmmsg,    \
      (fd, vec, vlen, flags, 0, 0))                                                                \
    X(ssize_t, write, (int fd, const void *buf, size_t len), SYS_write, (fd, buf, len, 0, 0, 0))   \
    X(ssize_t, writev, (int fd, const struct iovec *iov, int count), SYS_writev,                   \
      (fd, iov, count, 0, 0, 0))                                                                   \
    X(ssize_t, recv, (int fd, void *buf, size_t len, int flags), SYS_recvfrom,                     \
      (fd, buf, len, flags, 0, 0))                                                                 \
    X(ssize_t, recvfrom,                                                                           \
      (int fd, void *buf, size_t len, int flags, struct sockaddr *from, socklen_t *from_len),      \
      SYS_recvfrom, (fd, buf, len, flags, from, from_len))                                         \
    X(ssize_t, recvmsg, (int fd, struct msghdr *msg, int flags), SYS_recvmsg,                      \
      (fd, msg, flags, 0, 0, 0))                                                                   \
    X(int, recvmmsg,                                                                               \
      (int fd, struct mmsghdr *vec, unsigned int vlen, int flags, struct timespec *timeout),       \
      SYS_recvmmsg, (fd, vec, vlen, flags, timeout, 0))                                            \
    X(ssize_t, read, (int fd, void *buf, size_t len), SYS_read, (fd, buf, len, 0, 0, 0))           \
    X(ssize_t, readv, (int fd, const struct iovec *iov, int count), SYS_readv,                     \
      (fd, iov, count, 0, 0, 0))                                                                   \
    X(int, socket, (int domain, int type, int protocol), SYS_socket,                               \
      (domain, type, protocol, 0, 0, 0))                                                           \
    X(int, bind, (int fd, const struct sockaddr *addr, socklen_t len), SYS_bind,                   \
      (fd, addr, len, 0, 0, 0))                                                                    \
    X(int, connect, (int fd, const struct sockaddr *addr, socklen_t len), SYS_connect,             \
      (fd, addr, len, 0, 0, 0))                                                                    \
    X(int, listen, (int fd, int backlog), SYS_listen, (fd, backlog, 0, 0, 0, 0))                   \
    X(ssize_t, sendfile, (int out, int in, off_t *offset, size_t count), SYS_sendfile,             \
      (out, in, offset, count, 0, 0))                                                              \
    X(ssize_t, splice,                                                                             \
      (int in, off64_t *in_offset, int out, off64_t *out_offset, size_t len, unsigned int flags),  \
      SYS_splice, (in, in_offset, out, out_offset, len, flags))                                    \
    X(int, accept, (int fd, struct sockaddr *addr, socklen_t *len), SYS_accept4,                   \
      (fd, addr, len, 0, 0, 0))                                                                    \
    X(int, accept4, (int fd, struct sockaddr *addr, socklen_t *len, int flags), SYS_accept4,       \
      (fd, addr, len, flags, 0, 0))                                                                \
    X(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *len), SYS_getsockopt, \
      (fd, level, name, value, len, 0))                                                            \
    X(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t len),            \
      SYS_setsockopt, (fd, level, name, value, len, 0))                                            \
    X(int, ioctl, (int fd, unsigned long request, void *arg), SYS_ioctl,                           \
      (fd, request, arg, 0, 0, 0))                                                                 \
    X(int, close, (int fd), SYS_close, (fd, 0, 0, 0, 0, 0))                                        \
    X(int, close_range, (unsigned int first, unsigned int last, int flags), SYS_close_range,       \
      (first, last, flags, 0, 0, 0))                                                               \
    X(int, dup, (int fd), SYS_dup, (fd, 0, 0, 0, 0, 0))                                            \
    X(int, dup2, (int from, int to), PDM_SYS_DUP2, PDM_SYS_DUP2_ARGS)                              \
    X(int, dup3, (int from, int to, int flags), SYS_dup3, (from, to, flags, 0, 0, 0))              \
    X(int, fcntl, (int fd, int command, void *arg), SYS_fcntl, (fd, command, arg, 0, 0, 0))        \
    X(int, execve, (const char *path, char *const argv[], char *const envp[]), SYS_execve,         \
      (path, argv, envp, 0, 0, 0))                                                                 \
    X(int, prctl,                                                                                  \
      (int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d), SYS_prctl, \
      (option, a, b, c, d, 0))

/* Functions of libc with no system call of their own: looked up when first called, if that is
 * before the constructor. */
#define PDM_REAL_FUNCTIONS(X)                                                                      \
    X(void, closefrom, (int first), (first))                                                       \
    X(int, execvpe, (const char *file, char *const argv[], char *const envp[]),                    \
      (file, argv, envp))                                                                          \
    X(int, fexecve, (int fd, char *const argv[], char *const envp[]), (fd, argv, envp))            \
    X(int, execveat,                                                                               \
      (int fd, const char *path, char *const argv[], char *const envp[], int flags),               \
      (fd, path, argv, envp, flags))                                                               \
    X(int, posix_spawn,                                                                            \
      (pid_t * pid, const char *path, const posix_spawn_file_actions_t *actions,                   \
       const posix_spawnattr_t *attr, char *const argv[], char *const envp[]),                     \
      (pid, path, actions, attr, argv, envp))                                                      \
    X(int, posix_spawnp,                                                                           \
      (pid_t * pid, const char *file, const posix_spawn_file_actions_t *actions,                   \
       const posix_spawnattr_t *attr, char *const argv[], char *const envp[]),                     \
      (pid, file, actions, attr, argv, envp))                                                      \
    X(int, system, (const char *command), (command))                                               \
    X(FILE *, popen, (const char *command, const char *mode), (command, mode))

struct pdm_real {
#define PDM_REAL_POINTER(type, name, parameters, ...) type(*name) parameters;
    PDM_REAL_CALLS(PDM_REAL_POINTER)
    PDM_REAL_FUNCTIONS(PDM_REAL_POINTER)
    long (*syscall)(long nr, long a, long b, long c, long d, long e, long f);
#undef PDM_REAL_POINTER
};

extern struct pdm_real pdm_real;

/* Looks every function up, once, from the constructor: dlsym may allocate. */
void pdm_real_resolve(void);

#endif
