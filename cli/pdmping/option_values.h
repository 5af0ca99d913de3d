/* SPDX-License-Identifier: BSD-2-Clause */
/* Options of pdmping that have an argument. */
#ifndef CLI_PDMPING_OPTION_VALUES_H
#define CLI_PDMPING_OPTION_VALUES_H

#include <getopt.h>
#include <stdbool.h>

#include "cli/pdmping/options.h"

/* Options that have no letter. */
enum {
    LONG_JSON = 256,
    LONG_CSV,
    LONG_LIVE,
    LONG_LISTEN,
    LONG_ICMP,
    LONG_TCP,
    LONG_PATTERN,
    LONG_SWEEP,
    LONG_SLO,
    LONG_REQUIRE_PDM,
};

extern const struct option ping_long_options[];

enum option_taken {
    OPTION_TAKEN,
    OPTION_REFUSED, /* and a line on standard error says why */
    OPTION_UNKNOWN,
};

/* Takes OPTION with its argument TEXT, which may be NULL for one that need not have any. */
enum option_taken ping_option_value(int option, const char *text, struct ping_options *options);

#endif
