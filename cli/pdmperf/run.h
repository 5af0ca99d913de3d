/* SPDX-License-Identifier: BSD-2-Clause */
/* A run of requests to URLs. */
#ifndef CLI_PDMPERF_RUN_H
#define CLI_PDMPERF_RUN_H

#include "cli/pdmperf/options.h"

/* Beside curl's, whose numbers a failed request's code has. */
enum web_exit {
    WEB_EXIT_OK = 0,
    WEB_EXIT_USAGE = 2,   /* or something that the run needs cannot be had */
    WEB_EXIT_OUTPUT = 23, /* CURLE_WRITE_ERROR: what was printed did not arrive */
};

/*
 * Makes the options' requests, until they are done or a signal ends the run. Returns the exit code:
 * the last failed request's, else 0.
 */
int web_run(const struct web_options *options);

#endif
