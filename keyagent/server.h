/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The event loop: connections, one request and one reply each, signals, and what is done by time.
 */
#ifndef PDM_KEYAGENT_SERVER_H
#define PDM_KEYAGENT_SERVER_H

#include <stdbool.h>

#include "keyagent/agent.h"
#include "keyagent/enrolment/registry.h"
#include "keyagent/listener.h"

/*
 * Serves until SIGTERM or SIGINT. PLAN, which is used up, is of AGENT's configuration. SIGHUP reads
 * CONFIG_PATH again. False after telling what failed.
 */
bool server_run(struct agent *agent, struct registry_plan *plan, const struct listener *listener,
                const char *config_path);

#endif
