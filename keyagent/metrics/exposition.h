/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the agent and its flows show, as OpenMetrics 1.0 or in Prometheus's text format 0.0.4, in
 * parts, so that others get their turn. man/pdmv2-metrics.7 describes each metric.
 */
#ifndef PDM_KEYAGENT_EXPOSITION_H
#define PDM_KEYAGENT_EXPOSITION_H

#include <event2/buffer.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keyagent/agent.h"
#include "keyagent/enrolment/registry.h"

enum exposition_format { EXPOSITION_TEXT, EXPOSITION_OPENMETRICS, EXPOSITION_FORMATS };

struct exposition {
    const struct agent *agent;
    const struct registry *registry;
    enum exposition_format format;
    struct evbuffer *out;
    /* Where it goes on: */
    size_t family;
    uint32_t at;
};

/* What the client wants that sent ACCEPT, the header's value, or NULL. */
enum exposition_format exposition_choose(const char *accept);
/* Of Content-Type. */
const char *exposition_content_type(enum exposition_format format);
/* Puts the next part, of at most AGENT_SCRAPE_SERIES series. True: that was the last one. */
bool exposition_step(struct exposition *x);

#endif
