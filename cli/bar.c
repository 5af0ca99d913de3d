/* SPDX-License-Identifier: BSD-2-Clause */
/* A bar that shows whose a delay is. */
#include "cli/bar.h"

enum { CELLS = 30, PERCENT = 100 };

void bar_put(FILE *out, int64_t network, int64_t server)
{
    if (network < 0 || network + server <= 0)
        return;
    double share = (double)network / (double)(network + server);
    int percent = (int)(share * PERCENT + 0.5);
    int cells = (int)(share * CELLS + 0.5);

    fputs("mean  [", out);
    for (int i = 0; i < CELLS; i++)
        fputc(i < cells ? 'N' : 'S', out);
    fprintf(out, "]  network %d%%  server %d%%\n", percent, PERCENT - percent);
}
