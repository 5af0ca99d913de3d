/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pdmperf: makes requests to URLs, or tests between two of its own, and tells how much of the time
 * is the network's and the server's. It has no data path of its own: libpdmv2 sees its socket
 * calls, those of libcurl too, as any program's.
 */
#include <err.h>

#include "cli/output.h"
#include "cli/pdmperf/net/client.h"
#include "cli/pdmperf/net/server.h"
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

/* Between two of ours. */
static int measure_network(int argc, char **argv)
{
    struct net_options options;

    switch (net_options_parse(argc, argv, &options)) {
    case NET_DONE_PARSING:
        return output_flush() ? NET_EXIT_OK : NET_EXIT_OUTPUT;
    case NET_RUN:
        return (int)(options.server ? net_server(&options) : net_client(&options));
    default:
        return NET_EXIT_USAGE;
    }
}

int main(int argc, char **argv)
{
    if (!output_prepare())
        return WEB_EXIT_OUTPUT;
    if (!signals_catch()) {
        warn("cannot catch signals");
        return WEB_EXIT_USAGE;
    }
    return net_options_asked(argc, argv) ? measure_network(argc, argv) : measure_urls(argc, argv);
}
