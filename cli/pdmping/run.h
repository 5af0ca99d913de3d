/* SPDX-License-Identifier: BSD-2-Clause */
/* A run of probes to one host or several. */
#ifndef CLI_PDMPING_RUN_H
#define CLI_PDMPING_RUN_H

#include "cli/pdmping/options.h"

/* The first three are ping's. */
enum ping_exit {
    PING_OK,
    PING_NO_REPLY, /* of a target */
    PING_FAILED,
    PING_SLO_MISSED,
    PING_NO_PDM, /* although --require-pdm */
};

/* Probes to the options' hosts, until they end or a signal does. */
enum ping_exit ping_run(const struct ping_options *options);

#endif
