/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pdmperf: makes requests and tells how much of their time is the network's and the server's. It
 * has no data path of its own: libpdmv2 sees its socket calls, by way of libcurl, as any program's.
 */
#include <err.h>

#include "cli/output.h"
#include "cli/pdmperf/options.h"
#include "cli/pdmperf/run.h"
#include "cli/signals.h"

/* Requests to URLs. */
static int measure_urls(int argc, char **argv)
{
    struct web_options options;
    int code = WEB_EXIT_USAGE;

    switch (web_options_parse(argc, argv, &options)) {
    case WEB_DONE:
        code = output_flush() ? WEB_EXIT_OK : WEB_EXIT_OUTPUT;
        break;
    case WEB_RUN:
        code = web_run(&options);
        break;
    default:
        break;
    }
    web_options_free(&options);
    return code;
}

int main(int argc, char **argv)
{
    if (!output_prepare())
        return WEB_EXIT_OUTPUT;
    if (!signals_catch()) {
        warn("cannot catch signals");
        return WEB_EXIT_USAGE;
    }
    return measure_urls(argc, argv);
}
