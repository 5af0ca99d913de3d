/* SPDX-License-Identifier: BSD-2-Clause */
/* The agent's live flows that pass a filter, in an order. */
#ifndef CLI_PDMCTL_FLOW_LIST_H
#define CLI_PDMCTL_FLOW_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/agent_client.h"
#include "cli/pdmctl/flow.h"
#include "cli/pdmctl/table.h"

struct flow_list {
    struct flow_filter filter;
    const struct flow_order *order; /* NULL: as the agent has them */
    struct flow *item;
    size_t count, cap;
    bool failed; /* out of memory; what came then is left out */
};

/* Asks anew; what was in it goes. */
enum agent_result flow_list_ask(struct flow_list *list, struct agent_client *client);
/* A row for each; to be freed with table_free(). */
struct table flow_list_table(const struct flow_list *list);
/* Hides what a screen of so many columns has no room for. */
void flow_list_fit(struct table *table, int width);
void flow_list_free(struct flow_list *list);

#endif
