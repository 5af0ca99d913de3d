/* SPDX-License-Identifier: BSD-2-Clause */
/* The requests of tools: what the agent tells of itself, its associations and its flows. */
#ifndef PDM_KEYAGENT_REPORT_H
#define PDM_KEYAGENT_REPORT_H

#include "keyagent/request.h"

enum pdm_status report_status(struct request *q);
/* A page each. */
enum pdm_status report_associations(struct request *q);
enum pdm_status report_flows(struct request *q);
/* Of two addresses. */
enum pdm_status report_path(struct request *q);

#endif
