/* SPDX-License-Identifier: BSD-2-Clause */
/* pdmperf -s: serves tests, to several clients at once. */
#ifndef CLI_PDMPERF_NET_SERVER_H
#define CLI_PDMPERF_NET_SERVER_H

#include "cli/pdmperf/net/options.h"

enum net_exit net_server(const struct net_options *options);

#endif
