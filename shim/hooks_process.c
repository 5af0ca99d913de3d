/* SPDX-License-Identifier: BSD-2-Clause */
/* The calls that hand descriptors to another program, and those that may forbid system calls. */
#undef _FORTIFY_SOURCE

#include <alloca.h>
#include <errno.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "shim/descriptor.h"
#include "shim/hook.h"
#include "shim/process.h"
#include "shim/real.h"
#include "shim/sys.h"

/* --- exec and its kin: what survives it carries no option of ours --- */

static void before_exec(void)
{
    int saved = errno;

    pdm_descriptor_release_exec();
    errno = saved;
}

PDM_HOOK(int, execve, (const char *path, char *const argv[], char *const envp[]))
{
    before_exec();
    return pdm_real.execve(path, argv, envp);
}

PDM_HOOK(int, execvpe, (const char *file, char *const argv[], char *const envp[]))
{
    before_exec();
    return pdm_real.execvpe(file, argv, envp);
}

PDM_HOOK(int, execv, (const char *path, char *const argv[]))
{
    return hook_execve(path, argv, environ);
}

PDM_HOOK(int, execvp, (const char *file, char *const argv[]))
{
    return hook_execvpe(file, argv, environ);
}

PDM_HOOK(int, fexecve, (int fd, char *const argv[], char *const envp[]))
{
    before_exec();
    return pdm_real.fexecve(fd, argv, envp);
}

PDM_HOOK(int, execveat,
         (int fd, const char *path, char *const argv[], char *const envp[], int flags))
{
    before_exec();
    return pdm_real.execveat(fd, path, argv, envp, flags);
}

/* The arguments of execl() and its kin, up to the terminating NULL, into an array. */
static size_t count_arguments(va_list args)
{
    size_t n = 1;

    while (va_arg(args, char *) != NULL)
        n++;
    return n;
}

static void collect_arguments(va_list args, const char *first, char **argv, size_t n)
{
    argv[0] = (char *)(uintptr_t)first;
    for (size_t i = 1; i <= n; i++)
        argv[i] = va_arg(args, char *);
}

#define COLLECT(argv, first)                                                                       \
    va_list args;                                                                                  \
    va_start(args, first);                                                                         \
    size_t n = first != NULL ? count_arguments(args) : 0;                                          \
    va_end(args);                                                                                  \
    char **argv = alloca((n + 1) * sizeof *argv);                                                  \
    va_start(args, first);                                                                         \
    collect_arguments(args, first, argv, n)

PDM_HOOK(int, execl, (const char *path, const char *arg, ...))
{
    COLLECT(argv, arg);
    va_end(args);
    return hook_execve(path, argv, environ);
}

PDM_HOOK(int, execlp, (const char *file, const char *arg, ...))
{
    COLLECT(argv, arg);
    va_end(args);
    return hook_execvpe(file, argv, environ);
}

PDM_HOOK(int, execle, (const char *path, const char *arg, ...))
{
    COLLECT(argv, arg);
    char **envp = va_arg(args, char **);
    va_end(args);
    return hook_execve(path, argv, envp);
}

PDM_HOOK(int, posix_spawn,
         (pid_t * pid, const char *path, const posix_spawn_file_actions_t *actions,
          const posix_spawnattr_t *attr, char *const argv[], char *const envp[]))
{
    before_exec();
    return pdm_real.posix_spawn(pid, path, actions, attr, argv, envp);
}

PDM_HOOK(int, posix_spawnp,
         (pid_t * pid, const char *file, const posix_spawn_file_actions_t *actions,
          const posix_spawnattr_t *attr, char *const argv[], char *const envp[]))
{
    before_exec();
    return pdm_real.posix_spawnp(pid, file, actions, attr, argv, envp);
}

PDM_HOOK(int, system, (const char *command))
{
    before_exec();
    return pdm_real.system(command);
}

PDM_HOOK(FILE *, popen, (const char *command, const char *mode))
{
    before_exec();
    return pdm_real.popen(command, mode);
}

/* --- seccomp: a filter may kill the program for a call that only the shim makes --- */

PDM_HOOK(int, prctl, (int option, ...))
{
    unsigned long a[4];
    va_list args;

    va_start(args, option);
    for (int i = 0; i < 4; i++)
        a[i] = va_arg(args, unsigned long);
    va_end(args);
    if (option == PR_SET_SECCOMP)
        pdm_deactivate();
    return pdm_real.prctl(option, a[0], a[1], a[2], a[3]);
}

/* libuv, for one, sends and receives so. */
static long by_number(long nr, const long a[static 6])
{
    switch (nr) {
    case SYS_sendmsg:
        return sendmsg((int)a[0], (const struct msghdr *)a[1], (int)a[2]);
    case SYS_sendmmsg:
        return sendmmsg((int)a[0], (struct mmsghdr *)a[1], (unsigned int)a[2], (int)a[3]);
    case SYS_recvmsg:
        return recvmsg((int)a[0], (struct msghdr *)a[1], (int)a[2]);
    case SYS_recvmmsg:
        return recvmmsg((int)a[0], (struct mmsghdr *)a[1], (unsigned int)a[2], (int)a[3],
                        (struct timespec *)a[4]);
    case SYS_execve:
    case SYS_execveat:
        before_exec();
        /* fall through */
    default:
        return pdm_real.syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
    }
}

PDM_HOOK(long, syscall, (long nr, ...))
{
    long a[6];
    va_list args;

    va_start(args, nr);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(args, long);
    va_end(args);
    if ((nr == SYS_seccomp &&
         (a[0] == SECCOMP_SET_MODE_STRICT || a[0] == SECCOMP_SET_MODE_FILTER)) ||
        (nr == SYS_prctl && a[0] == PR_SET_SECCOMP))
        pdm_deactivate();
    return by_number(nr, a);
}
