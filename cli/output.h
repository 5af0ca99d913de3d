/* SPDX-License-Identifier: BSD-2-Clause */
/* Standard streams of a tool: they are open, and what was written to them arrived. */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include <stdbool.h>

/*
 * To be called first. Fills in closed standard streams, so that no socket takes their numbers and
 * then gets their text; a closed pipe becomes an error of the write and no signal.
 * False, and a line on standard error, if standard output is closed.
 */
bool output_prepare(void);
/*
 * Hands on what was printed; false, and once a line on standard error, if it could not be written.
 */
bool output_flush(void);

#endif
