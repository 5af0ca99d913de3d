/* SPDX-License-Identifier: BSD-2-Clause */
/* One live flow, as the agent tells of it; and which of them are shown, in which order. */
#ifndef CLI_PDMCTL_FLOW_H
#define CLI_PDMCTL_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/pdmctl/delay.h"
#include "core/cursor.h"
#include "core/message.h"
#include "core/metrics.h"
#include "core/prefix.h"
#include "core/tuple.h"

struct flow {
    struct pdm_flow_record record;
    struct pdm_tuple tuple;
    struct delay network, server, total;
    uint64_t counter[PDM_COUNTER_COUNT];
};

/* False if BODY ends before the flow does. */
bool flow_read(struct pdm_reader *body, struct flow *f);

/* By what flows are sorted: text upwards, numbers downwards, so that what is worst comes first. */
struct flow_order {
    const char *name;
    int (*compare)(const struct flow *a, const struct flow *b);
};
#define FLOW_ORDERS 9
extern const struct flow_order flow_orders[FLOW_ORDERS];
/* The one called NAME, or NULL. */
const struct flow_order *flow_order_find(const char *name);

struct flow_filter {
    bool has_peer;
    struct pdm_prefix peer;
    bool has_association;
    uint32_t association; /* the agent's number for it */
};
bool flow_passes(const struct flow_filter *filter, const struct flow *f);

#endif
