/* SPDX-License-Identifier: BSD-2-Clause */
/* The library's figures of a socket. */
#include "cli/stats.h"

struct pdmv2_stats stats_of(int fd)
{
    struct pdmv2_stats stats = {.size = sizeof(stats)};

    (void)pdmv2_stats(fd, &stats); /* fails for a wrong size alone */
    return stats;
}
