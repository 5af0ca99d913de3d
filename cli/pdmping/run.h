/* SPDX-License-Identifier: BSD-2-Clause */
/* A run of probes to one host. */
#ifndef CLI_PDMPING_RUN_H
#define CLI_PDMPING_RUN_H

#include "cli/pdmping/options.h"

/* As ping's. */
enum ping_exit { PING_OK, PING_NO_REPLY, PING_FAILED };

/* Probes to the options' host, until they end or a signal does. */
enum ping_exit ping_run(const struct ping_options *options);

#endif
