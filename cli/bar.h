/* SPDX-License-Identifier: BSD-2-Clause */
/* A bar that shows whose a delay is. */
#ifndef CLI_BAR_H
#define CLI_BAR_H

#include <stdint.h>
#include <stdio.h>

/*
 * A line with the shares of two means, or of two sums over the same requests; nothing if one of
 * them has no share.
 */
void bar_put(FILE *out, int64_t network, int64_t server);

#endif
