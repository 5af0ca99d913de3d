/* SPDX-License-Identifier: BSD-2-Clause */
/* The program that is to run, and whether the library can be loaded into it. */
#ifndef CLI_PDMRUN_TARGET_H
#define CLI_PDMRUN_TARGET_H

#include <limits.h>

#include "cli/pdmrun/pdmrun.h"
#include "cli/pdmrun/library.h"

struct run_target {
    char path[PATH_MAX];
};

/* The file that execvp would run as NAME; if not RUN_OK, a line on standard error says why. */
enum run_exit target_resolve(struct run_target *target, const char *name);
/*
 * Whether ld.so will load LIBRARY into it, or into the interpreter if it is a script. If not, one
 * line on standard error says why and what to do. What is only doubtful is a line and RUN_OK.
 */
enum run_exit target_judge(const struct run_target *target, const struct run_library *library);

#endif
