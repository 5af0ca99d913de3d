/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A library to preload that makes the world worse than this machine may be made:
 *
 * - clocks that jump: NONCE_CLOCK names a file of three 64-bit numbers: nanoseconds to add to
 *   CLOCK_REALTIME, nanoseconds to add to CLOCK_MONOTONIC, and how often a clock was asked;
 * - a machine that crashes: with NONCE_CRASH set, what rename replaces stays beside it as
 *   NAME.before until its directory was synced; NAME.before in place of NAME is what a disk holds
 *   after power fails. If the new file was not synced before, NAME.before is empty.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define NSEC 1000000000L

int clock_gettime(clockid_t clock, struct timespec *t);
time_t time(time_t *t);
int gettimeofday(struct timeval *restrict t, void *restrict zone);
int renameat(int from_dir, const char *from, int to_dir, const char *to);
int fsync(int fd);

static struct clocks {
    _Atomic int64_t realtime;
    _Atomic int64_t monotonic;
    _Atomic int64_t asked;
} * clocks;

static bool crash;
static char before_path[PATH_MAX]; /* what is not durable yet */
static ino_t synced;               /* the file that was synced last */

__attribute__((constructor)) static void start(void)
{
    const char *path = getenv("NONCE_CLOCK");
    int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;

    crash = getenv("NONCE_CRASH") != NULL;
    if (fd < 0)
        return;
    void *at = mmap(NULL, sizeof *clocks, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (at != MAP_FAILED)
        clocks = at;
    close(fd);
}

static int64_t shift_of(clockid_t clock)
{
    if (clocks == NULL)
        return 0;
    atomic_fetch_add_explicit(&clocks->asked, 1, memory_order_relaxed);
    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
        return atomic_load_explicit(&clocks->realtime, memory_order_relaxed);
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
        return atomic_load_explicit(&clocks->monotonic, memory_order_relaxed);
    default:
        return 0;
    }
}

int clock_gettime(clockid_t clock, struct timespec *t)
{
    if (syscall(SYS_clock_gettime, clock, t) != 0)
        return -1;
    int64_t ns = (int64_t)t->tv_sec * NSEC + t->tv_nsec + shift_of(clock);

    t->tv_sec = ns / NSEC;
    t->tv_nsec = ns % NSEC;
    return 0;
}

time_t time(time_t *t)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (t != NULL)
        *t = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
    struct timespec now;

    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    t->tv_sec = now.tv_sec;
    t->tv_usec = now.tv_nsec / 1000;
    return 0;
}

/* Keeps what TO was, under a name of its own, or an empty file if FROM never reached the disk. */
static void keep_before(int from_dir, const char *from, int to_dir, const char *to)
{
    char name[NAME_MAX + 1], directory[PATH_MAX], link[64];
    struct stat st;

    snprintf(name, sizeof name, "%.200s.before", to);
    unlinkat(to_dir, name, 0);
    if (fstatat(from_dir, from, &st, 0) == 0 && st.st_ino == synced) {
        if (linkat(to_dir, to, to_dir, name, 0) != 0)
            abort();
    } else {
        int fd = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

        if (fd < 0)
            abort();
        close(fd);
    }
    snprintf(link, sizeof link, "/proc/self/fd/%d", to_dir);
    ssize_t len = readlink(link, directory, sizeof directory - 1);

    if (len < 0)
        abort();
    directory[len] = '\0';
    if (snprintf(before_path, sizeof before_path, "%s/%s", directory, name) >=
        (int)sizeof before_path)
        abort();
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    if (crash)
        keep_before(from_dir, from, to_dir, to);
    return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, 0);
}

int fsync(int fd)
{
    struct stat st;
    int result = (int)syscall(SYS_fsync, fd);

    if (!crash || result != 0 || fstat(fd, &st) != 0)
        return result;
    if (!S_ISDIR(st.st_mode))
        synced = st.st_ino;
    else if (before_path[0] != '\0') {
        unlink(before_path);
        before_path[0] = '\0';
    }
    return result;
}
