/* SPDX-License-Identifier: BSD-2-Clause */
/* /proc/PID/stat. */
#include "keyagent/process.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STAT_MAX 1024
#define FIELDS_BEHIND_NAME 20 /* proc(5): starttime is field 22, the name field 2 */

/* The name may hold blanks and parentheses: fields are counted from the last ')'. */
static uint64_t parse_start(const char *stat)
{
    const char *at = strrchr(stat, ')');

    for (int i = 0; at != NULL && i < FIELDS_BEHIND_NAME; i++)
        at = strchr(at + 1, ' ');
    return at != NULL ? strtoull(at, NULL, 10) : 0;
}

uint64_t process_start(pid_t pid)
{
    char path[sizeof "/proc//stat" + 3 * sizeof pid];
    char stat[STAT_MAX];

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t len = read(fd, stat, sizeof stat - 1);
    close(fd);
    if (len <= 0)
        return 0;
    stat[len] = '\0';
    return parse_start(stat);
}
