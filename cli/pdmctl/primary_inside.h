/* SPDX-License-Identifier: BSD-2-Clause */
/* What a primary shows, as its parts see it. */
#ifndef CLI_PDMCTL_PRIMARY_INSIDE_H
#define CLI_PDMCTL_PRIMARY_INSIDE_H

#include "cli/pdmctl/format.h"
#include "cli/pdmctl/primary.h"
#include "cli/pdmctl/table.h"
#include "core/admin.h"

/* A list as a table of HEADINGS, or as lines. */
struct primary_view {
    const char *const *headings;
    size_t columns;
    agent_record *row; /* its context is a struct table */
    agent_record *line;
};

/* The list of TYPE as VIEW has it. */
enum agent_result primary_show_as(struct agent_client *client, const struct pdmctl_context *context,
                                  uint8_t type, const struct primary_view *view);

/* NAME, or "?". */
const char *primary_or_unknown(const char *name);

#endif
