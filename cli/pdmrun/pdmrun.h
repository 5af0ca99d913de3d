/* SPDX-License-Identifier: BSD-2-Clause */
/* How pdmrun ends when it does not become the program: the codes of env(1) and nice(1). */
#ifndef CLI_PDMRUN_H
#define CLI_PDMRUN_H

enum run_exit {
    RUN_OK = 0,
    RUN_FAILED = 125,   /* pdmrun itself, or it was used wrongly */
    RUN_REFUSED = 126,  /* the program was found but cannot be run so */
    RUN_NOT_FOUND = 127 /* no such program */
};

#endif
