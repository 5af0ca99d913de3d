/* SPDX-License-Identifier: BSD-2-Clause */
/* What pdmperf tells of requests: a report as text, JSON Lines, or what -w asks for. */
#ifndef CLI_PDMPERF_REPORT_H
#define CLI_PDMPERF_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/pdmperf/options.h"
#include "cli/pdmperf/result.h"
#include "cli/pdmperf/tally.h"
#include "cli/pdmperf/verdict.h"

#define WEB_SCHEMA "pdmperf/1"

/* The whole run. */
struct web_summary {
    const struct web_options *options;
    struct tally *tallies; /* one for each URL */
    int64_t elapsed;       /* nanoseconds */
    bool interrupted;
};

struct web_report {
    void (*start)(const struct web_options *options);
    void (*response)(const struct web_options *options, const struct result *result);
    void (*summary)(const struct web_summary *summary);
};

extern const struct web_report web_report_text;
extern const struct web_report web_report_json;
extern const struct web_report web_report_format;

#endif
