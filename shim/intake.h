/* SPDX-License-Identifier: BSD-2-Clause */
/* A received Destination Options header, given to its flow. */
#ifndef PDM_SHIM_INTAKE_H
#define PDM_SHIM_INTAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "shim/control.h"
#include "shim/flows.h"

/*
 * Takes our option, if there is one in what CONTROL tells of a packet, into the locked flow E. The
 * packet came AT (CLOCK_MONOTONIC); STAMPED: by the kernel's clock. Counts what is malformed.
 */
void pdm_intake(struct pdm_flow_entry *e, const struct pdm_control_received *control, int64_t at,
                bool stamped, int64_t now);

#endif
