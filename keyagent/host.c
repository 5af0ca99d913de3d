/* SPDX-License-Identifier: BSD-2-Clause */
/* Settings of this host with which it drops packets with options. */
#include "keyagent/host.h"

#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/limits.h"
#include "keyagent/log.h"

#define DIRECTORY "/proc/sys/net/ipv6/"
#define NUMBER_MAX 32

/*
 * Of Documentation/networking/ip-sysctl.rst. A negative number of options is as many, and none that
 * the kernel itself does not know, which ours is.
 */
static const struct setting {
    const char *name;
    long least;
    long proposed;
} settings[] = {
    {"max_dst_opts_number", 1, PDM_HEADER_OPTIONS_MAX},
    {"max_dst_opts_length", PDM_HEADER_MAX, PDM_DSTOPTS_MAX},
};

#define SETTINGS (sizeof settings / sizeof settings[0])

/* What cannot be read is not there, and so not in the way. */
static bool in_the_way(const struct setting *setting, long *value)
{
    char path[sizeof DIRECTORY + NAME_MAX];
    char text[NUMBER_MAX];

    snprintf(path, sizeof path, DIRECTORY "%s", setting->name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;

    if (fd >= 0)
        close(fd);
    if (len <= 0)
        return false;
    text[len] = '\0';
    *value = strtol(text, NULL, 10);
    return *value < setting->least;
}

bool host_takes_options(void)
{
    long value;

    for (size_t i = 0; i < SETTINGS; i++)
        if (in_the_way(&settings[i], &value))
            return false;
    return true;
}

void host_complain(void)
{
    long value;

    for (size_t i = 0; i < SETTINGS; i++)
        if (in_the_way(&settings[i], &value))
            log_warning("net.ipv6.%s = %ld: this host drops all packets that come with an option; "
                        "sysctl -w net.ipv6.%s=%ld",
                        settings[i].name, value, settings[i].name, settings[i].proposed);
}
