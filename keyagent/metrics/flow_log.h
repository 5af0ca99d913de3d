/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log of flows: a line of JSON for each that is over, as man/pdmv2-metrics.7 describes it. What
 * cannot be written is lost, counted, and told of once. Single thread.
 */
#ifndef PDM_KEYAGENT_FLOW_LOG_H
#define PDM_KEYAGENT_FLOW_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/config.h"
#include "core/limits.h"
#include "keyagent/association.h"
#include "keyagent/metrics/log_file.h"
#include "keyagent/slots.h"

#define FLOW_LOG_SCHEMA "pdmv2-flow/1"

/* How a flow came to its end. */
enum flow_end {
    FLOW_CLOSED, /* its program is done with it */
    FLOW_IDLE,
    FLOW_PROCESS_GONE,
    FLOW_AGENT_ENDS,
    FLOW_ENDS
};

struct flow_log {
    struct log_file file;
    char buffer[FLOW_LOG_BUFFER];
    size_t used;
    uint32_t lines; /* in the buffer */
    bool failing;   /* and that has been told */
    int64_t failed_at;
    uint64_t written; /* lines */
    uint64_t lost;
};

/* As CONFIG says from now on, in a file that is opened anew. */
void flow_log_set(struct flow_log *log, const struct config *config);
/* Writes what is left. */
void flow_log_free(struct flow_log *log);
/* The flow of SLOT, in use, is over; its association is one of SET, or gone. */
void flow_log_add(struct flow_log *log, const struct slots *slots, uint32_t slot,
                  const struct associations *set, enum flow_end why);
/* Writes what has come together; to be called once a second. */
void flow_log_flush(struct flow_log *log);

#endif
