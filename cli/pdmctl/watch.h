/* SPDX-License-Identifier: BSD-2-Clause */
/* The live flows again and again, as top shows processes. */
#ifndef CLI_PDMCTL_WATCH_H
#define CLI_PDMCTL_WATCH_H

#include <stdint.h>

#include "cli/agent_client.h"
#include "cli/pdmctl/flow_list.h"
#include "cli/pdmctl/pdmctl.h"

/*
 * Until q or ^C. On a terminal that can do it as a full-screen view; else a table each time, with
 * the time of day above it.
 */
enum pdmctl_exit watch_flows(struct agent_client *client, struct flow_list *list,
                             uint32_t interval_ms);

#endif
