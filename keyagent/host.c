/* SPDX-License-Identifier: BSD-2-Clause */
/* Settings of this host with which it drops packets with options. */
#include "keyagent/host.h"

#include <stddef.h>

#include "conf/sysctl.h"
#include "keyagent/log.h"

bool host_takes_options(void)
{
    long value;

    for (size_t i = 0; i < SYSCTL_LIMITS; i++)
        if (sysctl_in_the_way(&sysctl_limits[i], &value))
            return false;
    return true;
}

void host_complain(void)
{
    long value;

    for (size_t i = 0; i < SYSCTL_LIMITS; i++) {
        const struct sysctl_limit *limit = &sysctl_limits[i];

        if (sysctl_in_the_way(limit, &value))
            log_warning("%s = %ld: this host drops all packets that come with an option; "
                        "sysctl -w %s=%ld",
                        limit->name, value, limit->name, limit->proposed);
    }
}
