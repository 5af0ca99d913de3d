/* SPDX-License-Identifier: BSD-2-Clause */
/* What pdmrun was asked to do. */
#ifndef CLI_PDMRUN_OPTIONS_H
#define CLI_PDMRUN_OPTIONS_H

#include <stdbool.h>

struct run_options {
    const char *mode;  /* as -m names it; NULL: the environment's */
    const char *agent; /* the agent's socket; NULL: the usual one */
    bool read_only;
    bool verbose;
    char **program; /* the program's name and arguments, ending in NULL */
};

enum run_parsed {
    RUN_PROGRAM,
    RUN_DONE, /* help or the version was printed */
    RUN_BAD   /* and a line on standard error says why */
};

/* What "encrypted" is called here: the agent decides, and PDMV2_MODE is not set. */
#define RUN_MODE_AGENT "encrypted"

/* Stops at the first word that is no option: what follows it is the program's. */
enum run_parsed run_options_parse(int argc, char **argv, struct run_options *options);

#endif
