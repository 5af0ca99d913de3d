/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pdmping: asks an echo service again and again, and tells the network's delay from the server's.
 * It has no data path of its own: libpdmv2 sees its socket calls as it sees any program's.
 */
#include <err.h>

#include "cli/output.h"
#include "cli/pdmping/listen.h"
#include "cli/pdmping/options.h"
#include "cli/pdmping/run.h"
#include "cli/signals.h"

int main(int argc, char **argv)
{
    struct ping_options options;

    if (!output_prepare())
        return PING_FAILED;
    switch (ping_options_parse(argc, argv, &options)) {
    case PING_DONE:
        return output_flush() ? PING_OK : PING_FAILED;
    case PING_BAD:
        return PING_FAILED;
    default:
        break;
    }
    if (!signals_catch()) {
        warn("cannot catch signals");
        return PING_FAILED;
    }
    return (int)(options.listen ? ping_listen(&options) : ping_run(&options));
}
