/* SPDX-License-Identifier: BSD-2-Clause */
/* The subcommands of pdmctl. Each prints its own errors and returns the exit code. */
#ifndef CLI_PDMCTL_H
#define CLI_PDMCTL_H

#include <stdbool.h>

#include "cli/agent_client.h"

#define PDMCTL_SCHEMA "pdmctl/1"

enum pdmctl_exit { PDMCTL_OK, PDMCTL_FAILED, PDMCTL_USAGE, PDMCTL_NO_AGENT };

struct pdmctl_context {
    const char *socket; /* from -s; NULL: where agents usually are */
    bool json;
    const char *operand; /* the subcommand's own, if it takes one */
};

/* What was printed and the agent's answer, as an exit code. */
enum pdmctl_exit pdmctl_exit_for(enum agent_result result);

/* A new pre-shared key in the file OPERAND, and its generation count beside it. */
enum pdmctl_exit pdmctl_keygen(const struct pdmctl_context *context);
/* The agent and its associations. */
enum pdmctl_exit pdmctl_status(const struct pdmctl_context *context);
/* The live flows and their metrics. */
enum pdmctl_exit pdmctl_flows(const struct pdmctl_context *context);

#endif
