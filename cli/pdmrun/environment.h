/* SPDX-License-Identifier: BSD-2-Clause */
/* The program's environment. */
#ifndef CLI_PDMRUN_ENVIRONMENT_H
#define CLI_PDMRUN_ENVIRONMENT_H

#include <stdbool.h>

#include "cli/pdmrun/options.h"

/*
 * To be called before a descriptor is opened. A file capability makes libc take away what the user
 * set (LD_PRELOAD, LD_LIBRARY_PATH, TMPDIR and more: ld.so(8)) and fill in closed standard streams.
 * The program has none, so it gets all of that as it was.
 * ARGV is as main got it. False, and a line on standard error, without memory; so the next but one.
 */
bool environment_restore(int argc, char **argv);
/* LIBRARY before what EXISTING names, and no other copy of it; to be freed. NULL: no memory. */
char *environment_preload(const char *existing, const char *library);
bool environment_set(const struct run_options *options, const char *library);
/* Does PDMV2_MODE leave the choice to the agent? */
bool environment_wants_agent(void);

#endif
