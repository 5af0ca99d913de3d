/* SPDX-License-Identifier: BSD-2-Clause */
/* Settings of the kernel. */
#include "conf/sysctl.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/limits.h"

#define DIRECTORY "/proc/sys/"

enum { NUMBER_MAX = 32 };

/*
 * Of Documentation/networking/ip-sysctl.rst. A negative number of options is as many, and none that
 * the kernel itself does not know, which ours is.
 */
const struct sysctl_limit sysctl_limits[SYSCTL_LIMITS] = {
    {"net.ipv6.max_dst_opts_number", 1, PDM_HEADER_OPTIONS_MAX},
    {"net.ipv6.max_dst_opts_length", PDM_HEADER_MAX, PDM_DSTOPTS_MAX},
};

bool sysctl_read(const char *name, long *value)
{
    char path[sizeof DIRECTORY + NAME_MAX];
    char text[NUMBER_MAX];

    snprintf(path, sizeof path, DIRECTORY "%s", name);
    for (char *dot = path; (dot = strchr(dot, '.')) != NULL;)
        *dot = '/';
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;

    if (fd >= 0)
        close(fd);
    if (len <= 0)
        return false;
    text[len] = '\0';
    *value = strtol(text, NULL, 10);
    return true;
}

/* What cannot be read is not there, and so not in the way. */
bool sysctl_in_the_way(const struct sysctl_limit *limit, long *value)
{
    return sysctl_read(limit->name, value) && *value < limit->least;
}
