/* SPDX-License-Identifier: BSD-2-Clause */
/* Standard streams of a tool: they are open, and what was written to them arrived. */
#include "cli/output.h"

#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

/* A stream whose number was free gets /dev/null; it takes the lowest number, which is this one. */
static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

bool output_prepare(void)
{
    bool had_output = is_open(STDOUT_FILENO);

    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (!is_open(fd) && open("/dev/null", O_RDWR) != fd)
            return false;
    }
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return false;
    if (!had_output)
        warnx("standard output is closed");
    return had_output;
}

bool output_flush(void)
{
    static bool failed;

    if (failed)
        return false;
    /* A write that failed while it was buffered leaves only the error mark. */
    failed = fflush(stdout) != 0 || ferror(stdout);
    if (failed)
        warn("cannot write to standard output");
    return !failed;
}
