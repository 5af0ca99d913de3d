/* SPDX-License-Identifier: BSD-2-Clause */
/* A bar that shows whose a delay is. */
#include "cli/bar.h"

enum { PERCENT = 100 };

static int64_t time_of(const struct bar_part *part)
{
    return part->time > 0 ? part->time : 0;
}

/* TIME of a SUM, in units of which all together are WHOLE. */
static int scaled(int64_t time, int64_t sum, int whole)
{
    return (int)((double)time * whole / (double)sum + 0.5);
}

void bar_put(FILE *out, const struct bar_part *parts, size_t count, int cells)
{
    int64_t sum = 0, before = 0;

    for (size_t i = 0; i < count; i++)
        sum += time_of(&parts[i]);
    if (sum == 0)
        return;
    fputs("mean  [", out);
    for (size_t i = 0; i < count; i++) {
        int cell = scaled(before, sum, cells);

        before += time_of(&parts[i]);
        for (; cell < scaled(before, sum, cells); cell++)
            fputc(parts[i].letter, out);
    }
    fputc(']', out);
    /* Differences of rounded sums, so that they make 100. */
    before = 0;
    for (size_t i = 0; i < count; i++) {
        int from = scaled(before, sum, PERCENT);

        before += time_of(&parts[i]);
        fprintf(out, "  %s %d%%", parts[i].name, scaled(before, sum, PERCENT) - from);
    }
    fputc('\n', out);
}
