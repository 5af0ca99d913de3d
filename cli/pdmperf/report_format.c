/* SPDX-License-Identifier: BSD-2-Clause */
/* The report that -w asks for: a text for each request, and nothing else. */
#include <inttypes.h>
#include <stdio.h>

#include "cli/pdmperf/format.h"
#include "cli/pdmperf/report.h"

static void start(const struct web_options *options)
{
    (void)options;
}

static void response(const struct web_options *options, const struct result *r)
{
    if (r->code != 0)
        fprintf(stderr, "pdmperf: (%" PRId64 ") %s\n", r->code, r->error);
    format_print(options->format, r, stdout, stderr);
}

static void summary(const struct web_summary *s)
{
    (void)s;
}

const struct web_report web_report_format = {
    .start = start,
    .response = response,
    .summary = summary,
};
