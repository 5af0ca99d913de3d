/* SPDX-License-Identifier: BSD-2-Clause */
/* A bar that shows whose a delay is. */
#ifndef CLI_BAR_H
#define CLI_BAR_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct bar_part {
    const char *name;
    char letter;  /* that its cells have */
    int64_t time; /* any unit, the same for all; below 0 counts as 0 */
};

/*
 * A line with the shares that COUNT parts have of their sum, which are means or sums over the same
 * requests: percentiles do not add up. The bar has CELLS. Nothing if the sum is 0.
 */
void bar_put(FILE *out, const struct bar_part *parts, size_t count, int cells);

#endif
