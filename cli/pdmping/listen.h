/* SPDX-License-Identifier: BSD-2-Clause */
/* An echo service over UDP (RFC 862). */
#ifndef CLI_PDMPING_LISTEN_H
#define CLI_PDMPING_LISTEN_H

#include "cli/pdmping/options.h"
#include "cli/pdmping/run.h"

/* Answers until a signal stops it. */
enum ping_exit ping_listen(const struct ping_options *options);

#endif
