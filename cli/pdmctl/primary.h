/* SPDX-License-Identifier: BSD-2-Clause */
/* pdmctl primary: what a primary shows. Each prints its own errors. */
#ifndef CLI_PDMCTL_PRIMARY_H
#define CLI_PDMCTL_PRIMARY_H

#include "cli/pdmctl/pdmctl.h"

typedef enum agent_result primary_show(struct agent_client *client,
                                       const struct pdmctl_context *context);

primary_show primary_show_status;
primary_show primary_show_pairs;
primary_show primary_show_secondaries;
/* Of ours, those that the operand behind "list" names, or all; or of a peer, by its name. */
primary_show primary_show_list;

#endif
