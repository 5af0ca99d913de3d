/* SPDX-License-Identifier: BSD-2-Clause */
/* Settings of the kernel, of the network namespace of whoever asks (proc_sys_net(5)). */
#ifndef CONF_SYSCTL_H
#define CONF_SYSCTL_H

#include <stdbool.h>
#include <stddef.h>

/* One with which the kernel drops every packet that comes with an option. */
struct sysctl_limit {
    const char *name; /* as sysctl(8) has it */
    long least;
    long proposed;
};

#define SYSCTL_LIMITS 2
extern const struct sysctl_limit sysctl_limits[SYSCTL_LIMITS];

/* The number that NAME has; false: there is none, or it cannot be read. */
bool sysctl_read(const char *name, long *value);
/* Is LIMIT in the way of our largest header? Its value then is in VALUE. */
bool sysctl_in_the_way(const struct sysctl_limit *limit, long *value);

#endif
