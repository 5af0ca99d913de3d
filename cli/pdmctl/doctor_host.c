/* SPDX-License-Identifier: BSD-2-Clause */
/* pdmctl doctor: this host, but for the agent. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/clock.h"
#include "cli/pdmctl/doctor.h"
#include "conf/sysctl.h"
#include "core/limits.h"

#define CLOCKSOURCE "/sys/devices/system/clocksource/clocksource0/current_clocksource"

enum {
    ADVICE_MAX = 128,
    CLOCK_READS = 1000,
    CLOCK_READ_SLOW_NS = 500, /* a clock in the vDSO takes a tenth of it */
    CLOCK_WATCHED_MS = 300,
    OUTPUT_MAX = 2048, /* of pdmrun, that is looked at */
};

void doctor_kernel(struct doctor *d)
{
    char advice[ADVICE_MAX];
    bool taken = true;
    long value = 0;

    if (!sysctl_read("net.ipv6.conf.all.disable_ipv6", &value) || value != 0) {
        doctor_tell(d, FINDING_BAD, "kernel", "sysctl -w net.ipv6.conf.all.disable_ipv6=0",
                    "there is no IPv6 on this host");
        return;
    }
    for (size_t i = 0; i < SYSCTL_LIMITS; i++) {
        const struct sysctl_limit *limit = &sysctl_limits[i];

        if (!sysctl_in_the_way(limit, &value))
            continue;
        taken = false;
        (void)snprintf(advice, sizeof(advice), "sysctl -w %s=%ld", limit->name, limit->proposed);
        doctor_tell(d, FINDING_BAD, "kernel", advice,
                    "%s = %ld: all packets that come with an option are dropped", limit->name,
                    value);
    }
    if (taken)
        doctor_tell(d, FINDING_GOOD, "kernel", NULL, "takes packets with Destination Options");
}

/* Between the clock of receive times and the one that delays are told in. */
static int64_t clocks_apart(void)
{
    return clock_realtime() - clock_monotonic();
}

static int64_t clock_read_ns(void)
{
    int64_t began = clock_monotonic();

    for (int i = 0; i < CLOCK_READS; i++)
        (void)clock_monotonic();
    return (clock_monotonic() - began) / CLOCK_READS;
}

static const char *clocksource(char *name, int size)
{
    FILE *file = fopen(CLOCKSOURCE, "re");
    bool known = file && fgets(name, size, file);

    if (file)
        (void)fclose(file);
    if (!known)
        return "unknown";
    name[strcspn(name, "\n")] = '\0';
    return name;
}

void doctor_clock(struct doctor *d)
{
    const struct timespec watched = {.tv_nsec = CLOCK_WATCHED_MS * PDM_NSEC_PER_MSEC};
    int64_t before = clocks_apart();
    char name[NAME_MAX];

    (void)nanosleep(&watched, NULL);
    int64_t moved = llabs(clocks_apart() - before);
    int64_t read = clock_read_ns();

    if (moved > PDM_NSEC_PER_MSEC)
        doctor_tell(d, FINDING_NOTE, "clock",
                    "have one program set the clock, and let it slew instead of step",
                    "the time of day moved by %.3f ms in %d ms: delays across such a step are "
                    "left out",
                    (double)moved / PDM_NSEC_PER_MSEC, CLOCK_WATCHED_MS);
    else if (read > CLOCK_READ_SLOW_NS)
        doctor_tell(d, FINDING_NOTE, "clock",
                    "choose another clock source: tsc, or the hypervisor's own",
                    "the clock source %s takes %lld ns to read, several times for each packet",
                    clocksource(name, sizeof(name)), (long long)read);
    else
        doctor_tell(d, FINDING_GOOD, "clock", NULL, "steady; the clock source is %s",
                    clocksource(name, sizeof(name)));
}

/* The program of that name beside this one; else it is looked for in PATH. */
static const char *beside(char path[static PATH_MAX], const char *name)
{
    ssize_t len = readlink("/proc/self/exe", path, PATH_MAX - 1);

    if (len <= 0)
        return name;
    path[len] = '\0';
    char *end = strrchr(path, '/') + 1;

    if (snprintf(end, (size_t)(path + PATH_MAX - end), "%s", name) >= path + PATH_MAX - end ||
        access(path, X_OK) != 0)
        return name;
    return path;
}

static void drain(int fd, char *output, size_t size)
{
    char rest[PIPE_BUF];
    size_t used = 0;
    ssize_t n = 0;

    while (used < size - 1 && (n = read(fd, output + used, size - 1 - used)) > 0)
        used += (size_t)n;
    output[used] = '\0';
    while (n > 0)
        n = read(fd, rest, sizeof(rest));
}

/* What pdmrun says when it runs a program that does nothing; false: it could not be run. */
static bool try_pdmrun(const char *pdmrun, char *output, size_t size, int *status)
{
    char *const arguments[] = {"pdmrun", "true", NULL};
    posix_spawn_file_actions_t actions;
    int ends[2];
    pid_t child = -1;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    if ((errno = posix_spawn_file_actions_init(&actions)) == 0) {
        if ((errno = posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO)) == 0 &&
            (errno = posix_spawnp(&child, pdmrun, &actions, NULL, arguments, environ)) != 0)
            child = -1;
        (void)posix_spawn_file_actions_destroy(&actions);
    }
    (void)close(ends[1]);
    if (child > 0)
        drain(ends[0], output, size);
    (void)close(ends[0]);
    return child > 0 && waitpid(child, status, 0) == child;
}

/* Each line of pdmrun's is a finding; what it says of the agent is told elsewhere. */
static bool tell_lines(struct doctor *d, enum finding finding, char *output)
{
    bool told = false;
    char *rest = output;

    for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n")) {
        if (*line == '\0' || strstr(line, "agent at "))
            continue;
        doctor_tell(d, finding, "programs", NULL, "%s", line);
        told = true;
    }
    return told;
}

void doctor_programs(struct doctor *d)
{
    char output[OUTPUT_MAX] = "";
    char path[PATH_MAX];
    int status = 0;
    const char *pdmrun = beside(path, "pdmrun");

    if (!try_pdmrun(pdmrun, output, sizeof(output), &status))
        doctor_tell(d, FINDING_BAD, "programs", "install pdmrun beside pdmctl", "cannot run %s: %s",
                    pdmrun, strerror(errno));
    else if (status != 0 && !tell_lines(d, FINDING_BAD, output))
        doctor_tell(d, FINDING_BAD, "programs", "run it by hand: pdmrun true",
                    "%s fails and does not say why", pdmrun);
    else if (status == 0 && !tell_lines(d, FINDING_NOTE, output))
        doctor_tell(d, FINDING_GOOD, "programs", NULL,
                    "run under the library, and may attach options");
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 && geteuid() != 0)
        doctor_tell(d, FINDING_NOTE, "programs", "try from a login shell",
                    "this session has no_new_privs: pdmrun's capability has no effect in it");
}
