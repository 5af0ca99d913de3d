/* SPDX-License-Identifier: BSD-2-Clause */
/* The two clocks, in nanoseconds. */
#ifndef CLI_CLOCK_H
#define CLI_CLOCK_H

#include <stdint.h>

int64_t clock_monotonic(void); /* for intervals */
int64_t clock_realtime(void);  /* for what people read */

#endif
