/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ^C and its like. The signals are blocked but during a wait, so that none arrives between a look
 * at a flag and the wait, and none cuts short a line being written.
 */
#ifndef CLI_SIGNALS_H
#define CLI_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

/* From now on SIGINT and SIGTERM ask to stop, SIGQUIT asks for figures; false if that failed. */
bool signals_catch(void);
/* The mask for ppoll() and its like. */
const sigset_t *signals_during_wait(void);
/* Takes those that came, where waits may have no moment for them. */
void signals_let_in(void);
bool signals_stop(void);
/* Whether figures were asked for since the last call. */
bool signals_take_quit(void);

#endif
