/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Some networks drop packets with extension headers. Whether a path carries options is the agent's
 * verdict, in the flow's slot; that it ceased to is seen here first, from the flow itself: then
 * nothing is attached until the agent has probed the path again.
 */
#ifndef PDM_SHIM_PATH_H
#define PDM_SHIM_PATH_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/flows.h"

/* Whether the locked flow E may have an option at NOW. */
bool pdm_path_open(struct pdm_flow_entry *e, int64_t now);
/* The last option of E seems to be lost. */
void pdm_path_suspect(struct pdm_flow_entry *e, int64_t now);

#endif
