/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One target's slots as columns, the newest at the right: N for the network's delay with S for the
 * server's upon it, T for a total that is not divided, an X in the lowest row where a probe of the
 * slot was lost.
 */
#ifndef CLI_PDMPING_CHART_H
#define CLI_PDMPING_CHART_H

#include "cli/pdmping/slots.h"

/* Rows of the screen; the last two are the lowest of the chart, and the times below it. */
struct chart_place {
    int top, rows;
};

enum { CHART_ROWS_MIN = 4 };

void chart_draw(const struct chart_place *place, const struct slots *slots, int64_t now);

#endif
