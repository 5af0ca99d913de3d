/* SPDX-License-Identifier: BSD-2-Clause */
/* pdmperf -C: a test to a server. */
#ifndef CLI_PDMPERF_NET_CLIENT_H
#define CLI_PDMPERF_NET_CLIENT_H

#include "cli/pdmperf/net/options.h"

enum net_exit net_client(const struct net_options *options);

#endif
