/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory that the agent shares with the shims of all its clients: the policy, which only the
 * agent can write, and the metrics segment, which all write. Sealed, so that no client can make
 * another's access fault or write the policy.
 */
#ifndef PDM_KEYAGENT_SEGMENT_H
#define PDM_KEYAGENT_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/metrics.h"
#include "core/policy.h"

struct segment {
    int policy_fd;
    int metrics_fd;
    struct pdm_policy policy;    /* head NULL: none */
    struct pdm_segment *metrics; /* distrusted: every client can write all of it */
    uint32_t slots;
};

/* False after telling why. */
bool segment_init(struct segment *s, uint32_t slots);
void segment_free(struct segment *s);
/*
 * Makes room for so many entries in the policy: if need be in a larger one, a copy of it, which
 * clients are given when they say hello, as they do at once when they meet the retired one. Their
 * open flows stay open. False after telling why, and the policy is as it was.
 */
bool segment_reserve(struct segment *s, size_t entries);
/* Adds to the policy, or replaces what has the same prefixes; grows it if it is full. False after
 * telling why. */
bool segment_add(struct segment *s, const struct pdm_policy_entry *entry);

#endif
