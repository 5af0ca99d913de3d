/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory that the agent shares with the shims of all its clients: the policy, which only the
 * agent can write, and the metrics segment, which all write. Sealed, so that no client can make
 * another's access fault or write the policy.
 */
#ifndef PDM_KEYAGENT_SEGMENT_H
#define PDM_KEYAGENT_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/metrics.h"
#include "core/policy.h"

struct segment {
    int policy_fd;
    int metrics_fd;
    struct pdm_policy *policy;
    struct pdm_segment *metrics; /* distrusted: every client can write all of it */
    uint32_t slots;
};

/* False after telling why. */
bool segment_init(struct segment *s, uint32_t slots);
void segment_free(struct segment *s);

#endif
