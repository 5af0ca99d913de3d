/* SPDX-License-Identifier: BSD-2-Clause */
/* The library's figures of a socket. */
#ifndef CLI_STATS_H
#define CLI_STATS_H

#include "shim/pdmv2.h"

/* Of FD as they are now; those of no socket say in their reason that it takes no part. */
struct pdmv2_stats stats_of(int fd);

#endif
